"""A file whose structure is whole cannot take the process with it; one that is not never meets a runtime."""

import struct
import subprocess
import sys

import flatbuffers
import numpy as np
import pytest
from tflite.Model import Model

from edge.backbone import catalogue
from edge.backbone.fake import CARD
from edge.errors import BadBackbone
from edge.export.fuse import head_alone
from edge.export.verify import check_structure
from edge.types import LinearTail

WEIGHTS = np.linspace(-1, 1, 2 * CARD.embedding.size, dtype=np.float32).reshape(2, -1)


@pytest.fixture(scope="module")
def whole():
    """A head as a graph of its own: every kind of table but those of a backbone, in a few kilobytes."""
    return head_alone(CARD, LinearTail(("a", "b"), WEIGHTS, np.zeros(2, np.float32), "softmax"))


def changed(data, table, slot, kind, value):
    """``data`` with the number in a table's slot, or the first of its vector, replaced."""
    data = bytearray(data)
    found = table(Model.GetRootAs(data, 0))._tab
    at = found.Offset(4 + 2 * slot)
    place = found.Vector(at) if kind.startswith("[") else found.Pos + at
    struct.pack_into(f"<{kind.lstrip('[')}", data, place, value)
    return bytes(data)


def test_what_is_written_here_is_whole(whole):
    check_structure(whole)


def test_packaged_backbones_are_whole(config):
    for folder, card in catalogue.cards(config):
        check_structure(catalogue.read_verified(folder, card))


@pytest.mark.parametrize(
    ("table", "slot", "kind", "value"),
    [
        (lambda model: model.Subgraphs(0), 1, "[i", 99),
        (lambda model: model.Subgraphs(0), 2, "[i", -1),
        (lambda model: model.Subgraphs(0).Operators(1), 0, "I", 99),
        (lambda model: model.Subgraphs(0).Operators(0), 1, "[i", 99),
        (lambda model: model.Subgraphs(0).Operators(0), 1, "[i", -2),
        (lambda model: model.Subgraphs(0).Operators(0), 2, "[i", -1),
        (lambda model: model.Subgraphs(0).Tensors(1), 2, "I", 99),
        (lambda model: model.Subgraphs(0).Tensors(0), 0, "I", 1 << 30),
        (lambda model: model.Subgraphs(0).Tensors(0), 3, "I", 1 << 30),
        (lambda model: model.Subgraphs(0).Tensors(0), 4, "I", 2),
        (lambda model: model, 2, "[I", 1 << 28),
        (lambda model: model, 4, "[I", 3),
    ],
)
def test_a_number_that_leads_nowhere_is_refused(whole, table, slot, kind, value):
    with pytest.raises(BadBackbone, match="damaged"):
        check_structure(changed(whole, table, slot, kind, value))


def test_a_constant_behind_the_end_is_refused(config):
    folder, card = catalogue.find_card("efficientnet-lite0-160", config)
    data = catalogue.read_verified(folder, card)
    model = Model.GetRootAs(data, 0)
    outside = next(i for i in range(model.BuffersLength()) if model.Buffers(i).Size())
    with pytest.raises(BadBackbone, match="outside the file"):
        check_structure(changed(data, lambda found: found.Buffers(outside), 1, "Q", len(data)))


def test_a_table_that_is_pointed_at_millions_of_times_is_refused_in_time():
    """Thousands of graphs that are one graph, of thousands of tensors that are one tensor, in half a megabyte."""
    builder = flatbuffers.Builder()
    graphs = times(builder, table(builder, 11), 60_000)
    graphs = times(builder, table(builder, 5, {0: graphs, 3: times(builder, 0, 0)}), 60_000)
    builder.Finish(table(builder, 8, {2: graphs}), b"TFL3")
    with pytest.raises(BadBackbone, match="too many parts"):
        check_structure(bytes(builder.Output()))


def table(builder, slots, fields=None):
    builder.StartObject(slots)
    for slot, offset in (fields or {}).items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return builder.EndObject()


def times(builder, table, count):
    """A vector that has one table again and again."""
    builder.StartVector(4, count, 4)
    for _ in range(count):
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()


_OPEN_DAMAGED = """
import random, sys
from edge.backbone import runtime
from edge.errors import EdgeError
from edge.export.verify import check_structure
name, whole = runtime.choose(sys.argv[1]), open(sys.argv[2], "rb").read()
chance, opened = random.Random(5), 0
for _ in range(400):
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 4))):
        data[chance.randrange(len(data))] = chance.choice((0, 255, chance.randrange(256)))
    try:
        check_structure(bytes(data))
        runtime.start(bytes(data), runtime=name, threads=1)
        opened += 1
    except EdgeError:
        pass
print(opened)
"""


@pytest.mark.either_runtime
def test_no_damage_that_passes_kills_the_process(whole, config, tmp_path):
    """Bytes changed anywhere: refused here, refused by the runtime, or harmless."""
    file = tmp_path / "whole.tflite"
    file.write_bytes(whole)
    done = subprocess.run(
        [sys.executable, "-c", _OPEN_DAMAGED, config.runtime, str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 0

"""A file that goes on where another one ends."""

import hashlib
import struct
from dataclasses import replace

import numpy as np
import pytest
from tflite.Model import Model

from edge.backbone import runtime as runtimes
from edge.backbone.catalogue import find_card, read_verified
from edge.backbone.golden import golden_images
from edge.config import Config
from edge.errors import BadBackbone
from edge.export.extend import Extension
from edge.export.graph import describe, open_model
from edge.export.record import metadata_of

NAMES = ("efficientnet-lite0-224", "efficientnet-lite0-160")


def backbone_file(name=NAMES[1]):
    return read_verified(*find_card(name, Config()))


def outside(data):
    """(offset, size) of the constants that lie outside the flatbuffer."""
    model = Model.GetRootAs(data, 0)
    buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    return [(one.Offset(), one.Size()) for one in buffers if one.Offset() > 1]


@pytest.mark.parametrize("name", NAMES)
def test_the_old_file_is_inside_but_for_where_its_constants_are(name):
    old = backbone_file(name)
    graph = Extension(old)
    new = graph.finish(graph.outputs[0], "the same")
    inside = new[len(new) - len(old) :]
    different = sum(a != b for a, b in zip(old, inside, strict=True))
    assert 0 < different <= 8 * len(outside(old))


def test_constants_outside_the_flatbuffer_are_found_where_they_are_now():
    old = backbone_file()
    graph = Extension(old)
    new = graph.finish(graph.outputs[0], "the same")
    before, after = outside(old), outside(new)
    assert len(before) == len(after) > 0
    for (one, size), (other, _) in zip(before, after, strict=True):
        assert old[one : one + size] == new[other : other + size]


def test_constants_keep_their_alignment():
    old = backbone_file()
    graph = Extension(old)
    graph.tensor("odd", (3,), "INT8", data=b"abc")
    new = graph.finish(graph.outputs[0], "the same")
    assert [offset % 16 for offset, _ in outside(old)] == [offset % 16 for offset, _ in outside(new)]


@pytest.mark.either_runtime
def test_an_extended_file_gives_the_same_embeddings(config):
    old = backbone_file()
    graph = Extension(old)
    new = graph.finish(graph.outputs[0], "the same")
    pixels = (golden_images(160, 160)[5] ^ np.uint8(128)).view(np.int8)[np.newaxis]
    answers = []
    for data in (old, new):
        interpreter = runtimes.start(data, runtime=runtimes.choose(config.runtime), threads=1)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert np.array_equal(*answers)


def test_an_extended_file_can_be_extended():
    once = Extension(backbone_file())
    twice = Extension(once.finish(once.outputs[0], "once"))
    facts, old = describe(twice.finish(twice.outputs[0], "twice")), describe(backbone_file())
    assert facts == replace(old, outputs=old.outputs[:1])


def test_metadata_of_the_old_file_stays():
    graph = Extension(backbone_file())
    graph.metadata("MINE", b"new")
    found = metadata_of(graph.finish(graph.outputs[0], "x"))
    assert found["MINE"] == b"new"
    assert {name: found[name] for name in metadata_of(backbone_file())} == metadata_of(backbone_file())


def test_metadata_of_the_same_name_is_replaced():
    graph = Extension(backbone_file())
    graph.metadata("MINE", b"first")
    graph.metadata("MINE", b"second")
    data = graph.finish(graph.outputs[0], "x")
    assert metadata_of(data)["MINE"] == b"second"
    model = open_model(data)
    names = [model.Metadata(i).Name() for i in range(model.MetadataLength())]
    assert names.count(b"MINE") == 1


def test_the_same_additions_give_the_same_bytes():
    def made():
        graph = Extension(backbone_file())
        graph.metadata("MINE", b"one")
        return hashlib.sha256(graph.finish(graph.outputs[0], "x")).hexdigest()

    assert made() == made()


def test_a_graph_from_nothing_needs_no_old_file():
    graph = Extension()
    graph.inputs = (graph.tensor("x", (1, 4), "FLOAT32"),)
    out = graph.operator("RELU", 1, [graph.inputs[0]], graph.tensor("y", (1, 4), "FLOAT32"))
    facts = describe(graph.finish(out, "relu"))
    assert facts.ops == (("RELU", 1),)
    assert [one.name for one in facts.inputs + facts.outputs] == ["x", "y"]


def test_a_file_with_a_wrong_identifier_is_refused():
    with pytest.raises(BadBackbone, match="not a TFLite file"):
        Extension(b"\x10\0\0\0NOPE" + bytes(100))


def test_a_file_with_two_inputs_is_refused():
    graph = Extension()
    graph.inputs = (graph.tensor("x", (1, 4), "INT8", scale=1.0),)
    data = bytearray(graph.finish(graph.inputs[0], "x"))
    inputs = Model.GetRootAs(data, 0).Subgraphs(0)._tab
    start = inputs.Vector(inputs.Offset(6)) - 4
    struct.pack_into("<I", data, start, 2)
    with pytest.raises(BadBackbone, match="one input and at least one output"):
        Extension(bytes(data))


def test_a_float_backbone_is_refused():
    graph = Extension()
    graph.inputs = (graph.tensor("x", (1, 4), "FLOAT32"),)
    with pytest.raises(BadBackbone, match="8 bits"):
        Extension(graph.finish(graph.inputs[0], "x"))

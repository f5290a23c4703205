"""Reading a graph's facts, and refusing what only looks like one."""

import struct

import pytest
from tflite.Model import Model

from edge.backbone.catalogue import find_card, read_verified
from edge.config import Config
from edge.errors import BadBackbone
from edge.export.extend import Extension
from edge.export.graph import describe, open_model


def small():
    graph = Extension()
    graph.inputs = (graph.tensor("x", (1, 4), "INT8", scale=0.5, zero_point=3),)
    out = graph.operator("RELU", 2, [graph.inputs[0]], graph.tensor("y", (1, 4), "INT8", scale=0.25, zero_point=-1))
    return graph.finish(out, "small")


def test_facts_of_the_default_backbone():
    folder, card = find_card("efficientnet-lite0-224", Config())
    facts = describe(read_verified(folder, card))
    (given,), made = facts.inputs, facts.outputs
    assert (given.shape, given.dtype, given.scale, given.zero_point) == ((1, 224, 224, 3), "INT8", 1 / 128, -1)
    parts = card.embedding.parts
    assert [(one.shape, one.zero_point) for one in made] == [((1, part.size), part.zero_point) for part in parts]
    assert [one.scale for one in made] == pytest.approx([part.scale for part in parts])
    assert [f"{name} v{version}" for name, version in facts.ops] == card.facts["ops"]["list"]
    assert facts.static
    assert facts.custom_ops == ()


def test_quantisation_and_names_are_read():
    facts = describe(small())
    assert (facts.inputs[0].name, facts.inputs[0].scale, facts.inputs[0].zero_point) == ("x", 0.5, 3)
    assert (facts.outputs[0].name, facts.outputs[0].scale, facts.outputs[0].zero_point) == ("y", 0.25, -1)


@pytest.mark.parametrize("data", [b"", b"TFL3", bytes(64), b"\x89PNG" + bytes(60)], ids=len)
def test_what_is_no_tflite_file_is_refused(data):
    with pytest.raises(BadBackbone, match="not a TFLite file"):
        open_model(data)


@pytest.mark.parametrize("slot", [6, 8, 12, 16], ids=["codes", "graphs", "buffers", "metadata"])
def test_a_count_of_millions_is_refused_at_once(slot):
    data = bytearray(small())
    table = Model.GetRootAs(data, 0)._tab
    struct.pack_into("<I", data, table.Vector(table.Offset(slot)) - 4, 100_000_000)
    with pytest.raises(BadBackbone, match="damaged"):
        open_model(bytes(data))


@pytest.mark.parametrize("length", range(20, 400, 37))
def test_a_file_cut_short_is_refused_or_read_without_its_end(length):
    try:
        describe(small()[:length])
    except BadBackbone as error:
        assert "again" in str(error) or "give a .tflite" in str(error)

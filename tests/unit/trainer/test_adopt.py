"""Adopting embedding extractors made elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from edge.backbone.catalogue import background, find_card, golden, open_backbone
from edge.config import Config
from edge.errors import BadBackbone, Conflict, HardwareMissing, InvalidArgument, NotFound
from trainer.adopt import AdoptOptions, adopt


@pytest.fixture
def out(tmp_path):
    return tmp_path / "backbones"


def take(path, out, **changes):
    return adopt(AdoptOptions(file=path, out=out, **changes))


@pytest.mark.parametrize("dtype", ["INT8", "UINT8"])
def test_an_adopted_file_is_a_backbone_that_the_device_opens(tiny_file, everyday, out, dtype):
    card = take(tiny_file(dtype=dtype), out, representative=everyday, licence="MIT", source="made here")
    config = Config(backbones=str(out))
    folder, found = find_card("tiny", config)
    assert found == card
    assert (card.licence, card.source, card.held_back, card.embedding.parts[0].transform) == (
        "MIT",
        "made here",
        3,
        "sqrt",
    )
    opened = open_backbone("tiny", config)
    picture = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    assert opened.embed(picture).shape == (16,)
    assert background(folder, card).shape == (9, 16)
    assert golden(folder, card).shape == (6, 16)


def test_uint8_and_int8_twins_give_the_same_embedding(tiny_file, out):
    picture = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    take(tiny_file("a.tflite", dtype="INT8"), out)
    take(tiny_file("b.tflite", dtype="UINT8"), out)
    a, b = (open_backbone(name, Config(backbones=str(out))).embed(picture).astype(int) for name in "ab")
    assert np.abs(a - b).max() <= 1
    assert a.max() > a.min()


@pytest.mark.parametrize(
    ("dtype", "scale", "zero", "mean", "std"),
    [("UINT8", 1 / 128, 128, 128, 128), ("INT8", 1 / 128, -1, 127, 128), ("UINT8", 1 / 256, 0, 0, 256)],
)
def test_mean_and_std_come_from_the_input_so_that_a_grey_level_is_one_step(
    tiny_file, out, dtype, scale, zero, mean, std
):
    card = take(tiny_file(dtype=dtype, scale=scale, zero=zero), out)
    assert (card.preprocessing.mean, card.preprocessing.std) == (mean, std)


def test_height_and_width_need_not_be_equal(tiny_file, out):
    card = take(tiny_file(size=(24, 40), width=12), out)
    assert (card.preprocessing.height, card.preprocessing.width, card.embedding.size) == (24, 40, 12)


def test_values_with_a_sign_get_the_signed_root(tiny_file, out):
    assert take(tiny_file(out_zero=-3), out).embedding.parts[0].transform == "signed-sqrt"
    assert take(tiny_file(out_zero=-3), out, transform="l2").embedding.parts[0].transform == "l2"


def test_without_pictures_there_is_no_background(tiny_file, out):
    card = take(tiny_file(), out)
    assert card.background is None
    assert card.golden == "tiny.golden.npy"


def test_the_card_says_whether_the_edge_tpu_takes_the_operators(tiny_file, out):
    facts = take(tiny_file(), out).facts
    assert facts["edge_tpu"]["compatible"] is True
    assert facts["ops"]["list"] == ["CONV_2D v3", "MEAN v2"]


def test_a_compiled_file_needs_the_hardware_for_its_embeddings(tiny_file, everyday, out):
    path = tiny_file("x_edgetpu.tflite", dtype="UINT8", ending="compiled")
    with pytest.raises(HardwareMissing, match=r"background and golden embeddings need the file to run.*--without"):
        take(path, out, representative=everyday)
    assert not out.exists()


def test_a_compiled_file_can_be_adopted_without_embeddings(tiny_file, out):
    card = take(tiny_file("x_edgetpu.tflite", dtype="UINT8", ending="compiled"), out, without_embeddings=True)
    assert (card.background, card.golden) == (None, None)
    assert card.facts["edge_tpu"] == {"compatible": True, "complaints": [], "report": "compiled for the Edge TPU"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"ending": "SOFTMAX"}, "class scores"),
        ({"ending": "compiled", "dtype": "UINT8", "out_scale": 1 / 256}, "class scores"),
        ({"dtype": "FLOAT32"}, "8 bits.*FLOAT32"),
        ({"inputs": 2}, "one input, this file has 2"),
        ({"scale": 0.0}, "does not say what its 8 bits mean"),
        ({"dead": True}, "same embedding for every picture"),
        ({"width": 4}, "one vector"),
    ],
)
def test_what_is_no_embedding_extractor_is_refused_and_nothing_is_written(tiny_file, out, changes, complaint):
    with pytest.raises(BadBackbone, match=complaint):
        take(tiny_file(**changes), out)
    assert not out.exists()


@pytest.mark.parametrize("content", [b"", b"no such thing", b"\0" * 40, b"\x1c\0\0\0TFL3" + b"\xff" * 64])
def test_garbage_is_refused(tmp_path, out, content):
    path = tmp_path / "x.tflite"
    path.write_bytes(content)
    with pytest.raises(BadBackbone):
        take(path, out)
    assert not out.exists()


def test_a_truncated_file_is_refused(tiny_file, out):
    path = tiny_file()
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(BadBackbone):
        take(path, out)


def test_a_missing_file_is_not_found(tmp_path, out):
    with pytest.raises(NotFound):
        take(tmp_path / "nothing.tflite", out)


@pytest.mark.parametrize("name", ["fake", "a/b", "..", "-x", "ü"])
def test_names_that_cannot_be_a_backbone_are_refused(tiny_file, out, name):
    with pytest.raises(InvalidArgument, match="cannot name a backbone"):
        take(tiny_file(), out, name=name)


def test_another_backbone_of_that_name_is_kept(tiny_file, out):
    first = take(tiny_file(), out)
    with pytest.raises(Conflict):
        take(tiny_file(width=24), out)
    assert find_card("tiny", Config(backbones=str(out)))[1] == first


def test_adopting_the_same_file_again_replaces_its_card(tiny_file, out):
    take(tiny_file(), out)
    assert take(tiny_file(), out, crop=1.0).preprocessing.crop == 1.0


def test_mean_and_std_that_miss_the_input_are_refused(tiny_file, out):
    with pytest.raises(InvalidArgument, match=r"grey levels fall outside"):
        take(tiny_file(), out, mean=0.0, std=1.0)
    with pytest.raises(InvalidArgument, match="go together"):
        take(tiny_file(), out, mean=127.0)

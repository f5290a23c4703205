"""Backbones are found by name: adopted ones first, and only files that are what their cards say."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.backbone import catalogue
from edge.backbone.card import read_card
from edge.backbone.fake import FakeBackbone
from edge.config import DEFAULT_BACKBONE, Config
from edge.errors import BadBackbone, NotFound

SMALL = "efficientnet-lite0-160"


@pytest.fixture
def adopted(tmp_path, config):
    """A folder with a copy of the small backbone, and the configuration that looks there first."""
    folder = tmp_path / "adopted"
    folder.mkdir()
    for path in catalogue.folders(config)[0].glob(f"{SMALL}.*"):
        shutil.copy(path, folder)
    return folder, replace(config, backbones=str(folder))


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_the_packaged_backbones_are_found(config):
    assert {card.name for _, card in catalogue.cards(config)} >= {DEFAULT_BACKBONE, SMALL}


def test_the_default_is_one_of_them_and_whole(config):
    folder, card = catalogue.find_card(DEFAULT_BACKBONE, config)
    assert hashlib.sha256(catalogue.read_verified(folder, card)).hexdigest() == card.sha256
    background = catalogue.background(folder, card)
    assert background is not None
    assert len(background) > card.held_back > 0


def test_an_adopted_backbone_hides_a_packaged_one_of_its_name(adopted):
    folder, config = adopted
    edit(folder / f"{SMALL}.toml", 'licence = "Apache-2.0"', 'licence = "mine"')
    assert catalogue.find_card(SMALL, config)[0] == folder
    found = [(place, card) for place, card in catalogue.cards(config) if card.name == SMALL]
    assert [(place, card.licence) for place, card in found] == [(folder, "mine")]


def test_other_packaged_backbones_stay(adopted):
    folder, config = adopted
    assert catalogue.find_card(DEFAULT_BACKBONE, config)[0] != folder


def test_a_folder_that_is_not_there_is_no_reason_to_fail(config, tmp_path):
    assert catalogue.find_card(SMALL, replace(config, backbones=str(tmp_path / "no")))[1].name == SMALL


def test_a_card_without_its_network_is_not_listed(adopted):
    folder, config = adopted
    (folder / f"{SMALL}.tflite").unlink()
    assert all(place != folder for place, _ in catalogue.cards(config))


def test_a_broken_card_is_named_and_does_not_hide_the_others(adopted):
    folder, config = adopted
    (folder / f"{SMALL}.toml").write_text("name = ")
    (folder / "other.tflite").touch()
    (folder / "other.toml").write_text("")
    broken = []
    assert [card.name for _, card in catalogue.cards(config, broken)] == [DEFAULT_BACKBONE]
    assert [
        str(folder / name) in str(error) for name, error in zip((f"{SMALL}.toml", "other.toml"), broken, strict=True)
    ]
    assert [card.name for _, card in catalogue.cards(config)] == [DEFAULT_BACKBONE]


@pytest.mark.parametrize("name", ["no", "", "../secret", "a/b", "/etc/passwd", "a\0b", "..", "x" * 5000])
def test_a_name_that_is_none_lists_the_ones_there_are(tmp_path, config, name):
    (tmp_path / "secret.toml").write_text("")
    (tmp_path / "adopted").mkdir()
    with pytest.raises(NotFound, match=f"no backbone .*; there are: .*{SMALL}"):
        catalogue.open_backbone(name, replace(config, backbones=str(tmp_path / "adopted")))


def test_a_changed_file_is_refused(adopted):
    folder, config = adopted
    data = bytearray((folder / f"{SMALL}.tflite").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / f"{SMALL}.tflite").write_bytes(data)
    with pytest.raises(BadBackbone, match=r"not the file its card describes.*copy both files again"):
        catalogue.open_backbone(SMALL, config)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"x" * 100])
def test_a_file_that_is_no_network_is_refused(adopted, content):
    folder, config = adopted
    (folder / f"{SMALL}.tflite").write_bytes(content)
    with pytest.raises(BadBackbone, match="not a TFLite file"):
        catalogue.open_backbone(SMALL, config)


def test_a_truncated_file_whose_card_was_made_for_it_is_refused(adopted):
    folder, config = adopted
    data = (folder / f"{SMALL}.tflite").read_bytes()[:4000]
    (folder / f"{SMALL}.tflite").write_bytes(data)
    card = read_card(folder / f"{SMALL}.toml")
    edit(folder / f"{SMALL}.toml", card.sha256, hashlib.sha256(data).hexdigest())
    with pytest.raises(BadBackbone, match="the runtime refuses this file"):
        catalogue.open_backbone(SMALL, config)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("width = 160", "width = 224", r"takes int8 \(1, 160, 160, 3\) but its card says int8 \(1, 160, 224, 3\)"),
        ("size = 1280", "size = 1024", r"gives \[1280.*\] numbers of int8 but its card says \[1024.*\] of 8 bits"),
        ('dtype = "int8"', 'dtype = "uint8"', "takes int8 .* but its card says uint8"),
        ("scale = 0.0078125", "scale = 0.0039", r"takes numbers of scale 0\.0078125 and zero point -1 but"),
        ("zero_point = -1\n", "zero_point = 0\n", "zero point -1 but its card says .* and 0"),
        ("zero_point = -128", "zero_point = -127", "gives numbers of scale .* zero point -128 but"),
    ],
)
def test_a_card_that_lies_about_its_network_is_refused(adopted, before, after, said):
    folder, config = adopted
    edit(folder / f"{SMALL}.toml", before, after)
    with pytest.raises(BadBackbone, match=said):
        catalogue.open_backbone(SMALL, config)


def test_a_card_with_another_normalisation_gets_another_table(adopted):
    folder, config = adopted
    plain = catalogue.open_backbone(SMALL, config)
    edit(folder / f"{SMALL}.toml", "mean = 127.0", "mean = 0.0")
    shifted = catalogue.open_backbone(SMALL, config)
    dark = np.full((160, 160, 3), 20, np.uint8)
    # (20 - 0) / 128 is (147 - 127) / 128
    assert np.array_equal(shifted.embed(dark), plain.embed(dark + np.uint8(127)))
    assert not np.array_equal(shifted.embed(dark), plain.embed(dark))


@pytest.mark.parametrize("what", ["background", "golden"])
@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 1664), np.uint8),
        np.zeros((3, 1663), np.int8),
        np.zeros(1664, np.int8),
        np.array([{}] * 3, object),
    ],
    ids=["dtype", "size", "one row", "pickled"],
)
def test_embeddings_of_the_wrong_kind_are_refused(adopted, what, array):
    folder, config = adopted
    np.save(folder / f"{SMALL}.{what}.npy", array, allow_pickle=True)
    _, card = catalogue.find_card(SMALL, config)
    with pytest.raises(BadBackbone, match="copy it again"):
        getattr(catalogue, what)(folder, card)


def test_missing_and_damaged_embeddings_are_refused(adopted):
    folder, config = adopted
    _, card = catalogue.find_card(SMALL, config)
    (folder / f"{SMALL}.golden.npy").write_bytes(b"\x93NUMPY")
    (folder / f"{SMALL}.background.npy").unlink()
    with pytest.raises(BadBackbone, match="cannot be read"):
        catalogue.golden(folder, card)
    with pytest.raises(BadBackbone, match="cannot be read"):
        catalogue.background(folder, card)


@pytest.mark.parametrize("rows", [0, 117, 118])
def test_a_background_that_is_held_back_altogether_is_refused(adopted, rows):
    folder, config = adopted
    _, card = catalogue.find_card(SMALL, config)
    assert card.held_back == 118
    np.save(folder / f"{SMALL}.background.npy", np.zeros((rows, 1664), np.int8))
    with pytest.raises(BadBackbone, match=f"has {rows} rows but its card holds back 118"):
        catalogue.background(folder, card)


def test_the_fake_is_opened_without_any_file():
    assert isinstance(catalogue.open_backbone("fake", Config(backbones="/nowhere")), FakeBackbone)

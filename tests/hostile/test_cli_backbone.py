"""A backbone that is not what it should be, through the real command line."""

import hashlib
import re
import shutil

import pytest
from click.testing import CliRunner
from PIL import Image

from edge.backbone.catalogue import find_card
from edge.config import DEFAULT_BACKBONE, Config
from edge.faces.cli import main


@pytest.fixture
def edge(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(main, ["--store", str(tmp_path / "store"), *map(str, arguments)])

    return run


@pytest.fixture(scope="session")
def template(tmp_path_factory, blob):
    """What the tests copy: the default backbone's files, and a store under them with a trained model."""
    place = tmp_path_factory.mktemp("template")
    packaged, _ = find_card(DEFAULT_BACKBONE, Config())
    (place / "backbones").mkdir()
    for path in packaged.glob(f"{DEFAULT_BACKBONE}.*"):
        shutil.copy(path, place / "backbones" / path.name)
    for colour in ("red", "green"):
        (place / colour).mkdir()
        for number in range(3):
            Image.fromarray(blob(colour, number)).save(place / colour / f"{number}.png")
    for arguments in (
        ("init",),
        ("add", place / "red", "--concept", "red"),
        ("add", place / "green", "--not-concept", "red"),
        ("model", "create", "warm", "--concept", "red"),
        ("train", "warm"),
    ):
        environment = {"EDGE_BACKBONES": str(place / "backbones")}
        done = CliRunner().invoke(main, ["--store", str(place / "store"), *map(str, arguments)], env=environment)
        assert done.exit_code == 0, done.output
    return place


@pytest.fixture
def folder(template, tmp_path, monkeypatch):
    """A copy of the default backbone's files that goes before the packaged ones."""
    shutil.copytree(template / "backbones", tmp_path / "backbones")
    monkeypatch.setenv("EDGE_BACKBONES", str(tmp_path / "backbones"))
    return tmp_path / "backbones"


@pytest.fixture
def taught(template, folder, tmp_path):
    """A store under that copy, with a trained model "warm"."""
    for part in ("store", "red"):
        shutil.copytree(template / part, tmp_path / part)
    return folder


def refused(done, code, *words):
    assert done.exit_code == code, done.output
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    return data


def certify(folder):
    """Make the card describe the file that is there."""
    digest = hashlib.sha256((folder / f"{DEFAULT_BACKBONE}.tflite").read_bytes()).hexdigest()
    card = folder / f"{DEFAULT_BACKBONE}.toml"
    card.write_text(re.sub(r'^sha256 = ".*"', f'sha256 = "{digest}"', card.read_text(), count=1, flags=re.M))


@pytest.mark.either_runtime
def test_a_file_that_is_not_the_one_its_card_describes(edge, taught, tmp_path):
    flip(taught / f"{DEFAULT_BACKBONE}.tflite")
    refused(edge("predict", "warm", tmp_path / "red" / "0.png"), 2, "not the file its card describes", "copy")
    refused(edge("add", tmp_path / "red"), 2, "not the file its card describes")
    done = edge("doctor")
    assert done.exit_code == 5
    assert "not the file its card describes" in done.stdout


# tflite-runtime 2.14 does not look before it follows offsets: there a matching sha256 is all the protection
def test_a_file_that_no_runtime_takes(edge, folder, saved, blob):
    (folder / f"{DEFAULT_BACKBONE}.tflite").write_bytes(b"\x18\0\0\0TFL3" + b"\xff" * 4096)
    certify(folder)
    assert edge("init").exit_code == 0
    refused(edge("add", saved("1.png", blob("red"))), 2, "refuses this file")


@pytest.mark.either_runtime
def test_a_file_that_is_no_network_at_all(edge, folder, saved, blob):
    (folder / f"{DEFAULT_BACKBONE}.tflite").write_bytes(b"PK\x03\x04 a zip archive")
    certify(folder)
    assert edge("init").exit_code == 0
    refused(edge("add", saved("1.png", blob("red"))), 2, "not a TFLite file")


@pytest.mark.either_runtime
def test_another_network_under_the_same_name(edge, taught, tmp_path):
    packaged, _ = find_card("efficientnet-lite0-160", Config())
    shutil.copy(packaged / "efficientnet-lite0-160.tflite", taught / f"{DEFAULT_BACKBONE}.tflite")
    certify(taught)
    refused(edge("predict", "warm", tmp_path / "red" / "0.png"), 4, f"edge backbone use {DEFAULT_BACKBONE}")
    assert edge("doctor").exit_code == 5


@pytest.mark.either_runtime
@pytest.mark.parametrize("text", ["", "name = ", "name = 5", "\0"], ids=repr)
def test_a_card_that_cannot_be_read(edge, taught, tmp_path, text):
    (taught / f"{DEFAULT_BACKBONE}.toml").write_text(text)
    refused(edge("predict", "warm", tmp_path / "red" / "0.png"), 2, f"{DEFAULT_BACKBONE}.toml")
    assert edge("doctor").exit_code == 5


@pytest.mark.either_runtime
def test_a_backbone_that_is_gone(edge, taught, tmp_path, monkeypatch):
    shutil.copy(taught / f"{DEFAULT_BACKBONE}.toml", taught / "mine.toml")
    card = (taught / "mine.toml").read_text().replace(DEFAULT_BACKBONE, "mine")
    (taught / "mine.toml").write_text(card)
    shutil.copy(taught / f"{DEFAULT_BACKBONE}.tflite", taught / "mine.tflite")
    for kind in ("background", "golden"):
        shutil.copy(taught / f"{DEFAULT_BACKBONE}.{kind}.npy", taught / f"mine.{kind}.npy")
    assert edge("backbone", "use", "mine").exit_code == 0
    monkeypatch.delenv("EDGE_BACKBONES")
    refused(edge("predict", "warm", tmp_path / "red" / "0.png"), 3, "no backbone 'mine'")
    assert edge("doctor").exit_code == 5


@pytest.mark.either_runtime
def test_a_background_that_is_damaged_stops_training_and_is_found(edge, taught):
    (taught / f"{DEFAULT_BACKBONE}.background.npy").write_bytes(b"\x93NUMPY nothing")
    refused(edge("train", "warm"), 2, "background.npy")
    done = edge("doctor")
    assert done.exit_code == 5
    assert "background.npy" in done.stdout

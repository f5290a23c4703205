"""Places where an export cannot be written: one clear error, what was there stays."""

import errno
import os

import pytest

from edge import Engine
from edge.errors import BadBackbone, InvalidArgument, StoreUnavailable


@pytest.fixture
def real(real_engine, photographs):
    real_engine.add(photographs / "taught" / "brick" / "0.png", concepts=["brick"])
    real_engine.create_model("ground", ["brick"]).train().wait()
    return real_engine.model("ground")


def test_a_folder_in_place_of_the_file(real, tmp_path):
    with pytest.raises(InvalidArgument, match="is a folder"):
        real.export(tmp_path)


def test_a_folder_that_does_not_exist(real, tmp_path):
    with pytest.raises(InvalidArgument, match="no folder"):
        real.export(tmp_path / "no" / "x.tflite")
    assert not (tmp_path / "no").exists()


def test_a_device_in_place_of_the_file(real, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidArgument, match="no ordinary file"):
        real.export(tmp_path / "pipe")


def test_a_name_that_is_too_long(real, tmp_path):
    with pytest.raises(InvalidArgument):
        real.export(tmp_path / f"{'x' * 300}.tflite")


def test_a_full_disk_leaves_the_old_file(real, tmp_path, monkeypatch):
    path = tmp_path / "x.tflite"
    path.write_bytes(b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="full"):
        real.export(path)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".tmp")] == []


def test_a_fused_file_that_would_answer_differently_is_not_written(real, tmp_path, monkeypatch):
    from edge.engine import exporting

    monkeypatch.setattr(exporting, "CLOSE", -1.0)
    with pytest.raises(BadBackbone, match="differ from predict"):
        real.export(tmp_path / "x.tflite")
    assert not (tmp_path / "x.tflite").exists()


def test_a_backbone_that_is_no_file(engine, blob, tmp_path):
    engine.add(blob("red"), concepts=["red"])
    engine.add(blob("green"), not_concepts=["red"])
    engine.create_model("colours", ["red"]).train().wait()
    with pytest.raises(InvalidArgument, match="edge backbone use"):
        engine.model("colours").export(tmp_path / "x.tflite")


def test_an_integer_head_without_pictures_takes_its_ranges_from_the_background(real, tmp_path, config):
    exported = real.export(tmp_path / "x.tflite")
    with Engine.open(tmp_path / "empty", config=config) as other:
        again = other.install(exported.path).export(tmp_path / "y.tflite", full_integer=True)
    assert (again.compared, again.agreement) == (0, None)

"""A fused file answers as ``predict`` does, with every packaged backbone, under either runtime."""

import io
import zipfile
from importlib import import_module

import numpy as np
import pytest
from PIL import Image

from edge import Engine
from edge.backbone.runtime import RUNTIMES, choose
from edge.export.graph import describe
from trainer.edgetpu import complaints

pytestmark = pytest.mark.either_runtime
BACKBONES = ("efficientnet-lite0-224", "efficientnet-lite0-160")
GROUNDS = ("brick", "grass", "gravel")


@pytest.fixture(scope="module", params=BACKBONES)
def taught(request, tmp_path_factory, photographs, config):
    """A store with real photographs and two trained models, "one" mutually exclusive and "any" independent."""
    folder = tmp_path_factory.mktemp(request.param)
    with Engine.open(folder / "store", backbone=request.param, config=config) as engine:
        engine.add(photographs / "taught", from_folders=True)
        for name, exclusive in (("one", True), ("any", False)):
            engine.create_model(name, GROUNDS, mutually_exclusive=exclusive).train().wait()
        yield engine


@pytest.fixture
def pictures(photographs):
    return sorted((photographs / "held-out").rglob("*.png"))[::4]


def bare(config, path, pictures):
    """Values of a fused file from numpy, Pillow and the runtime alone, as docs/export.md shows."""
    interpreter = import_module(RUNTIMES[choose(config.runtime)][1]).Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    side = int(given["shape"][1])
    rows = []
    for one in pictures:
        with Image.open(one) as picture:
            half, x, y = min(picture.size) * 0.875 / 2, picture.width / 2, picture.height / 2
            box = (x - half, y - half, x + half, y + half)
            small = picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=1.0)
        pixels = (np.asarray(small).astype(np.int16) - 128).astype(np.int8)
        interpreter.set_tensor(given["index"], pixels[np.newaxis])
        interpreter.invoke()
        values = interpreter.get_tensor(made["index"])[0]
        if values.dtype != np.float32:
            scale, zero = made["quantization"]
            values = (values.astype(np.float32) - zero) * scale
        rows.append(values)
    return np.array(rows)


def predicted(engine, name, pictures):
    rows = []
    for one in pictures:
        values = {score.id: score.value for score in engine.model(name).predict(one).concepts}
        rows.append([values[ground] for ground in GROUNDS])
    return np.array(rows)


@pytest.mark.parametrize("name", ["one", "any"])
def test_a_fused_file_gives_the_values_of_predict(taught, name, pictures, tmp_path, config):
    exported = taught.model(name).export(tmp_path / "x.tflite")
    values = bare(config, exported.path, pictures)
    assert np.abs(values - predicted(taught, name, pictures)).max() <= 2 / 256


@pytest.mark.parametrize("name", ["one", "any"])
def test_an_integer_file_chooses_as_predict_does(taught, name, pictures, tmp_path, config):
    exported = taught.model(name).export(tmp_path / "x.tflite", full_integer=True)
    values, wanted = bare(config, exported.path, pictures), predicted(taught, name, pictures)
    assert (values.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= 0.96
    assert np.abs(values - wanted).max() < 0.1


@pytest.mark.parametrize("full_integer", [False, True])
@pytest.mark.parametrize("name", ["one", "any"])
def test_an_export_says_how_it_agrees_on_stored_pictures(taught, name, full_integer, tmp_path):
    exported = taught.model(name).export(tmp_path / "x.tflite", full_integer=full_integer)
    assert exported.compared == 30
    assert exported.agreement >= 0.99
    assert exported.largest_difference <= (0.05 if full_integer else 1e-5)
    assert exported.size == exported.path.stat().st_size


def test_an_integer_file_has_only_operators_an_edge_tpu_runs(taught, tmp_path):
    exported = taught.model("one").export(tmp_path / "x.tflite", full_integer=True)
    assert complaints(describe(exported.path.read_bytes())) == []


def test_a_float_head_is_all_that_is_not_integer(taught, tmp_path):
    exported = taught.model("one").export(tmp_path / "x.tflite")
    said = complaints(describe(exported.path.read_bytes()))
    assert {one.split()[0] for one in said} == {"DEQUANTIZE", "SQRT", "head/softmax"}


def test_labels_travel_in_the_order_of_the_values(taught, tmp_path):
    exported = taught.model("one").export(tmp_path / "x.tflite")
    with zipfile.ZipFile(io.BytesIO(exported.path.read_bytes())) as archive:
        assert tuple(archive.read("labels.txt").decode().splitlines()) == GROUNDS


def test_the_values_of_an_exclusive_file_add_up_to_one(taught, pictures, tmp_path, config):
    exported = taught.model("one").export(tmp_path / "x.tflite")
    assert bare(config, exported.path, pictures).sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("full_integer", [False, True])
def test_an_installed_head_predicts_the_same(taught, full_integer, pictures, tmp_path, config):
    exported = taught.model("one").export(tmp_path / "x.tflite", full_integer=full_integer)
    card = taught.card
    with Engine.open(tmp_path / "other", backbone=card.name, config=config) as other:
        model = other.install(exported.path)
        for one in pictures[::3]:
            here, there = taught.model("one").predict(one), model.predict(one)
            assert (here.concepts, here.known, here.is_known) == (there.concepts, there.known, there.is_known)


def test_an_older_version_can_be_exported(taught, tmp_path):
    taught.model("any").train().wait()
    assert taught.model("any").export(tmp_path / "x.tflite", version="v1").version == "v1"

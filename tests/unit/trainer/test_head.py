"""A head made on a workstation is the one a device makes, and its file can be measured bare."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from edge import Engine
from edge.config import DEFAULT_BACKBONE
from edge.errors import BadHead, CannotTrain, InvalidArgument, NotFound
from edge.export.record import read_record
from trainer.evaluate import evaluate_file
from trainer.head import train_head

SMALL = "efficientnet-lite0-160"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def split(photographs, tmp_path_factory):
    """taught and held-out as train and test, five pictures of each concept."""
    folder = tmp_path_factory.mktemp("split")
    for part, name in (("taught", "train"), ("held-out", "test")):
        for ground in ("brick", "grass", "gravel"):
            (folder / name / ground).mkdir(parents=True)
            for picture in sorted((photographs / part / ground).iterdir())[:5]:
                shutil.copy(picture, folder / name / ground)
    return folder


@pytest.fixture(scope="module")
def made(split, tmp_path_factory, config):
    out = tmp_path_factory.mktemp("made") / "ground.tflite"
    return train_head(split, SMALL, out, config=config, clock=lambda: NOW)


def test_the_head_is_the_one_a_device_trains(split, made, tmp_path, config):
    with Engine.open(tmp_path / "store", backbone=SMALL, config=config) as engine:
        engine.add(split / "train", from_folders=True)
        model = engine.create_model("ground", ["brick", "grass", "gravel"], mutually_exclusive=True)
        version = model.train().wait()
        assert read_record(made.exported.path.read_bytes()).head == model.head()[1].to_bytes()
        assert version.evaluation == made.evaluation
        assert read_record(made.exported.path.read_bytes()).counts == version.info.counts


def test_a_device_can_install_the_file(made, split, tmp_path, config):
    with Engine.open(tmp_path / "store", backbone=SMALL, config=config) as engine:
        model = engine.install(made.exported.path)
        assert (model.name, model.versions()[0].info.trained_at) == ("ground", NOW)
        assert model.predict(split / "test" / "grass" / "0.png").concepts[0].id == "grass"


def test_the_report_says_what_was_learned_from_and_how_good_it_is(made):
    assert made.pictures == {"brick": 5, "grass": 5, "gravel": 5}
    assert (made.evaluation.method, made.held_out.method) == ("leave-one-out", "held-out")
    assert (made.held_out.inputs, made.exported.compared, made.exported.agreement) == (15, 15, 1.0)
    assert "held-out: 100.0 % right on 15 pictures" in str(made)


def test_the_bare_file_is_as_accurate_as_the_head(made, split, config):
    bare = evaluate_file(made.exported.path, split, config=config)
    assert (bare.accuracy, bare.inputs, bare.confusion) == (made.held_out.accuracy, 15, made.held_out.confusion)
    assert bare.known_rate is None


def test_an_integer_head_is_written_when_asked_for(split, tmp_path, config):
    report = train_head(split, SMALL, tmp_path / "x.tflite", full_integer=True, shots=3, config=config)
    assert report.exported.full_integer
    assert report.pictures == {"brick": 3, "grass": 3, "gravel": 3}
    assert evaluate_file(report.exported.path, split / "test", config=config).accuracy == 1.0


def test_independent_concepts_and_a_name_can_be_asked_for(split, tmp_path, config):
    report = train_head(split, SMALL, tmp_path / "x.tflite", mutually_exclusive=False, name="mine", config=config)
    record = read_record(report.exported.path.read_bytes())
    assert (record.model, record.mutually_exclusive) == ("mine", False)


def test_a_folder_that_is_not_split_has_nothing_held_out(split, tmp_path, config):
    report = train_head(split / "train", SMALL, tmp_path / "x.tflite", config=config)
    assert report.held_out is None


def test_a_file_that_is_no_picture_is_listed_and_left_out(split, tmp_path, config):
    shutil.copytree(split / "train", tmp_path / "data")
    (tmp_path / "data" / "grass" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    report = train_head(tmp_path / "data", SMALL, tmp_path / "x.tflite", config=config)
    assert [Path(path).name for path, _ in report.refused] == ["broken.jpg"]
    bare = evaluate_file(report.exported.path, tmp_path / "data", config=config)
    assert (bare.inputs, len(bare.notes)) == (15, 1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"backbone": "no-such"}, NotFound),
        ({"backbone": "fake"}, InvalidArgument),
        ({"shots": 6}, InvalidArgument),
        ({"name": "a/b"}, InvalidArgument),
        ({"out": Path("/no/such/folder/x.tflite")}, InvalidArgument),
        ({"data": Path("/no/such/folder")}, NotFound),
    ],
    ids=lambda one: str(one),
)
def test_what_cannot_be_made_is_said(split, tmp_path, config, change, error):
    given = {"data": split, "backbone": SMALL, "out": tmp_path / "x.tflite"} | change
    with pytest.raises(error):
        train_head(**given, config=config)
    assert list(tmp_path.iterdir()) == []


def test_a_single_concept_cannot_exclude_others(split, tmp_path, config):
    shutil.copytree(split / "train" / "grass", tmp_path / "data" / "grass")
    with pytest.raises(CannotTrain):
        train_head(tmp_path / "data", SMALL, tmp_path / "x.tflite", config=config)


def test_a_file_without_concepts_cannot_be_measured(split, config):
    from edge.backbone.catalogue import find_card

    folder, card = find_card(SMALL, config)
    with pytest.raises(BadHead, match="no concepts"):
        evaluate_file(folder / f"{card.name}.tflite", split, config=config)


def test_folders_of_other_concepts_cannot_measure_a_file(made, tmp_path, config):
    (tmp_path / "data" / "cats").mkdir(parents=True)
    with pytest.raises(NotFound, match="brick, grass, gravel"):
        evaluate_file(made.exported.path, tmp_path / "data", config=config)


def test_neither_loads_torch():
    code = "import sys, trainer.evaluate, trainer.head; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_example_in_the_source_tree_can_be_installed(tmp_path, photographs, config):
    example = Path(__file__).resolve().parents[3] / "models" / "examples" / "ground.tflite"
    with Engine.open(tmp_path / "store", backbone=DEFAULT_BACKBONE, config=config) as engine:
        model = engine.install(example)
        found = [model.predict(photographs / "held-out" / one / "0.png").concepts[0].id for one in model.info.concepts]
    assert found == ["brick", "grass", "gravel"]
    assert np.isclose(evaluate_file(example, photographs / "held-out", config=config).accuracy, 1.0)

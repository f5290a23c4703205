"""The wheel, installed where the source tree cannot be seen, carries what it needs and works."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
BACKBONES = sorted(
    path.stem for path in (ROOT / "models").glob("*.toml") if "preprocessing" in tomllib.loads(path.read_text())
)


def call(*command, **options):
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(source: Path, out: Path, *targets: str) -> None:
    """Build with hatchling: this environment's, else one of its own, which needs a package index."""
    python = Path(sys.executable)
    if find_spec("hatchling") is None:
        place = out.parent / "builder"
        if not place.exists():
            venv.create(place, with_pip=False)
            call(python, "-m", "pip", "--python", place / "bin/python", "install", "-q", "hatchling>=1.27")
        python = place / "bin" / "python"
    call(python, "-m", "hatchling", "build", "-d", out, *(f"-t{one}" for one in targets), cwd=source)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "dist"
    build(ROOT, out, "sdist", "wheel")
    return out


@pytest.fixture(scope="module")
def wheel(built):
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment's bin folder: the project from the wheel alone, its dependencies from this environment."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    call(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    inside = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # a path added by a .pth file comes last, and .pth files in it (this project's editable one) are not read
    (inside / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return place / "bin"


@pytest.fixture
def photographs(tmp_path):
    """Two kinds of stripes, and one picture more of the first kind."""
    rng = np.random.default_rng(0)
    for kind, axis in (("across", 0), ("down", 1)):
        (tmp_path / kind).mkdir()
        for number in range(6):
            wave = np.sin(np.arange(96) / (2 + number / 4)) * 90 + 128
            grey = np.broadcast_to(wave[:, None] if axis == 0 else wave, (96, 96)) + rng.normal(0, 8, (96, 96))
            Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(tmp_path / kind / f"{number}.png")
    (tmp_path / "across" / "5.png").rename(tmp_path / "new.png")
    return tmp_path


def edge(installed, folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("EDGE_", "PYTHON"))}
    return call(installed / "edge", *arguments, cwd=folder, env=environment)


def test_the_wheel_teaches_and_predicts_in_an_empty_environment(installed, photographs):
    edge(installed, photographs, "init")
    edge(installed, photographs, "add", "across", "--concept", "across")
    edge(installed, photographs, "add", "down", "--not-concept", "across")
    edge(installed, photographs, "model", "create", "stripes", "--concept", "across")
    edge(installed, photographs, "train", "stripes")
    answer = json.loads(edge(installed, photographs, "--json", "predict", "stripes", "new.png"))
    (concept,) = answer["predictions"][0]["concepts"]
    assert concept["name"] == "across"
    assert concept["value"] > 0.5


def test_the_installed_package_is_the_one_from_the_wheel(installed, tmp_path):
    where = call(installed / "python", "-c", "import edge; print(edge.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(installed.parent)


def test_the_installed_backbones_are_the_ones_from_the_wheel(installed, tmp_path):
    code = (
        "from edge.backbone import catalogue; from edge.config import Config\n"
        "for folder, card in catalogue.cards(Config()): catalogue.read_verified(folder, card); print(card.name, folder)"
    )
    lines = call(installed / "python", "-c", code, cwd=tmp_path).split("\n")
    found = dict(line.split(" ", 1) for line in lines if line)
    assert sorted(found) == BACKBONES
    assert all(Path(folder).is_relative_to(installed.parent) for folder in found.values())


def test_every_command_is_installed(installed):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert all(os.access(installed / name, os.X_OK) for name in declared)


def test_the_wheel_holds_the_backbones_with_what_their_cards_name(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = set()
    for backbone in BACKBONES:
        card = tomllib.loads((ROOT / "models" / f"{backbone}.toml").read_text())
        expected |= {f"{backbone}.toml", f"{backbone}.tflite", card["background"]["file"], card["golden"]["file"]}
    held = {name.removeprefix("edge/models/") for name in names if name.startswith("edge/models/")}
    assert held == expected


def test_the_wheel_holds_licence_and_notice(wheel):
    names = [name.rsplit("/", 1)[-1] for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" in name]
    assert {"LICENSE", "NOTICE"} <= set(names)


def test_the_wheel_is_pure_python_and_small(wheel):
    assert wheel.name.endswith("-py3-none-any.whl")
    assert wheel.stat().st_size < 10_000_000


def test_the_wheel_holds_no_tests_and_no_leftovers(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/", 1)[0] for name in names if ".dist-info/" not in name}
    assert packages == {"edge", "trainer", "firmware_bridge"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".sqlite", ".orig"))]


def test_the_source_archive_gives_the_same_wheel(built, wheel, tmp_path):
    archive = next(built.glob("*.tar.gz"))
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    source = next(tmp_path.iterdir())
    out = built.parent / "again"
    build(source, out, "wheel")
    again = next(out.glob("*.whl"))
    assert contents(again) == contents(wheel)


def contents(wheel: Path) -> dict[str, int]:
    """Name -> checksum of every file but the record of the others."""
    return {one.filename: one.CRC for one in zipfile.ZipFile(wheel).infolist() if not one.filename.endswith("RECORD")}


def test_the_source_archive_holds_tests_scripts_and_documents(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as file:
        names = {name.split("/", 1)[1] for name in file.getnames() if "/" in name}
    assert {"scripts/test", "scripts/demo", "docs/quick-start.md", "CHANGELOG.md", "CONTRIBUTING.md"} <= names
    assert "tests/integration/test_wheel.py" in names

"""The command line, run inside this process on a store with the fake backbone."""

import json
import shutil

import pytest
from click.testing import CliRunner
from PIL import Image

from edge.faces.cli import main


@pytest.fixture
def edge(tmp_path):
    """``edge("add", path, ...)``: click's result of the command on the test's store."""

    def run(*arguments, json=False):
        given = ["--store", str(tmp_path / "store"), *(["--json"] if json else []), *map(str, arguments)]
        return CliRunner().invoke(main, given)

    return run


@pytest.fixture
def answer(edge):
    """``answer("train", "m")``: the JSON document the command prints; it must succeed."""

    def run(*arguments):
        done = edge(*arguments, json=True)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def templates(tmp_path_factory, blob):
    """What ``taught`` and ``trained`` copy: made once, because training takes a while."""
    folder = tmp_path_factory.mktemp("templates") / "taught"
    for colour in ("red", "green"):
        (folder / colour).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(blob(colour, number)).save(folder / colour / f"{number}.png")

    def run(place, *arguments):
        done = CliRunner().invoke(main, ["--store", str(place / "store"), *map(str, arguments)])
        assert done.exit_code == 0, done.output

    run(folder, "init", "--backbone", "fake")
    run(folder, "add", folder / "red", "--concept", "red")
    run(folder, "add", folder / "green", "--not-concept", "red")
    run(folder, "model", "create", "warm", "--concept", "red")
    shutil.copytree(folder, folder.with_name("trained"))
    run(folder.with_name("trained"), "train", "warm")
    return folder.parent


@pytest.fixture
def taught(templates, tmp_path):
    """Ten red and ten green pictures in a store, and a model "warm" of the one concept red, not trained yet."""
    return shutil.copytree(templates / "taught", tmp_path, dirs_exist_ok=True)


@pytest.fixture
def trained(templates, tmp_path):
    """``taught``, and "warm" has its version v1."""
    return shutil.copytree(templates / "trained", tmp_path, dirs_exist_ok=True)


@pytest.fixture
def answer_lines(edge):
    """``answer_lines("watch", ...)``: the JSON documents of a command that prints one a line; it must succeed."""

    def run(*arguments):
        done = edge(*arguments, json=True)
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run

"""The command line, run inside this process on a store with the fake backbone."""

import json

import pytest
from click.testing import CliRunner

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


@pytest.fixture
def taught(edge, saved, blob, tmp_path):
    """A store with ten red and ten green pictures, and a model "warm" of the one concept red; not trained yet."""
    for number in range(10):
        saved(f"red/{number}.png", blob("red", number))
        saved(f"green/{number}.png", blob("green", number))
    for arguments in (
        ("init", "--backbone", "fake"),
        ("add", tmp_path / "red", "--concept", "red"),
        ("add", tmp_path / "green", "--not-concept", "red"),
        ("model", "create", "warm", "--concept", "red"),
    ):
        done = edge(*arguments)
        assert done.exit_code == 0, done.output
    return tmp_path


@pytest.fixture
def trained(edge, taught):
    """``taught``, and "warm" has its version v1."""
    assert edge("train", "warm").exit_code == 0
    return taught

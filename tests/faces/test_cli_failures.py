"""Exit codes and the line or document that goes with them."""

import json
import shlex
import subprocess
import sys
from typing import get_args

import pytest
from click.testing import CliRunner

from edge import errors
from edge.faces.cli import failures, main
from edge.faces.cli.app import Edge

ERRORS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.EdgeError)]
DOCUMENTED = {"internal": 1, "invalid": 2, "not_found": 3, "conflict": 4, "not_ready": 4, "unavailable": 5}


@pytest.fixture
def failing():
    """``failing(error, "--json")``: the result of a verb that raises ``error``."""

    def run(error, *options):
        group = Edge(name="edge", callback=main.callback, params=main.params)

        @group.command()
        def verb():
            raise error

        return CliRunner().invoke(group, [*options, "verb"])

    return run


def test_the_table_covers_every_kind():
    assert set(failures.EXIT_CODES) == set(get_args(errors.Kind)) == set(DOCUMENTED)


@pytest.mark.parametrize("error", ERRORS, ids=lambda one: one.__name__)
def test_every_error_ends_with_the_code_of_its_kind_and_one_line(failing, error):
    done = failing(error("two\nlines; do this"))
    assert done.exit_code == DOCUMENTED[error.kind]
    assert done.stderr == "edge: two lines; do this\n"
    assert done.stdout == ""


@pytest.mark.parametrize("error", ERRORS, ids=lambda one: one.__name__)
def test_with_json_every_error_is_one_document_on_standard_error(failing, error):
    done = failing(error("this; do that"), "--json")
    assert done.exit_code == DOCUMENTED[error.kind]
    assert json.loads(done.stderr) == {
        "error": {"code": error.code, "kind": error.kind, "message": "this; do that"}
    }  # fmt: skip
    assert done.stdout == ""


def test_an_unexpected_error_is_one_line_without_a_traceback(failing):
    done = failing(ZeroDivisionError("division by zero"))
    assert done.exit_code == 1
    assert done.stderr.startswith("edge: unexpected ZeroDivisionError: division by zero")
    assert len(done.stderr.splitlines()) == 1


def test_debug_shows_the_traceback(failing):
    done = failing(ZeroDivisionError("division by zero"), "--debug")
    assert done.exit_code == 1
    assert "Traceback" in done.stderr
    assert "in verb" in done.stderr


def test_an_interruption_is_said_as_such(failing):
    done = failing(KeyboardInterrupt())
    assert done.exit_code == 130
    assert "interrupted" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-verb"], "no-such-verb"),
        (["--no-such-option", "concepts"], "--no-such-option"),
        (["predict"], "MODEL"),
        (["add", "--no-such-option", "x"], "edge add --help"),
        (["inputs", "--limit", "-1"], "--limit"),
    ],
)
def test_wrong_usage_is_one_line_and_ends_with_2(arguments, says):
    done = CliRunner().invoke(main, arguments, prog_name="edge")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr


def test_wrong_usage_is_a_document_too():
    done = CliRunner().invoke(main, ["--json", "predict"])
    assert done.exit_code == 2
    assert json.loads(done.stderr)["error"]["code"] == "usage"


@pytest.mark.parametrize("option", ["--json", "--store", "--debug"])
def test_an_option_in_the_wrong_place_is_told_where_it_belongs(option):
    done = CliRunner().invoke(main, ["concepts", option])
    assert done.exit_code == 2
    assert f"{option} belongs before the verb" in done.stderr


def test_without_a_verb_it_shows_what_there_is():
    done = CliRunner().invoke(main, [])
    assert done.exit_code == 2
    assert "Commands:" in done.stderr


def test_output_that_cannot_be_written_is_reported():
    done = subprocess.run(
        f"{shlex.quote(sys.executable)} -m edge.faces.cli --help > /dev/full",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_files_that_were_left_out_are_listed_with_their_reason_once(capsys):
    code = failures.left_out((("a.png", "a.png does not exist; look"), ("b.png", "damaged; copy")), 5, as_json=False)
    assert code == 2
    assert capsys.readouterr().err.splitlines() == [
        "left out: a.png does not exist; look",
        "left out: b.png: damaged; copy",
        "edge: 2 of 5 files were left out; the others are done",
    ]


def test_nothing_left_out_is_no_failure(capsys):
    assert failures.left_out((), 5, as_json=True) == 0
    assert capsys.readouterr().err == ""

"""``firmware-bridge`` with a board on a pty."""

import json
import threading

import pytest
from click.testing import CliRunner

from firmware_bridge.cli import main
from tests.firmware import building
from tests.firmware.boards import Board


@pytest.fixture
def board():
    with Board(str(building.posix()), "7001") as opened:
        yield opened


def run(*arguments):
    return CliRunner().invoke(main, arguments)


def test_ping_says_who_is_there_and_how_long_it_takes(board):
    done = run("ping", board.port, "--count", "3")
    assert done.exit_code == 0, done.output
    assert f"posix on {board.port}" in done.output
    assert "3 of 3 came back" in done.output


def test_ping_in_json(board):
    document = json.loads(run("ping", board.port, "--count", "2", "--json").output)
    assert document["board"] == "posix"
    assert len(document["milliseconds"]) == 2


def test_where_no_board_answers_the_exit_code_says_so(tmp_path):
    done = run("ping", str(tmp_path / "nothing"), "--wait", "0.3")
    assert done.exit_code == 5
    assert "there is no port" in done.output


def test_monitor_shows_what_comes_and_answers_if_asked_to(board):
    for seconds, text in ((0.5, "trigger 4"), (0.7, "log hello")):
        threading.Timer(seconds, board.say, (text,)).start()
    done = run("monitor", board.port, "--seconds", "1.5", "--answer", "6", "--json")
    events = [json.loads(line) for line in done.output.splitlines()]
    assert [one["source"] for one in events if one["event"] == "Trigger"] == [4]
    assert [one["text"] for one in events if one["event"] == "Heard"] == ["hello"]
    assert board.expect("answer").split()[2] == "6"


def test_send_gives_a_board_its_names_and_numbers(board):
    assert run("send", board.port, "concepts", "ripe", "green").exit_code == 0
    assert board.expect("message 18")
    assert run("send", board.port, "config", "1", "500").exit_code == 0
    assert board.expect("message 19")


def test_send_refuses_what_is_no_number(board):
    assert run("send", board.port, "config", "one", "2").exit_code == 2

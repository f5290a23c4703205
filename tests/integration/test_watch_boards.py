"""Boards that ask loops: every one of them gets an answer, whatever became of the look."""

from __future__ import annotations

import time

import pytest

from edge.engine.watching import watch
from edge.errors import InvalidArgument
from edge.watch.config import LoopConfig, WatchConfig
from firmware_bridge.messages import FAILED
from tests.firmware.boards import SocketBoard


@pytest.fixture
def board():
    with SocketBoard() as made:
        yield made


@pytest.fixture
def run(taught):
    """``run(LoopConfig(...))``: loops that run until the test ends."""
    running = []

    def start(*loops):
        made = watch(taught, WatchConfig(loops))
        running.append(made)
        made.start()
        return made

    yield start
    for one in running:
        one.stop(2.0)


def answered(board, count, seconds=20.0):
    """The board's results once there are so many."""
    end = time.monotonic() + seconds
    while len(board.board.results) < count:
        assert time.monotonic() < end, f"{len(board.board.results)} answers"
        time.sleep(0.005)
    return board.board.results


def test_a_board_that_asks_is_told_what_the_camera_sees(run, board, saved, blob, tmp_path):
    saved("scene/now.png", blob("green", 9))
    url = f"fake://?fps=50&folder={tmp_path / 'scene'}"
    run(LoopConfig("l", url, "colours", (f"serial:{board.port}",), ("serial",)))
    board.board.trigger()
    (result,) = answered(board, 1)
    assert board.board.concepts[result.concept] == "green"
    assert not result.flags & FAILED


def test_triggers_that_come_together_are_each_answered(run, board):
    loops = run(LoopConfig("l", "fake://?fps=50", "colours", (f"serial:{board.port}",), ("serial",)))
    asked = [board.board.trigger() for _ in range(4)]
    assert sorted(one.id for one in answered(board, 4)) == asked
    assert loops.loops[0].counters.drops == 0


def test_a_board_is_answered_though_nobody_could_look(run, board):
    run(LoopConfig("l", "fake://?fault=missing", "colours", (f"serial:{board.port}",), ("serial",)))
    board.board.trigger()
    assert answered(board, 1)[0].flags & FAILED


def test_an_input_that_no_loop_listens_to_is_answered_as_failed(run, board):
    loops = run(LoopConfig("l", "fake://?fps=50", "colours", (f"serial:{board.port}?source=1",), ("serial",)))
    board.board.trigger(source=2)
    assert answered(board, 1)[0].flags & FAILED
    board.board.trigger(source=1)
    assert not answered(board, 2)[1].flags & FAILED
    assert loops.loops[0].counters.triggers == 1


def test_a_board_that_only_lends_its_camera_is_not_left_waiting_either(run, board):
    run(LoopConfig("l", f"bridge://{board.port}", "colours", ("motion",), ()))
    board.board.trigger()
    assert answered(board, 1)[0].flags & FAILED


def test_a_loop_that_would_leave_a_board_without_an_answer_is_refused(taught):
    loop = LoopConfig("l", "fake://", "colours", ("interval:1h+serial:/dev/ttyACM0",), ("log",))
    with pytest.raises(InvalidArgument, match="add the action serial"):
        watch(taught, WatchConfig((loop,)))


def test_a_port_that_is_not_there_is_waited_for(run):
    loops = run(LoopConfig("l", "fake://?fps=50", "colours", ("serial:/dev/ttyNothing9+each",), ("serial",)))
    end = time.monotonic() + 20
    while loops.loops[0].counters.predictions < 5 and time.monotonic() < end:
        time.sleep(0.01)
    assert loops.loops[0].counters.predictions >= 5

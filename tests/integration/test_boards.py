"""Real programs on real ptys: the host's bridge with the POSIX board, and with an ATmega328P that simavr runs."""

from __future__ import annotations

import os
import queue
import time

import pytest

from firmware_bridge import Answered, Bridge, Heard, Image, PortState, Trigger, Up
from tests.firmware import building
from tests.firmware.boards import Board


class Host:
    """A bridge whose events can be waited for."""

    def __init__(self, port, **options):
        self.events = queue.Queue()
        self.bridge = Bridge(port, self.events.put, **options)

    def expect(self, kind, seconds=10, **fields):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                event = self.events.get(timeout=left)
            except queue.Empty:
                break
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
                return event
        raise AssertionError(f"no {kind.__name__} within {seconds} s; the bridge is {self.bridge.state!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bridge.close()


@pytest.fixture
def board():
    with Board(str(building.posix()), "7001") as opened:
        yield opened


# --- the POSIX board -------------------------------------------------------------------------------------------------


def test_a_trigger_goes_up_and_its_answer_comes_back(board):
    with Host(board.port) as host:
        host.expect(Up)
        board.say("trigger 3")
        trigger = host.expect(Trigger, source=3)
        assert host.bridge.answer(trigger.nonce, trigger.id, concept=2, score=1.0, known=0.5, is_known=True)
        assert board.expect("answer") == "answer 1 2 65535 32768 1"
        assert not host.expect(Answered).stale


def test_a_host_that_was_closed_and_comes_again_answers_what_it_had_accepted(board, tmp_path):
    with Host(board.port, journal=tmp_path / "triggers") as host:
        host.expect(Up)
        board.say("trigger 1")
        host.expect(Trigger)
    with Host(board.port, journal=tmp_path / "triggers") as host:
        trigger = host.expect(Trigger, again=True)
        host.bridge.answer(trigger.nonce, trigger.id, concept=9)
        assert board.expect("answer") == "answer 1 9 0 0 0"


def test_an_answer_waits_for_a_cable_that_was_pulled_out(tmp_path):
    """The port goes away while the answer is not acknowledged, and comes back under the same name."""
    link = tmp_path / "ttyTest"
    with Board(str(building.posix()), "7001") as board:
        link.symlink_to(board.port)
        with Host(str(link)) as host:
            host.expect(Up)
            board.say("trigger 0")
            trigger = host.expect(Trigger)
            link.unlink()
            board.close()
            host.expect(PortState, open=False)
            host.bridge.answer(trigger.nonce, trigger.id, concept=1)
            with Board(str(building.posix()), "7001") as again:
                link.symlink_to(again.port)
                host.expect(Up, seconds=20)
                assert host.expect(Answered, seconds=20).stale, "a board that was started anew does not know it"


def test_a_board_that_is_started_anew_is_noticed(board):
    with Host(board.port) as host:
        host.expect(Up, restarted=False)
        board.say("restart 7002")
        host.expect(Up, restarted=True)
        board.say("trigger 0")
        assert host.expect(Trigger).nonce == 7002


def test_a_picture_and_a_greeting_arrive(board, tmp_path):
    data = os.urandom(3000)
    (tmp_path / "picture").write_bytes(data)
    with Host(board.port) as host:
        host.expect(Up)
        board.say("log good morning")
        assert host.expect(Heard).message.fields["text"] == "good morning"
        board.say(f"image {tmp_path / 'picture'}")
        assert host.expect(Image).data == data


def test_names_and_numbers_reach_the_board(board):
    with Host(board.port) as host:
        host.bridge.set_concepts(["ripe"])
        host.expect(Up)
        assert board.expect("message 18").endswith(b"ripe".hex())
        host.bridge.configure(2, 500)
        assert board.expect("message 19") == "message 19 02f4010000"


def test_every_trigger_of_a_burst_is_answered_over_a_real_pty(board):
    with Host(board.port) as host:
        host.expect(Up)
        answered = 0
        while answered < 100:
            for _ in range(4):
                board.say("trigger 0")
            for _ in range(4):
                trigger = host.expect(Trigger)
                host.bridge.answer(trigger.nonce, trigger.id, concept=trigger.id % 200)
            for _ in range(4):
                _, id, concept, *_ = board.expect("answer").split()
                assert int(concept) == int(id) % 200
                answered += 1
    assert host.bridge.counts()["resent"] == 0


def test_noise_before_the_board_speaks_harms_nothing(board):
    noise = os.open(board.port, os.O_WRONLY | os.O_NOCTTY)
    os.write(noise, os.urandom(500))
    os.close(noise)
    with Host(board.port) as host:
        host.expect(Up)
        board.say("trigger 0")
        host.expect(Trigger)


# --- the chip --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chip():
    with Board(str(building.simulator()), str(building.avr())) as opened:
        yield opened


def test_the_chip_sees_its_beam_broken_and_lights_its_lamp(chip):
    with Host(chip.port) as host:
        assert host.expect(Up, seconds=20).peer == "uno"
        chip.say("pin D2 0")
        trigger = host.expect(Trigger)
        host.bridge.answer(trigger.nonce, trigger.id, concept=0, score=0.9, known=0.9, is_known=True)
        assert chip.expect("PIN B5 1")
        chip.say("pin D2 1")
        host.expect(Answered)
        chip.say("pin D2 0")
        trigger = host.expect(Trigger)
        host.bridge.answer(trigger.nonce, trigger.id)
        assert chip.expect("PIN B5 0")
        chip.say("pin D2 1")
        host.expect(Answered)


def test_the_chip_survives_garbage_at_full_speed(chip):
    noise = os.open(chip.port, os.O_WRONLY | os.O_NOCTTY)
    os.write(noise, os.urandom(4000))
    os.close(noise)
    with Host(chip.port) as host:
        host.expect(Up, seconds=20)
        chip.say("pin D2 0")
        trigger = host.expect(Trigger)
        host.bridge.answer(trigger.nonce, trigger.id)
        assert not host.expect(Answered).stale
        chip.say("pin D2 1")


def test_the_chip_is_another_session_after_a_reset(chip):
    with Host(chip.port) as host:
        before = host.expect(Up, seconds=20).nonce
        chip.say("reset")
        assert host.expect(Up, seconds=20, restarted=True).nonce != before

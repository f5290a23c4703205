"""Real programs on real ptys: the host's bridge with the POSIX board, and with an ATmega328P that simavr runs."""

from __future__ import annotations

import os
import queue
import subprocess
import time

import pytest

from firmware_bridge import Answered, Bridge, Heard, Image, PortState, Trigger, Up
from firmware_bridge.events import Acknowledged
from tests.firmware import building
from tests.firmware.boards import Board


class Host:
    """A bridge whose events can be waited for."""

    def __init__(self, port, **options):
        self.events = queue.Queue()
        self.bridge = Bridge(port, self.events.put, **options)

    def expect(self, kind, seconds=10, before=(), **fields):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                event = self.events.get(timeout=left)
            except queue.Empty:
                break
            assert not isinstance(event, before)
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
    assert host.bridge.counts()["resent"] < 25, "only a busy machine is late for 200 ms"


def test_noise_before_the_board_speaks_harms_nothing(board):
    noise = os.open(board.port, os.O_WRONLY | os.O_NOCTTY)
    os.write(noise, os.urandom(500))
    os.close(noise)
    with Host(board.port) as host:
        host.expect(Up)
        board.say("trigger 0")
        host.expect(Trigger)


def test_a_trigger_goes_between_the_pieces_of_a_picture(board, tmp_path):
    (tmp_path / "picture").write_bytes(os.urandom(100_000))
    with Host(board.port) as host:
        host.expect(Up)
        board.say(f"image {tmp_path / 'picture'}")
        board.say("trigger 5")
        host.expect(Trigger, source=5, before=Image)


def test_a_picture_goes_on_where_it_stopped_when_the_host_is_closed_and_comes_again(board, tmp_path):
    data = os.urandom(500_000)
    (tmp_path / "picture").write_bytes(data)
    with Host(board.port) as host:
        host.expect(Up)
        board.say(f"image {tmp_path / 'picture'}")
        board.say("trigger 0")
        host.expect(Trigger, before=Image)
    with Host(board.port) as host:
        assert host.expect(Image, seconds=30).data == data


# --- the chip --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["bare", "arduino"])
def chip(request):
    """The bare firmware, and the example sketch on the Arduino core: both with a beam on D2 and a lamp on D13 (PB5)."""
    elf = building.avr() if request.param == "bare" else building.sketch()
    with Board(str(building.simulator()), str(elf)) as opened:
        yield opened


def test_the_chip_sees_its_beam_broken_and_lights_its_lamp(chip):
    with Host(chip.port) as host:
        assert host.expect(Up, seconds=20).peer
        for known in (True, False):
            trigger = broken(chip, host)
            host.bridge.answer(trigger.nonce, trigger.id, concept=0, score=0.9, known=0.9, is_known=known)
            assert chip.expect(f"PIN B5 {int(known)}")
            host.expect(Answered)


def test_the_sketch_moves_its_servo():
    with Board(str(building.simulator()), str(building.sketch())) as chip, Host(chip.port) as host:
        host.expect(Up, seconds=20)
        places = []
        for concept in (0, 1):
            trigger = broken(chip, host)
            host.bridge.answer(trigger.nonce, trigger.id, concept=concept, score=0.9, known=0.9, is_known=True)
            host.expect(Answered)
            places.append(chip.register(0x88) + 256 * chip.register(0x89))  # OCR1A, half microseconds
        assert places == [2 * 1472 - 1, 2 * 544 - 1], "90 degrees and 0"


def test_the_chip_survives_garbage_at_full_speed(chip):
    noise = os.open(chip.port, os.O_WRONLY | os.O_NOCTTY)
    os.write(noise, os.urandom(4000))
    os.close(noise)
    with Host(chip.port) as host:
        host.expect(Up, seconds=20)
        trigger = broken(chip, host)
        host.bridge.answer(trigger.nonce, trigger.id)
        assert not host.expect(Answered).stale


@pytest.mark.parametrize("firmware", [building.avr, lambda: building.avr(1_000_000), building.sketch],
                         ids=["bare", "bare at 1 Mbaud", "arduino"])  # fmt: skip
def test_the_chip_takes_all_a_host_says_without_losing_a_byte(firmware):
    with Board(str(building.simulator()), str(firmware())) as chip, Host(chip.port) as host:
        host.expect(Up, seconds=20)
        for key in range(50):
            host.bridge.configure(key, 0)
        host.bridge.set_concepts(["as long a name as one frame of the board can carry, and then some"] * 50)
        for name in ("CONFIG", "CONCEPTS"):
            for _ in range(50):
                host.expect(Acknowledged, name=name)
        assert chip.stats()["overruns"] == 0
        assert host.bridge.counts()["resent"] < 25, "a busy machine may be late; a full ring would be each time"


def test_the_chip_is_another_session_after_a_reset(chip):
    with Host(chip.port) as host:
        before = host.expect(Up, seconds=20).nonce
        chip.say("reset")
        assert host.expect(Up, seconds=20, restarted=True).nonce != before


def test_an_answer_reaches_the_chip_after_its_cable_was_pulled_out_and_plugged_in(tmp_path):
    link = tmp_path / "ttyTest"
    with Board(str(building.simulator()), str(building.avr()), "--link", str(link)) as chip, Host(str(link)) as host:
        host.expect(Up, seconds=20)
        trigger = broken(chip, host)
        chip.say("unplug")
        host.expect(PortState, open=False)
        host.bridge.answer(trigger.nonce, trigger.id, concept=0, score=1, known=1, is_known=True)
        chip.say("plug")
        assert chip.expect("PIN B5 1", seconds=20)
        assert not host.expect(Answered, seconds=20).stale


def test_the_link_and_its_stack_leave_most_of_the_chip_to_the_sketch(chip):
    with Host(chip.port) as host:
        host.expect(Up, seconds=20)
        trigger = broken(chip, host)
        host.bridge.answer(trigger.nonce, trigger.id)
        host.expect(Answered)
        assert chip.stats()["ram_free"] > 1024


def test_the_simulated_chip_loses_bytes_where_the_real_one_would(tmp_path):
    """Its receiver holds 3 bytes; a firmware that looks once in a millisecond misses most of 12 a millisecond."""
    source = tmp_path / "slow.c"
    source.write_text(
        "#include <avr/io.h>\n#include <util/delay.h>\nint main(void) { UBRR0 = 16; UCSR0A = 1 << U2X0;\n"
        "UCSR0B = 1 << RXEN0 | 1 << TXEN0; for (;;) { _delay_ms(1); if (UCSR0A & 1 << RXC0) UDR0 = UDR0; } }\n"
    )
    building.needs("avr-gcc", "gcc-avr avr-libc")
    subprocess.run([*building.AVR, str(source), "-o", str(tmp_path / "slow.elf")], check=True)
    with Board(str(building.simulator()), str(tmp_path / "slow.elf")) as slow:
        line = os.open(slow.port, os.O_WRONLY | os.O_NOCTTY)
        os.write(line, bytes(200))
        assert slow.expect("OVERRUN")
        os.close(line)


def broken(chip, host):
    """The trigger of a beam that is broken for a moment."""
    chip.say("pin D2 0")
    trigger = host.expect(Trigger)
    chip.say("pin D2 1")
    chip.rest(0.05)  # longer than contacts bounce
    return trigger

"""The C side beside the Python side: the same vectors, noise and answers; and random bytes by the million."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.fake import FakeBoard
from firmware_bridge.frame import Decoder, Frame, encode
from firmware_bridge.journal import Journal
from firmware_bridge.messages import BY_NAME
from firmware_bridge.session import Answered, HostSession, Trigger
from tests.firmware import building
from tests.firmware.c_board import CBoard
from tests.serial_line import Faults, Simulation

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())


def frames(data):
    return list(Decoder().feed(data))


HELLO = BY_NAME["HELLO"].pack(
    version_min=1, version_max=1, role=0, nonce=9, peer_nonce=7, max_payload=4096, name="edge"
)


def up(board, now=0.0):
    board.receive(encode(Frame(1, 0, 0, 0, HELLO)), now)
    return board.poll(now)


@pytest.mark.parametrize("vector", VECTORS["good"], ids=lambda one: one["what"])
def test_a_golden_frame_is_read_by_the_board(vector):
    """Whatever it is: a reliable one is acknowledged, HELLO and PING are answered, and none is taken for damage."""
    board = CBoard(7)
    up(board)
    board.receive(bytes.fromhex(vector["hex"]), 0.1)
    assert board.lib.shim_damaged(board.board) == 0


def test_the_board_writes_the_golden_trigger():
    board = CBoard(7)
    up(board, 123.456)
    board.trigger(2)
    [golden] = [one for one in VECTORS["good"] if one["what"] == "TRIGGER"]
    board.lib.shim_poll(board.board)
    assert board.out.hex().endswith(golden["hex"])


@pytest.mark.parametrize("vector", VECTORS["bad"], ids=lambda one: one["what"])
def test_what_is_no_frame_moves_no_board(vector):
    board = CBoard(7)
    up(board)
    board.receive(bytes.fromhex(vector["hex"]), 0.1)
    assert frames(board.poll(0.1)) == []
    assert not board.results
    assert not board.messages


def spoilt(data, rng, share):
    out = bytearray()
    for byte in data:
        chance = rng.random()
        if chance >= share:
            out.append(byte if chance >= 2 * share else byte ^ (1 << rng.randrange(8)))
    return bytes(out)


@pytest.mark.parametrize("seed", range(8))
def test_over_a_noisy_line_both_boards_say_and_do_the_same(seed):
    """One host with two boards that hear the same; what they send is compared byte for byte."""
    rng = random.Random(seed)
    host = HostSession(9, Journal(None))
    host.set_concepts(["ripe", "green", "none of these"])
    python, c = FakeBoard(7), CBoard(7)
    now, said = 0.0, 0
    for step in range(4000):
        now = step / 8  # exact in floats and in milliseconds, so that both ends round alike
        heard = spoilt(host.poll(now), rng, 0.01 if rng.random() < 0.9 else 0.2)
        if rng.random() < 0.02:
            heard += rng.randbytes(rng.randrange(100))
        python.receive(heard, now)
        c.receive(heard, now)
        if rng.random() < 0.05:
            c.lib.shim_time(int(now * 1000))
            assert python.trigger(step % 7, int(now * 1000)) == c.trigger(step % 7)
        ours, theirs = python.poll(now), c.poll(now)
        assert frames(ours) == frames(theirs), f"at {now} s"
        said += len(ours)
        for event in host.receive(spoilt(theirs, rng, 0.01), now):
            if isinstance(event, Trigger):
                host.answer(event.nonce, event.id, concept=event.id % 3, score=0.5, known=0.25, is_known=True)
    same_results(python, c)
    assert len(c.results) > 50
    assert said > 1000


@pytest.mark.parametrize("seed", range(6))
def test_through_restarts_cuts_and_old_frames_both_boards_say_and_do_the_same(seed):
    """As above, with either end started anew, seconds of silence, and what was said before heard once more. When a
    trigger is sent again may differ then: it is the host's part to know it."""
    rng = random.Random(seed)
    journal, lives, before = Journal(None), 9, [b""]
    host, python, c = HostSession(9, journal), FakeBoard(7), CBoard(7)
    answers = quiet = 0
    for step in range(6000):
        now = step / 8
        chance = rng.random()
        if chance < 0.004:
            lives += 2
            host = HostSession(lives, journal)
        elif chance < 0.006:
            lives += 2
            same_results(python, c)
            answers += len(c.results)
            python, c = FakeBoard(lives + 10_001), CBoard(lives + 10_001, now)
        elif chance < 0.01:
            quiet = rng.randrange(60)
        heard = spoilt(host.poll(now), rng, 0.01)
        before.append(heard)
        if rng.random() < 0.03:
            heard += rng.choice(before)
        quiet -= 1
        if quiet > 0:
            heard = b""
        python.receive(heard, now)
        c.receive(heard, now)
        if rng.random() < 0.1:
            assert python.trigger(step % 7, int(now * 1000)) == c.trigger(step % 7)
        theirs = c.poll(now)
        assert but_triggers(python.poll(now)) == but_triggers(theirs), f"at {now} s"
        for event in host.receive(b"" if quiet > 0 else theirs, now):
            if isinstance(event, Trigger):
                host.answer(event.nonce, event.id, concept=event.id % 3)
    same_results(python, c)
    assert answers + len(c.results) > 50


def but_triggers(data):
    return [one for one in frames(data) if one.type != BY_NAME["TRIGGER"].number]


def same_results(python, c):
    assert python.results == c.results


@pytest.mark.parametrize("seed", range(2))
def test_every_trigger_of_the_c_board_gets_one_answer_over_a_bad_line(seed, tmp_path):
    tally = Simulation(seed, Faults(), journal=tmp_path / "journal", board=CBoard).run(500)
    assert (tally.lost, tally.forgotten, tally.twice, tally.wrong) == (0, 0, 0, 0)
    assert min(tally.damaged, tally.host_restarts, tally.board_restarts) > 0


def test_a_board_that_is_started_anew_calls_old_answers_stale():
    host = HostSession(9, Journal(None))
    board, now, events = CBoard(7), 0.0, []

    def run(steps):
        nonlocal now
        for _ in range(steps):
            now += 0.01
            events.extend(host.receive(board.poll(now), now))
            board.receive(host.poll(now), now)

    run(50)
    board.trigger()
    run(50)
    board = CBoard(8)
    run(100)
    host.answer(7, 1, concept=1)
    run(100)
    assert [one for one in events if isinstance(one, Answered)] == [Answered(7, 1, True)]
    assert not board.results


@pytest.mark.parametrize("slept", [1, 33, 40, 65, 66, 100])
def test_a_board_that_slept_says_hello_within_a_second_of_waking(slept):
    """Its times have 16 bits: 65.5 s later it is the same time again."""
    board = CBoard(7)
    assert [one.type for one in frames(board.poll(0.0))] == [BY_NAME["HELLO"].number]
    assert board.poll(0.1) == b""
    woken = board.poll(0.25 + slept) + board.poll(1.25 + slept)
    assert {one.type for one in frames(woken)} == {BY_NAME["HELLO"].number}


def test_a_board_sends_no_more_than_its_host_can_take():
    board = CBoard(7)
    hello = {"version_min": 1, "version_max": 1, "role": 0, "nonce": 9, "peer_nonce": 7, "max_payload": 40, "name": ""}
    board.receive(encode(Frame(1, 0, 0, 0, BY_NAME["HELLO"].pack(**hello))), 0.0)
    board.poll(0.0)
    board.lib.shim_log(board.board, 20, b"x" * 60)
    [log] = frames(board.poll(0.1))
    assert len(log.payload) == 40
    assert not board.lib.shim_send(board.board, 0x21, bytes(41), 41)
    assert board.lib.shim_send(board.board, 0x21, bytes(40), 40)


@pytest.mark.parametrize("payload", [64, 1024])
def test_millions_of_random_bytes_break_nothing(payload):
    """Under the address and undefined-behaviour sanitizers. Longer: the program's arguments are millions and a seed."""
    done = subprocess.run([building.fuzz(payload), "4", "7"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "bytes" in done.stdout


@pytest.mark.parametrize("payload", [32, 64, 241, 242, 1024, 4096])
@pytest.mark.parametrize("compiler", ["gcc", "clang", "avr-gcc"])
def test_the_library_compiles_without_a_warning_for_boards_of_any_size(tmp_path, compiler, payload):
    if compiler == "clang" and shutil.which("clang") is None:
        pytest.skip("this needs clang: apt-get install clang")
    building.needs(compiler, "gcc-avr avr-libc" if compiler == "avr-gcc" else "gcc")
    command = [compiler, *building.STRICT, "-Os", f"-DEDGE_MAX_PAYLOAD={payload}", "-r", "-nostdlib"]
    command += [*map(str, building.LIBRARY), "-o", str(tmp_path / "o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_large_frames_are_encoded_as_the_host_does(tmp_path):
    building.needs("cc", "gcc")
    source = tmp_path / "large.c"
    source.write_text(
        '#include <stdio.h>\n#define EDGE_MAX_PAYLOAD 1024\n#include "edge_frame.c"\n#include "edge_link.c"\n'
        "static size_t out(void *c, const uint8_t *d, size_t n) { (void)c; fwrite(d, 1, n, stdout); return n; }\n"
        "static uint32_t ms(void *c) { (void)c; return 0; }\n"
        "int main(void) { static const struct edge_callbacks calls = {out, ms, 0, 0}; struct edge_link link;\n"
        'uint8_t data[1024]; unsigned i, kind; edge_link_init(&link, &calls, 0, 7, "");\n'
        "for (kind = 0; kind < 3; kind++) {\n"
        "for (i = 0; i < 1024; i++) data[i] = kind == 0 ? 1 : kind == 1 ? 0 : (uint8_t)i;\n"
        "put_frame(&link, 0x21, 1, 5, 77, data, 1024);\n"
        "put_frame(&link, 0x21, 1, 5, 77, data, 254 - 12); } return 0; }\n"
    )
    subprocess.run(
        ["cc", "-std=c99", f"-I{building.FIRMWARE / 'src'}", str(source), "-o", str(tmp_path / "large")], check=True
    )
    out = subprocess.run([tmp_path / "large"], capture_output=True, check=True).stdout
    payloads = [bytes([1]) * 1024, bytes(1024), bytes(n & 255 for n in range(1024))]
    wanted = [Frame(0x21, 1, 5, 77, one[:size]) for one in payloads for size in (1024, 242)]
    assert out == b"".join(map(encode, wanted))


def test_the_example_sketch_compiles_for_the_uno_without_a_warning(tmp_path):
    flags = (*building.arduino(), "-std=gnu++11", "-Wall", "-Wextra", "-Werror", "-include", "Arduino.h")
    command = ["avr-g++", *flags, "-x", "c++", "-c", str(building.SKETCH), "-o", str(tmp_path / "o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_pico_board_compiles_without_a_warning(tmp_path):
    """Against the signatures of its SDK that it uses."""
    building.needs("cc", "gcc")
    folders = (f"-I{building.HERE / 'pico'}", f"-I{building.FIRMWARE / 'src'}")
    source = building.FIRMWARE / "ports" / "pico" / "board.c"
    strict = [one for one in building.STRICT if one != "-std=c99"]
    command = ["cc", "-std=gnu11", *strict, *folders, "-DEDGE_MAX_PAYLOAD=1024", "-c", str(source)]
    done = subprocess.run([*command, "-o", str(tmp_path / "o")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_sources_have_no_globals_and_no_heap(tmp_path):
    building.needs("cc", "gcc")
    for source in building.LIBRARY:
        subprocess.run(["cc", "-std=c99", "-Os", "-c", str(source), "-o", str(tmp_path / "o")], check=True)
        symbols = subprocess.run(["nm", tmp_path / "o"], capture_output=True, text=True, check=True).stdout
        kinds = {line.split()[-1]: line.split()[-2] for line in symbols.splitlines()}
        assert not [name for name, kind in kinds.items() if kind in "bBdDC"]
        assert not {"malloc", "calloc", "realloc", "free"} & kinds.keys()


def test_the_library_folder_is_one_the_arduino_ide_accepts():
    lines = (building.FIRMWARE / "library.properties").read_text().splitlines()
    facts = dict(line.split("=", 1) for line in lines)
    assert {
        "name",
        "version",
        "author",
        "maintainer",
        "sentence",
        "paragraph",
        "category",
        "architectures",
    } <= facts.keys()
    assert (building.FIRMWARE / "src" / facts["includes"]).is_file()

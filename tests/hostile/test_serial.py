"""A board that is broken or malicious: nothing it says ends the link, fills the memory or reaches a terminal raw."""

import json
import logging
import os
import time

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.bridge import Bridge
from firmware_bridge.cli import main
from firmware_bridge.events import Heard
from firmware_bridge.fake import FakeBoard
from firmware_bridge.frame import OVERHEAD, RELIABLE, Decoder, Frame, encode
from firmware_bridge.journal import Journal
from firmware_bridge.link import BOARD, HOST, Link
from firmware_bridge.messages import BY_NAME, BY_NUMBER, ERRORS, MESSAGES, REFUSED, TAKEN, UNKNOWN_TYPE
from firmware_bridge.session import MAX_IMAGE, MAX_OPEN, HostSession, Trigger
from tests.firmware.boards import SocketBoard

HOST_NONCE, BOARD_NONCE = 9, 7
FRAMES = st.builds(
    Frame,
    st.sampled_from([one.number for one in MESSAGES]) | st.integers(0, 255),
    st.integers(0, 3),
    st.integers(0, 65535),
    st.sampled_from([HOST_NONCE ^ BOARD_NONCE, 0, 1234]),
    st.binary(max_size=40),
)


def hello(**changes):
    said = {"version_min": 1, "version_max": 1, "role": 1, "nonce": BOARD_NONCE, "peer_nonce": HOST_NONCE,
            "max_payload": 64, "name": "x", **changes}  # fmt: skip
    return encode(Frame(BY_NAME["HELLO"].number, 0, 0, 0, BY_NAME["HELLO"].pack(**said)))


def reliable(name, sequence, **fields):
    kind = BY_NAME[name]
    return encode(Frame(kind.number, RELIABLE, sequence, HOST_NONCE ^ BOARD_NONCE, kind.pack(**fields)))


def met(journal=None):
    """A host whose board has said who it is."""
    host = HostSession(HOST_NONCE, Journal(None) if journal is None else journal)
    host.receive(hello(peer_nonce=0), 0.0)
    host.poll(0.0)
    host.receive(hello(), 0.0)
    assert host.link.state == "up"
    return host


def said(host, now=0.0):
    """What the host says: (message, fields, sequence)."""
    return [
        (BY_NUMBER[one.type].name, BY_NUMBER[one.type].unpack(one.payload), one.sequence)
        for one in Decoder().feed(host.poll(now))
    ]


def works(host, now):
    """Another board comes and has a trigger answered."""
    board = FakeBoard(77_777)
    id = board.trigger()
    while now < 1e9 and not board.results:
        for event in host.receive(board.poll(now), now):
            if isinstance(event, Trigger) and event.nonce == 77_777:
                host.answer(event.nonce, event.id, concept=3)
        board.receive(host.poll(now), now)
        now += 0.05
        assert now < 1000, "the link is dead"
    return [one.id for one in board.results] == [id]


@given(st.lists(FRAMES, max_size=30))
def test_whatever_a_board_says_the_next_one_is_served(frames):
    host = met()
    for step, frame in enumerate(frames):
        host.receive(encode(frame), step / 10)
        host.poll(step / 10)
    assert works(host, 10.0)


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_whatever_noise_comes_the_next_board_is_served(pieces):
    host = met()
    for step, piece in enumerate(pieces):
        host.receive(piece, step / 10)
        host.poll(step / 10)
    assert works(host, 10.0)


@given(st.lists(FRAMES, max_size=30))
def test_a_board_in_python_survives_whatever_a_host_says(frames):
    board = FakeBoard(BOARD_NONCE)
    board.receive(hello(role=0, nonce=HOST_NONCE, peer_nonce=BOARD_NONCE), 0.0)
    for step, frame in enumerate(frames):
        board.receive(encode(frame), step / 10)
        board.poll(step / 10)
    assert len(board.results) <= 0, "it never asked for anything"


# --- what is answered, and how ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0x00, 0x16, 0x24, 0x7F, 0xFF])
def test_a_type_of_a_newer_version_is_answered_and_does_not_block_the_line(number):
    host = met()
    said(host)
    host.receive(encode(Frame(number, RELIABLE, 1, HOST_NONCE ^ BOARD_NONCE, b"new")), 1.0)
    assert said(host, 1.0) == [
        ("ERROR", {"code": ERRORS["unknown type"], "detail": number}, 0),
        ("ACK", {"status": UNKNOWN_TYPE}, 1),
    ]
    host.receive(encode(Frame(number, 0, 0, HOST_NONCE ^ BOARD_NONCE, b"new")), 1.0)
    assert said(host, 1.0) == [("ERROR", {"code": ERRORS["unknown type"], "detail": number}, 0)]


def test_a_message_that_only_a_host_sends_is_not_taken_from_a_board():
    host = met()
    said(host)
    host.receive(reliable("CONFIG", 1, key=1, value=2), 1.0)
    assert ("ACK", {"status": UNKNOWN_TYPE}, 1) in said(host, 1.0)


@pytest.mark.parametrize("name", ["TRIGGER", "IMAGE_BEGIN", "IMAGE_CHUNK", "IMAGE_END"])
def test_a_message_that_is_cut_short_is_refused_and_does_not_block_the_line(name):
    host, kind = met(), BY_NAME[name]
    said(host)
    host.receive(encode(Frame(kind.number, RELIABLE, 1, HOST_NONCE ^ BOARD_NONCE, bytes(kind.least - 1))), 1.0)
    assert said(host, 1.0) == [
        ("ERROR", {"code": ERRORS["malformed"], "detail": kind.number}, 0),
        ("ACK", {"status": REFUSED}, 1),
    ]
    host.receive(reliable("TRIGGER", 2, id=1, source=0, time=0), 1.0)
    assert ("ACK", {"status": TAKEN}, 2) in said(host, 1.0)


def test_a_trigger_of_a_newer_version_with_more_fields_is_taken():
    host = met()
    payload = BY_NAME["TRIGGER"].pack(id=1, source=2, time=3) + b"more"
    events = host.receive(encode(Frame(0x10, RELIABLE, 1, HOST_NONCE ^ BOARD_NONCE, payload)), 1.0)
    assert Trigger(BOARD_NONCE, 1, 2, 3) in events


@pytest.mark.parametrize("size", [4096 + OVERHEAD + 1, 100_000])
def test_a_frame_that_is_too_long_costs_nothing_but_itself(size):
    host = met()
    said(host)
    host.receive(b"\0" + b"\1" * size + b"\0" + reliable("TRIGGER", 1, id=1, source=0, time=0), 1.0)
    assert said(host, 1.0) == [("ACK", {"status": TAKEN}, 1)]
    assert host.link.damaged == 1


def test_a_frame_with_a_wrong_checksum_is_not_even_acknowledged():
    host = met()
    said(host)
    line = bytearray(reliable("TRIGGER", 1, id=1, source=0, time=0))
    line[-3] ^= 1
    assert host.receive(bytes(line), 0.5) == []
    assert said(host, 0.5) == []


@pytest.mark.parametrize("versions", [(2, 9), (0, 0), (9, 2)])
def test_both_ends_are_told_that_their_versions_do_not_fit(versions):
    host = HostSession(HOST_NONCE, Journal(None))
    events = host.receive(hello(version_min=versions[0], version_max=versions[1]), 0.0)
    assert "this end 1 to 1" in events[0].reason
    assert ("ERROR", {"code": ERRORS["version"], "detail": 1}, 0) in said(host)
    assert works(host, 1.0), "one that fits is served after it"


def test_a_newer_board_that_still_speaks_this_version_is_served():
    host = HostSession(HOST_NONCE, Journal(None))
    host.receive(hello(version_max=200), 0.0)
    host.poll(0.0)
    host.receive(hello(version_max=200), 0.1)
    assert host.link.state == "up"


@pytest.mark.parametrize("room", [0, 1, 31, 65535])
def test_a_board_that_says_a_strange_size_gets_what_fits(room):
    host = HostSession(HOST_NONCE, Journal(None))
    host.set_concepts(["x" * 10_000])
    host.receive(hello(max_payload=room, peer_nonce=0), 0.0)
    host.poll(0.0)
    host.receive(hello(max_payload=room), 0.0)
    [name] = [fields["name"] for message, fields, _ in said(host) if message == "CONCEPTS"]
    assert len(name) == min(max(room, 32), 4096) - 4


def test_the_hello_of_a_host_with_a_long_name_fits_the_smallest_board():
    link = Link(HOST, 1, lambda _: TAKEN, name="\N{SNOWMAN}" * 24)
    [frame] = Decoder().feed(link.poll(0.0))
    assert len(frame.payload) <= 32
    link = Link(BOARD, 1, lambda _: TAKEN, name="\N{SNOWMAN}" * 24)
    [frame] = Decoder().feed(link.poll(0.0))
    assert BY_NAME["HELLO"].unpack(frame.payload)["name"] == "\N{SNOWMAN}" * 8


# --- too much of everything ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, MAX_IMAGE + 1, 2**32 - 1])
def test_a_picture_that_is_too_large_is_refused_once_and_not_asked_for_again(size):
    host = met()
    said(host)
    host.receive(reliable("IMAGE_BEGIN", 1, image=5, size=size, crc=0), 1.0)
    assert [(name, fields.get("code", fields.get("status"))) for name, fields, _ in said(host, 1.0)] == [
        ("ERROR", ERRORS["too large"]),
        ("ACK", REFUSED),
    ]
    host.receive(reliable("IMAGE_CHUNK", 2, image=5, offset=0, data=b"x"), 1.0)
    host.receive(reliable("IMAGE_END", 3, image=5), 1.0)
    assert [name for name, _, _ in said(host, 1.0)] == ["ACK", "ACK"]


def test_a_picture_grows_to_the_size_that_was_said_and_no_further():
    host = met()
    host.receive(reliable("IMAGE_BEGIN", 1, image=5, size=10, crc=0), 1.0)
    for sequence in range(2, 200):
        host.receive(reliable("IMAGE_CHUNK", sequence, image=5, offset=(sequence - 2) * 6, data=b"123456"), 1.0)
    assert len(host._images._data) <= 10


def test_a_board_that_acknowledges_nothing_does_not_fill_the_memory():
    host = met()
    for sequence in range(1, 3000):
        host.receive(reliable("IMAGE_CHUNK", sequence, image=sequence, offset=9, data=b""), 1.0)
        host.poll(1.0)
    assert host.link.waiting <= 2


def test_no_more_triggers_are_taken_than_somebody_answers():
    host, events = met(), []
    for sequence in range(1, MAX_OPEN + 100):
        events += host.receive(reliable("TRIGGER", sequence, id=sequence, source=0, time=0), 1.0)
    assert sum(isinstance(one, Trigger) for one in events) == MAX_OPEN
    assert "nobody answers" in host.trouble
    said(host, 1.0)
    host.receive(reliable("TRIGGER", MAX_OPEN, id=MAX_OPEN, source=0, time=0), 1.0)
    assert said(host, 1.0), "one that was taken is acknowledged again"
    host.receive(reliable("TRIGGER", MAX_OPEN + 1, id=MAX_OPEN + 1, source=0, time=0), 1.0)
    assert said(host, 1.0) == [], "one that was not taken is not acknowledged"


def test_a_line_that_comes_and_goes_does_not_heap_up_names():
    host = met()
    host.set_concepts([f"name {one}" for one in range(200)])
    for now in range(10, 1000, 10):
        host.link.cut(now)
        host.receive(hello(), now)
        host.poll(now)
    assert host.link.waiting <= 200


def test_names_for_a_large_board_do_not_block_a_small_one_in_its_place():
    host = HostSession(HOST_NONCE, Journal(None))
    host.set_concepts(["x" * 500])
    host.receive(hello(max_payload=1024, peer_nonce=0), 0.0)
    host.poll(0.0)
    host.receive(hello(max_payload=1024), 0.0)
    host.poll(0.0)
    assert works(host, 1.0)


# --- through the bridge ----------------------------------------------------------------------------------------------


def until(found, seconds=10):
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_error_in_what_is_done_about_an_event_does_not_end_the_bridge(caplog):
    def happened(_):
        raise RuntimeError("boom")

    with SocketBoard() as board, Bridge(board.port, happened) as bridge:
        until(lambda: bridge.up)
        board.board.trigger()
        until(lambda: "Trigger failed" in caplog.text)
        assert bridge.up


def test_an_error_of_the_bridge_itself_opens_the_port_again(caplog, monkeypatch):
    receive, broken = HostSession.receive, []

    def once(session, data, now):
        if not broken:
            broken.append(1)
            raise RuntimeError("boom")
        return receive(session, data, now)

    monkeypatch.setattr(HostSession, "receive", once)
    with SocketBoard() as board, Bridge(board.port, lambda _: None) as bridge:
        until(lambda: bridge.up)
    assert "boom" in caplog.text


def test_a_disk_that_is_full_is_said_once_and_triggers_wait_for_room(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "firmware_bridge")
    events = []
    with SocketBoard() as board, Bridge(board.port, events.append, journal=tmp_path / "j") as bridge:
        until(lambda: bridge.up)
        write, files = os.write, []

        def full(file, data):
            if data[:4] == b'{"ac':
                files.append(file)
                raise OSError(28, "No space left on device")
            return write(file, data)

        monkeypatch.setattr(os, "write", full)
        board.board.trigger()
        until(lambda: len(files) > 1)
        assert "make room" in bridge.state
        assert not any(isinstance(one, Trigger) for one in events)
        monkeypatch.undo()
        until(lambda: any(isinstance(one, Trigger) for one in events))
        assert bridge.state == "up"
    assert [one.levelname for one in caplog.records if "make room" in one.message] == ["WARNING"]


def test_what_a_board_calls_itself_and_says_cannot_command_the_terminal():
    with SocketBoard() as board:
        board.board.link.name = "evil\x1b[2J"
        done = CliRunner().invoke(main, ["ping", board.port, "--count", "1"])
        assert done.exit_code == 0, done.output
        assert "\x1b" not in done.output

        def talk(link=board.board.link, poll=board.board.poll):
            def polled(now):
                link.send("LOG", level=20, text="\x1b]0;evil\x07")
                return poll(now)

            board.board.poll = polled

        talk()
        done = CliRunner().invoke(main, ["monitor", board.port, "--seconds", "1"])
        assert "message=LOG" in done.output
        assert "\x1b" not in done.output
        assert "\x07" not in done.output


def test_monitor_in_json_is_one_document_a_line_whatever_a_board_says():
    with SocketBoard() as board:
        poll = board.board.poll

        def polled(now):
            board.board.link.send("LOG", level=255, text="\n\ud7ff\x00")
            return poll(now)

        board.board.poll = polled
        done = CliRunner().invoke(main, ["monitor", board.port, "--seconds", "1", "--json"])
    assert {"Heard"} <= {json.loads(line)["event"] for line in done.output.splitlines()}


@pytest.mark.parametrize("arguments", [["ping"], ["monitor", "--seconds", "0.3"], ["send", "concepts", "x"]])
@pytest.mark.parametrize("port", ["/dev/null", "/", "usb://1:2", "loop://", "ftp://x", "socket://nowhere.invalid:1"])
def test_a_port_that_is_none_is_one_line_of_text(arguments, port):
    command, *rest = arguments
    rest += ["--wait", "0.3"] if command != "monitor" else []
    done = CliRunner().invoke(main, [command, port, *rest])
    assert done.exit_code in (0, 5)
    assert "Traceback" not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_log_is_an_event_and_no_more():
    host = met()
    payload = BY_NAME["LOG"].pack(level=20, text="hi")
    events = host.receive(encode(Frame(BY_NAME["LOG"].number, 0, 0, HOST_NONCE ^ BOARD_NONCE, payload)), 1.0)
    assert [one.message.fields["text"] for one in events if isinstance(one, Heard)] == ["hi"]

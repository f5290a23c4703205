"""The bridge over real descriptors, with the fake board at the other end: opened, unplugged, closed."""

import os
import threading
import time
from types import SimpleNamespace

import pytest

from firmware_bridge import Answered, Bridge, PortState, Trigger
from firmware_bridge.ports import Port, PortUnavailable
from tests.firmware.boards import SocketBoard


@pytest.fixture
def board():
    with SocketBoard() as opened:
        yield opened


def until(found, seconds=10):
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return value


def of(events, kind):
    return [one for one in events if isinstance(one, kind)]


def test_a_trigger_is_answered(board):
    events = []
    with Bridge(board.port, events.append) as bridge:
        until(lambda: bridge.up)
        board.board.trigger(source=3)
        [trigger] = until(lambda: of(events, Trigger))
        assert bridge.answer(trigger.nonce, trigger.id, concept=4)
        until(lambda: of(events, Answered))
    assert [(one.id, one.concept) for one in board.board.results] == [(trigger.id, 4)]


def test_an_answer_that_was_given_just_before_closing_is_still_written(board):
    with Bridge(board.port, lambda _: None) as bridge:
        until(lambda: bridge.up)
        bridge.configure(1, 500)
    until(lambda: board.board.config == {1: 500})


def test_it_may_be_closed_twice_and_from_its_own_event(board):
    closed = threading.Event()

    def happened(event):
        if not (isinstance(event, PortState) or closed.is_set()):
            bridge.close()
            closed.set()

    bridge = Bridge(board.port, happened)
    assert closed.wait(10)
    bridge.close()
    bridge.close()


def test_a_closed_bridge_writes_to_nothing_that_was_opened_since(board, tmp_path):
    """Its descriptors' numbers belong to others then."""
    events = []
    bridge = Bridge(board.port, events.append, journal=tmp_path / "j")
    until(lambda: bridge.up)
    board.board.trigger()
    [trigger] = until(lambda: of(events, Trigger))
    bridge.close()
    files = [os.open(tmp_path / f"{one}", os.O_RDWR | os.O_CREAT) for one in range(20)]
    assert not bridge.answer(trigger.nonce, trigger.id)
    bridge.set_concepts(["x"])
    bridge.ping()
    sizes = [os.fstat(file).st_size for file in files]
    for file in files:
        os.close(file)
    assert not any(sizes)


def test_a_trigger_without_an_answer_is_handed_out_by_the_next_bridge(board, tmp_path):
    events = []
    with Bridge(board.port, events.append, journal=tmp_path / "j") as bridge:
        until(lambda: bridge.up)
        board.board.trigger()
        [first] = until(lambda: of(events, Trigger))
    with Bridge("/dev/none", events.append, journal=tmp_path / "j"):
        assert of(events, Trigger) == [first], "nothing is handed out before the port is there"
    events.clear()
    with Bridge(board.port, events.append, journal=tmp_path / "j") as bridge:
        [again] = until(lambda: of(events, Trigger))
        assert (again.nonce, again.id, again.again) == (first.nonce, first.id, True)
        bridge.answer(again.nonce, again.id, concept=2)
        until(lambda: of(events, Answered))
    assert [one.concept for one in board.board.results] == [2]


def test_two_bridges_do_not_keep_one_journal(board, tmp_path):
    first = Bridge(board.port, lambda _: None, journal=tmp_path / "j")
    with pytest.raises(OSError, match="another program keeps"):
        Bridge(board.port, lambda _: None, journal=tmp_path / "j")
    first.close()
    Bridge(board.port, lambda _: None, journal=tmp_path / "j").close()


def test_a_board_is_found_when_it_is_plugged_in_and_again_under_another_name(monkeypatch):
    monkeypatch.setattr("firmware_bridge.bridge.BACK_OFF", (0.02,))
    plugged, events = [], []
    with Bridge("usb://2341:0043/A1", events.append, listed=lambda: list(plugged)) as bridge:
        until(lambda: "not plugged in" in bridge.state)
        for _ in range(2):
            with SocketBoard() as board:
                plugged[:] = [SimpleNamespace(device=board.port, vid=0x2341, pid=0x43, serial_number="A1")]
                until(lambda: bridge.up)
                plugged.clear()
            until(lambda: "not plugged in" in bridge.state)
    texts = [one.text for one in of(events, PortState)]
    assert len(texts) < 12, "what has not changed is said once"


def test_a_port_that_is_not_there_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr("firmware_bridge.bridge.BACK_OFF", (0.01,))
    with Bridge("/dev/ttyNothing9", lambda _: None) as bridge:
        until(lambda: "there is no port" in bridge.state)
        time.sleep(0.2)
    assert sum("there is no port" in one.message for one in caplog.records) == 1


def test_a_trigger_is_told_of_though_the_cable_is_pulled_while_it_is_acknowledged(board, monkeypatch):
    events, pulled, write = [], [], Port.write

    def pull(port, data):
        if bridge._session.journal.waiting and not pulled:
            pulled.append(data)
            raise PortUnavailable("pulled out")
        write(port, data)

    monkeypatch.setattr(Port, "write", pull)
    with Bridge(board.port, events.append) as bridge:
        until(lambda: bridge.up)
        board.board.trigger()
        until(lambda: of(events, Trigger))
    assert pulled

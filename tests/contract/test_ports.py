"""What every port keeps to: a pseudo-terminal (as a device), ``socket://`` and ``loop://``."""

import os
import pty
import socket
import threading
import time
import tty

import pytest

from firmware_bridge.ports import PortUnavailable, open_port


class Device:
    """A port by its path, with a pseudo-terminal's other side as the far end."""

    def __init__(self, wake):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = open_port(os.ttyname(slave), 115_200, wake)
        os.close(slave)

    def say(self, data):
        os.write(self.master, data)

    def hear(self, count):
        return os.read(self.master, count)

    def end(self):
        if self.master >= 0:
            os.close(self.master)
        self.master = -1


class Socket:
    """``socket://`` with its server's side as the far end."""

    def __init__(self, wake):
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = open_port(f"socket://127.0.0.1:{server.getsockname()[1]}", 115_200, wake)
            self.peer, _ = server.accept()

    def say(self, data):
        self.peer.sendall(data)

    def hear(self, count):
        return self.peer.recv(count)

    def end(self):
        self.peer.close()


class Loop:
    """``loop://``: what is said is what was written."""

    def __init__(self, wake):
        self.port = open_port("loop://", 115_200, wake)
        self.say = self.port.write

    def hear(self, count):
        return self.port.read()[:count]

    def end(self):
        pass


@pytest.fixture
def waker():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.fixture(params=[Device, Socket, Loop])
def line(request, waker):
    opened = request.param(waker[0])
    yield opened
    opened.port.close()
    opened.end()


@pytest.fixture(params=[Device, Socket])
def cable(request, waker):
    """A line that can be pulled out."""
    opened = request.param(waker[0])
    yield opened
    opened.port.close()
    opened.end()


def read_all(port, count, seconds=5):
    data, until = b"", time.monotonic() + seconds
    while len(data) < count and time.monotonic() < until:
        port.wait(0.1)
        data += port.read()
    return data


def test_what_is_written_is_heard_at_the_other_end(line):
    data = bytes(range(256))
    line.port.write(data)
    heard = b""
    while len(heard) < len(data):
        heard += line.hear(256)
    assert heard == data


def test_what_is_said_at_the_other_end_is_read(line):
    data = bytes(range(256)) * 4
    line.say(data)
    assert read_all(line.port, len(data)) == data


def test_nothing_to_read_is_nothing_at_once(line):
    assert line.port.read() == b""


def test_waiting_ends_when_something_comes(line):
    threading.Timer(0.05, line.say, (b"x",)).start()
    assert read_all(line.port, 1, seconds=10) == b"x"


def test_waiting_ends_when_it_is_woken(line, waker):
    threading.Timer(0.05, os.write, (waker[1], b"x")).start()
    line.port.wait(60)
    line.port.wait(0)
    assert line.port.read() == b""


def test_waiting_ends_with_its_time(line):
    line.port.wait(0.01)


def test_a_port_may_be_closed_twice(line):
    line.port.close()
    line.port.close()


def test_a_port_that_has_gone_away_says_so_when_it_is_read(cable):
    cable.end()
    with pytest.raises(PortUnavailable, match="gone away"):
        for _ in range(100):
            cable.port.wait(0.05)
            cable.port.read()


def test_a_port_that_has_gone_away_says_so_when_it_is_written(cable):
    cable.end()
    with pytest.raises(PortUnavailable, match="gone away"):
        for _ in range(100):
            cable.port.write(b"x" * 100)
            cable.port.wait(0.05)


def test_a_port_that_has_gone_away_can_be_closed(cable):
    cable.end()
    cable.port.close()

"""Ports by URL: found, refused with what to do, and had by one program at a time."""

import os
import pty
import socket
import threading
import tty
from types import SimpleNamespace

import pytest

from firmware_bridge.ports import PortUnavailable, find, open_port

UNO = SimpleNamespace(device="/dev/ttyACM0", vid=0x2341, pid=0x0043, serial_number="A1")
OTHER = SimpleNamespace(device="/dev/ttyACM1", vid=0x2341, pid=0x0043, serial_number="B2")
PLAIN = SimpleNamespace(device="/dev/ttyS0", vid=None, pid=None, serial_number=None)


@pytest.fixture
def wake():
    reader, writer = os.pipe()
    yield reader
    os.close(reader)
    os.close(writer)


@pytest.fixture
def line():
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_board_is_found_by_its_usb_ids_wherever_it_is_plugged_in():
    assert find("usb://2341:0043", lambda: [PLAIN, UNO]) == "/dev/ttyACM0"


def test_of_two_boards_alike_the_serial_number_tells():
    assert find("usb://2341:0043/B2", lambda: [UNO, OTHER]) == "/dev/ttyACM1"
    with pytest.raises(PortUnavailable, match="A1, B2"):
        find("usb://2341:0043", lambda: [UNO, OTHER])


@pytest.mark.parametrize("url", ["usb://2341:0043", "usb://zz", "usb://2341:0043/C3"])
def test_a_board_that_is_not_plugged_in_says_so(url):
    with pytest.raises(PortUnavailable):
        find(url, lambda: [PLAIN])


@pytest.mark.parametrize("url", ["/dev/ttyNothing9", "socket://127.0.0.1:9", "nonsense://x", "socket://"])
def test_a_port_that_is_not_there_is_a_sentence(url, wake):
    with pytest.raises(PortUnavailable) as raised:
        open_port(url, 115_200, wake)
    assert len(str(raised.value)) > 20


def test_a_file_is_no_port(tmp_path, wake):
    (tmp_path / "file").write_text("x")
    with pytest.raises(PortUnavailable):
        open_port(str(tmp_path / "file"), 115_200, wake)


def test_a_port_is_had_by_one_at_a_time(line, wake):
    port = open_port(line[1], 115_200, wake)
    with pytest.raises(PortUnavailable, match="another program"):
        open_port(line[1], 115_200, wake)
    port.close()


def test_bytes_go_both_ways_and_waiting_ends_when_they_come(line, wake):
    port = open_port(line[1], 115_200, wake)
    port.write(b"up")
    assert os.read(line[0], 10) == b"up"
    threading.Timer(0.05, os.write, (line[0], b"down")).start()
    port.wait(10)
    assert port.read() == b"down"
    assert port.read() == b""
    port.close()


def test_a_socket_is_a_port_too(wake):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = open_port(f"socket://127.0.0.1:{server.getsockname()[1]}", 115_200, wake)
        peer, _ = server.accept()
        peer.sendall(b"down")
        port.wait(5)
        assert port.read() == b"down"
        peer.close()
        with pytest.raises(PortUnavailable):
            for _ in range(100):
                port.wait(0.05)
                port.read()
        port.close()


def test_a_loop_gives_back_what_it_gets(wake):
    port = open_port("loop://", 115_200, wake)
    port.write(b"echo")
    port.wait(0.1)
    assert port.read() == b"echo"
    port.close()


def test_a_port_without_permission_names_the_group_to_join(line, wake, monkeypatch):
    import serial

    def refuse(_):
        raise serial.SerialException(13, "could not open port: [Errno 13] Permission denied")

    monkeypatch.setattr(serial.Serial, "open", refuse)
    with pytest.raises(PortUnavailable, match="usermod -aG"):
        open_port(line[1], 115_200, wake)

"""Ports by URL: found, refused with what to do, and had by one program at a time."""

import grp
import os
import pty
import termios
import tty
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from types import SimpleNamespace

import pytest
import serial

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


def refused(path, wake, monkeypatch):
    """What is said where the system does not let this user open a port."""

    def refuse(_):
        raise serial.SerialException(13, "could not open port: [Errno 13] Permission denied")

    monkeypatch.setattr(serial.Serial, "open", refuse)
    with pytest.raises(PortUnavailable) as raised:
        open_port(str(path), 115_200, wake)
    return str(raised.value)


@pytest.fixture
def shared(tmp_path):
    """A file of a group that people are in."""
    path = tmp_path / "tty"
    path.touch()
    if os.getgid() == 0:
        os.chown(path, -1, 20)
    path.chmod(0o660)
    return path


def test_a_port_without_permission_names_the_group_to_join(shared, wake, monkeypatch):
    with suppress(KeyError):
        name = grp.getgrgid(shared.stat().st_gid).gr_name
        assert f"sudo usermod -aG {name} $USER" in refused(shared, wake, monkeypatch)


def test_no_group_is_named_that_may_not_open_the_port_either(shared, wake, monkeypatch):
    shared.chmod(0o600)
    assert "no group that may" in refused(shared, wake, monkeypatch)


def test_a_port_that_another_program_took_for_itself_alone_is_busy(line, wake, monkeypatch):
    """Not even pyserial's lock is asked: the system refuses (root may open it all the same, so it is said for it)."""

    def busy(_):
        raise serial.SerialException(16, "could not open port: [Errno 16] Device or resource busy")

    monkeypatch.setattr(serial.Serial, "open", busy)
    with pytest.raises(PortUnavailable, match="fuser"):
        open_port(line[1], 115_200, wake)


def test_the_system_keeps_other_programs_out(line, wake, monkeypatch):
    asked = []
    monkeypatch.setattr("fcntl.ioctl", lambda file, what, *more: asked.append(what) or ioctl(file, what, *more))
    open_port(line[1], 115_200, wake).close()
    assert termios.TIOCEXCL in asked


def files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_port_that_cannot_be_had_alone_is_left_closed(line, wake, monkeypatch):
    def refuse(file, what, *more):
        if what == termios.TIOCEXCL:
            raise OSError(16, "Device or resource busy")
        return ioctl(file, what, *more)

    before = files()
    monkeypatch.setattr("fcntl.ioctl", refuse)
    with pytest.raises(PortUnavailable):
        open_port(line[1], 115_200, wake)
    assert files() == before

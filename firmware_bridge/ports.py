"""Serial ports by URL: ``/dev/ttyUSB0``, ``usb://2341:0043`` or ``usb://2341:0043/SERIAL``, ``socket://host:port``."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import re
import select
import termios
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import serial

FAILURES = (serial.SerialException, OSError, termios.error)
"""What pyserial raises when a port goes away; ``termios.error`` is no OSError."""
_USB = re.compile(r"usb://([0-9a-fA-F]{4}):([0-9a-fA-F]{4})(?:/(.+))?\Z")
_POLL = 0.005
_WRITE_SECONDS = 1.0


class PortUnavailable(OSError):
    """A port that is missing, busy, not permitted, or that has gone away. The text says what to do."""


class Port:
    """An open port. Only one program at a time has it, where the system can see to that."""

    def __init__(self, device: Any, wake: int) -> None:
        self._device = device
        self._wake = wake
        try:
            self._fd: int | None = device.fileno()
        except (AttributeError, OSError):
            self._fd = None

    def wait(self, seconds: float) -> None:
        """Until something can be read, ``wake`` is written to, or the time is over."""
        readers = [self._wake] if self._fd is None else [self._wake, self._fd]
        ready, _, _ = select.select(readers, [], [], min(seconds, _POLL) if self._fd is None else seconds)
        if self._wake in ready:
            with suppress(BlockingIOError):
                os.read(self._wake, 4096)

    def read(self) -> bytes:
        """What has arrived, perhaps nothing. Raises PortUnavailable."""
        try:
            return bytes(self._device.read(max(1, min(4096, self._device.in_waiting)) if self._fd is None else 4096))
        except FAILURES as error:
            raise PortUnavailable(f"the port has gone away ({error})") from error

    def write(self, data: bytes) -> None:
        """Send bytes; what a stuck port does not take is lost, as on a line. Raises PortUnavailable."""
        try:
            self._device.write(data)
        except serial.SerialTimeoutException:
            return
        except FAILURES as error:
            raise PortUnavailable(f"the port has gone away ({error})") from error

    def close(self) -> None:
        """Close it; one that has gone away too."""
        with suppress(*FAILURES):
            self._device.close()


def open_port(url: str, baud: int, wake: int, listed: Callable[[], Iterable[Any]] | None = None) -> Port:
    """Open a port; ``wake``: a file descriptor that ends a ``wait``. Raises PortUnavailable."""
    path = find(url, listed)
    if "://" not in path and not Path(path).exists():
        raise PortUnavailable(f"there is no port {path}; `firmware-bridge ports` lists those there are")
    exclusive = {} if "://" in path else {"exclusive": True}
    device = None
    try:
        device = serial.serial_for_url(
            path, baudrate=baud, timeout=0, write_timeout=_WRITE_SECONDS, do_not_open=True, **exclusive
        )
        device.open()
        if exclusive:  # the lock of pyserial stops only those who ask for it, too
            fcntl.ioctl(device.fileno(), termios.TIOCEXCL)
    except (ValueError, *FAILURES) as error:
        if device is not None:
            with suppress(*FAILURES):
                device.close()
        if isinstance(error, ValueError):
            raise PortUnavailable(f"{url} is no port ({error}); give a device, or usb://VENDOR:PRODUCT") from error
        raise PortUnavailable(_why(path, error)) from error
    return Port(device, wake)


def find(url: str, listed: Callable[[], Iterable[Any]] | None = None) -> str:
    """The device behind a URL: what is plugged in now, for ``usb://``. Raises PortUnavailable."""
    if not url.startswith("usb://"):
        return url
    asked = _USB.match(url)
    if asked is None:
        raise PortUnavailable(f"{url} is no port; write usb://VENDOR:PRODUCT or usb://VENDOR:PRODUCT/SERIAL")
    vendor, product = int(asked[1], 16), int(asked[2], 16)
    fitting = [one for one in (listed or _plugged_in)() if (one.vid, one.pid) == (vendor, product)]
    fitting = [one for one in fitting if asked[3] in (None, one.serial_number)]
    if not fitting:
        raise PortUnavailable(f"{url} is not plugged in; `firmware-bridge ports` lists what is")
    if len(fitting) > 1:
        serials = ", ".join(sorted(str(one.serial_number) for one in fitting))
        raise PortUnavailable(f"several boards are {url}; add the serial number of one: {serials}")
    return str(fitting[0].device)


def _plugged_in() -> Iterable[Any]:
    from serial.tools.list_ports import comports

    found: Iterable[Any] = comports()
    return found


def _why(path: str, error: Exception) -> str:
    number = getattr(error, "errno", None) or (error.args[0] if error.args and isinstance(error.args[0], int) else None)
    if number in (errno.EACCES, errno.EPERM) or "Permission denied" in str(error):
        return f"{path} may not be opened; {_permission(path)}"
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return f"{path} is in use by another program; close that one (fuser {path} says which)"
    if "://" in path:
        return f"{path} cannot be reached ({error}); check that something listens there"
    return f"{path} cannot be opened ({error}); check its cable"


def _permission(path: str) -> str:
    """What gives this user the port: the group that it belongs to, where that may open it."""
    group, allowed = "dialout", True
    with suppress(OSError, KeyError):
        found = Path(path).stat()
        allowed = found.st_mode & 0o060 == 0o060 and found.st_gid != 0
        group = grp.getgrgid(found.st_gid).gr_name
    if allowed:
        return f"join its group and log in again: sudo usermod -aG {group} $USER"
    return f"it belongs to no group that may: sudo chgrp dialout {path} && sudo chmod g+rw {path}, and join dialout"

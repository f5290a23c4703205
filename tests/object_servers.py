"""A real S3 server in a process of its own, a proxy in front of it that cuts, and sticks in image files."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

KEYS = {"access_key_id": "testing", "secret_access_key": "not-a-secret"}


class S3Server:
    """moto's server. Use it as a context manager; it forgets everything when it ends."""

    def __enter__(self) -> S3Server:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(self.port)]
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            assert self._server.poll() is None, "the S3 server did not start"
            time.sleep(0.05)
        raise AssertionError("the S3 server does not answer")

    def __exit__(self, *_: object) -> None:
        self._server.kill()
        self._server.wait()

    def make_bucket(self, name: str) -> None:
        """An empty bucket."""
        request = f"PUT /{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port), 5) as line:
            line.sendall(request.encode())
            assert b" 200 " in line.recv(4096).partition(b"\r\n")[0]

    def keys(self, bucket: str) -> list[str]:
        """Every key in it."""
        from edge.sync.remotes.catalogue import open_remote

        remote = open_remote(self.url(bucket), KEYS)
        try:
            return [one.key for one in remote.page("edge/1/")]
        finally:
            remote.close()

    def url(self, bucket: str, port: int | None = None) -> str:
        """How a remote names a folder of that bucket, here or behind a proxy."""
        return f"s3://{bucket}/fleet?endpoint=http://127.0.0.1:{port or self.port}"


# --- the proxy -------------------------------------------------------------------------------------------------------

FATES = ("before", "half", "after", "error", "error-after", "busy", "slow")
"""Closed before anything was sent on; cut in the middle of the request; applied and closed; 500 without and with having
applied it; 503; half a second late. For a request that reads, "half" cuts the answer."""


class CuttingProxy:
    """Passes requests on, one per connection, and does to each what ``fate(number, verb, path)`` says."""

    def __init__(self, port: int, fate: Callable[[int, str, str], str]) -> None:
        self.fate = fate
        self.requests: list[tuple[str, str, str]] = []
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._guard = threading.Lock()

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError, ValueError):
            line.settimeout(20)
            head, body = _message(line)
            if not head:
                return
            verb, path, _ = head.split(b" ", 2)
            with self._guard:
                number = len(self.requests)
                fate = self.fate(number, verb.decode(), path.decode())
                self.requests.append((verb.decode(), path.decode(), fate))
            self._do(fate, line, _closing(head), body)

    def _do(self, fate: str, line: socket.socket, head: bytes, body: bytes) -> None:
        if fate == "before":
            return
        if fate in ("error", "busy"):
            line.sendall(_answer(500 if fate == "error" else 503))
            return
        reads = not head.startswith(b"PUT")
        with socket.create_connection(("127.0.0.1", self._to), 20) as server:
            if fate == "half" and not reads:
                server.sendall(head + body[: len(body) // 2])
                return
            server.sendall(head + body)
            answer = b"".join(iter(lambda: server.recv(1 << 16), b""))
        if fate == "slow":
            time.sleep(0.5)
        if fate == "error-after":
            line.sendall(_answer(500))
        elif fate == "half":
            at = answer.find(b"\r\n\r\n") + 4
            line.sendall(answer[: at + (len(answer) - at) // 2])
        elif fate != "after":
            line.sendall(answer)


def _message(line: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = line.recv(1 << 16)
        if not more:
            return b"", b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        more = line.recv(1 << 16)
        if not more:
            return b"", b""
        body += more
    return head + b"\r\n\r\n", body


def _closing(head: bytes) -> bytes:
    """One request per connection: then the end of an answer is the end of the connection."""
    head = re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head)
    return head[:-2] + b"Connection: close\r\n\r\n"


def _answer(code: int) -> bytes:
    return f"HTTP/1.1 {code} Simulated\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


# --- sticks ----------------------------------------------------------------------------------------------------------


TOOLS = {
    "exfat": ("/usr/sbin/mkfs.exfat", "/usr/sbin/mount.exfat-fuse"),
    "vfat": ("/usr/sbin/mkfs.vfat", "/usr/bin/fusefat"),
}
"""What makes and mounts a stick: drivers outside the kernel, which not every kernel has these for."""


def no_stick(kind: str) -> str:
    """What this machine lacks for a stick in an image file, or nothing."""
    for tool in TOOLS[kind]:
        if not Path(tool).exists():
            return f"{tool} is not there; apt-get install exfatprogs exfat-fuse dosfstools fusefat"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or not os.access("/dev/loop-control", os.R_OK | os.W_OK):
        return "/dev/fuse or /dev/loop-control cannot be opened; run as root, with the devices in the container"
    return ""


@contextmanager
def stick(folder: Path, kind: str, megabytes: int = 64) -> Iterator[Path]:
    """A mounted exFAT or FAT32 ("vfat") file system, in an image file below ``folder`` behind a loop device."""
    image, mount = folder / "stick.img", folder / "stick"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    run: Any = {"check": True, "capture_output": True, "text": True}
    make, driver = TOOLS[kind]
    subprocess.run([make, *(["-F", "32"] if kind == "vfat" else []), str(image)], **run)
    device = subprocess.run(["losetup", "--find", "--show", str(image)], **run).stdout.strip()
    try:
        mount.mkdir()
        with subprocess.Popen(
            [driver, *(["-f", "-o", "rw+"] if kind == "vfat" else ["-d"]), device, str(mount)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server:
            try:
                _mounted(mount, server)
                yield mount
            finally:
                subprocess.run(["umount", str(mount)], check=False)
                server.terminate()
    finally:
        subprocess.run(["losetup", "-d", device], check=False)


def _mounted(mount: Path, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if mount.is_mount():
            return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"{server.args!r} mounted nothing at {mount}")

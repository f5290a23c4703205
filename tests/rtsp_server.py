"""A small network camera: RTSP (RFC 2326) with its pictures as RTP/JPEG (RFC 2435), interleaved on the one connection.

Only what a client needs that plays over TCP. It can ask for a password, and fall silent.
"""

from __future__ import annotations

import base64
import socketserver
import struct
import threading
from contextlib import suppress

from edge.camera.fake import encoded, scene

_PIECE = 1400
_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n"


class RtspServer(socketserver.ThreadingTCPServer):
    """``with RtspServer() as server: server.url``. ``password``: of the user "me"; ``silent``: plays nothing."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *, password: str | None = None, silent: bool = False, count: int = 10_000) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.password, self.silent, self.count = password, silent, count
        self.stop, self.transports = threading.Event(), []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}/live"

    def __enter__(self) -> RtspServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.shutdown()
        self.server_close()


class _Client(socketserver.StreamRequestHandler):
    server: RtspServer

    def handle(self) -> None:
        with suppress(OSError):
            while (request := self._request()) is not None:
                method, headers = request
                if not self._let_in(headers):
                    self._answer(headers, "401 Unauthorized", ['WWW-Authenticate: Basic realm="camera"'])
                    continue
                self._do(method, headers)
                if method == "TEARDOWN":
                    return

    def _request(self) -> tuple[str, dict[str, str]] | None:
        first = self.rfile.readline(4096)
        while first.startswith(b"$"):  # the client's own reports, interleaved
            return None
        lines = iter(lambda: self.rfile.readline(4096).strip().decode(), "")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return (first.split()[0].decode(), headers) if first.split() else None

    def _let_in(self, headers: dict[str, str]) -> bool:
        if self.server.password is None:
            return True
        pair = base64.b64encode(f"me:{self.server.password}".encode()).decode()
        return headers.get("authorization") == f"Basic {pair}"

    def _do(self, method: str, headers: dict[str, str]) -> None:
        if method == "OPTIONS":
            self._answer(headers, "200 OK", ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"])
        elif method == "DESCRIBE":
            self._answer(headers, "200 OK", ["Content-Type: application/sdp"], _SDP)
        elif method == "SETUP":
            self.server.transports.append(headers["transport"])
            if "interleaved" not in headers["transport"]:
                self._answer(headers, "461 Unsupported Transport", [])
                return
            self._answer(headers, "200 OK", ["Session: 1", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"])
        elif method == "PLAY":
            self._answer(headers, "200 OK", ["Session: 1", "Range: npt=0.000-"])
            self._play()
        else:
            self._answer(headers, "200 OK", ["Session: 1"])

    def _answer(self, headers: dict[str, str], status: str, more: list[str], body: str = "") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", *more, f"Content-Length: {len(body)}"]
        self.wfile.write("\r\n".join([*lines, "", body]).encode())

    def _play(self) -> None:
        sequence = 0
        for number in range(self.server.count):
            if self.server.stop.wait(0.02) or self.server.silent:
                self.server.stop.wait()
                return
            data = encoded(scene(number, 48, 64))
            for last, payload in pieces(data, 64, 48):
                head = struct.pack(">BBHII", 0x80, 26 | (0x80 if last else 0), sequence & 0xFFFF, number * 1800, 7)
                self.wfile.write(struct.pack(">BBH", 0x24, 0, len(head) + len(payload)) + head + payload)
                sequence += 1


def pieces(jpeg: bytes, width: int, height: int) -> list[tuple[bool, bytes]]:
    """A baseline 4:2:0 JPEG as RFC 2435 wants it: its tables and its scan, without the headers in between."""
    tables, scan, place = b"", b"", 2
    while not scan:
        marker, length = struct.unpack(">xBH", jpeg[place : place + 4])
        body = jpeg[place + 4 : place + 2 + length]
        if marker == 0xDB:
            tables += b"".join(body[start + 1 : start + 65] for start in range(0, len(body), 65))
        if marker == 0xDA:
            scan = jpeg[place + 2 + length : -2]
        place += 2 + length
    found = []
    for offset in range(0, len(scan), _PIECE):
        head = struct.pack(">I", offset) + struct.pack(">BBBB", 1, 255, width // 8, height // 8)
        if offset == 0:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        found.append((offset + _PIECE >= len(scan), head + scan[offset : offset + _PIECE]))
    return found

"""``http://.../mjpeg``: pictures that a web camera pushes (multipart/x-mixed-replace), or one JPEG per request.

Read with the standard library. Everything that arrives is capped, and every wait has an end.
"""

from __future__ import annotations

import base64
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote, unquote, urljoin, urlsplit

from edge.camera.base import EndOfPictures, Picture
from edge.camera.urls import CameraUrl, redacted
from edge.errors import BadImage, CameraUnavailable

_TIMEOUT = 10.0
_MAX_PART = 32 << 20
_MAX_HEAD = 8192
_REDIRECTS = 3
_PAUSE = 0.2
"""Seconds between pictures of a camera that gives one per request."""
_AS_IT_IS = "/%?=&:;@+,!$'()*~[]"
_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,200})"?', re.IGNORECASE)


class MjpegCamera:
    """A camera on the network that speaks HTTP. ``?...`` belongs to the camera and is sent as it is."""

    patient = False

    def __init__(self, url: CameraUrl) -> None:
        self._url = url
        self._stop = threading.Event()
        self._socket: socket.socket | None = None
        self._boundary: bytes | None = None
        self._buffer = bytearray()
        self._begun = False
        self._until = 0.0
        self._response = self._ask(url.text)
        kind = self._response.headers.get("Content-Type", "")
        if kind.lower().startswith("multipart/"):
            found = _BOUNDARY.search(kind)
            if found is None:
                raise self._failed("its multipart answer names no boundary")
            self._boundary = found[1].removeprefix("--").encode("latin-1", "replace")
        elif not kind.lower().startswith("image/"):
            raise self._failed(f"it answers with {kind[:100] or 'something unnamed'}, not with pictures")

    def read(self) -> tuple[Picture, str]:
        """The next picture. Raises CameraUnavailable, BadImage (a part that is none), EndOfPictures (closed)."""
        try:
            data = self._checked(self._single() if self._boundary is None else self._part(self._boundary))
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            if self._stop.is_set():
                raise EndOfPictures from None
            if isinstance(error, BadImage | CameraUnavailable):
                raise
            raise self._failed(str(error) or type(error).__name__) from error
        return data, str(self._url)

    def close(self) -> None:
        """Hang up; ends a ``read`` of another thread."""
        self._stop.set()
        self._hang_up()
        with suppress(OSError, ValueError, AttributeError):  # another thread may be closing it just now
            self._response.close()

    def _hang_up(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # TLS's own would wait for the other side

    # --- HTTP ----------------------------------------------------------------------------------------------------

    def _ask(self, target: str) -> http.client.HTTPResponse:
        origin = urlsplit(target)[:2]
        for _ in range(_REDIRECTS + 1):
            response = self._request(target, trusted=urlsplit(target)[:2] == origin)
            if response.status not in (301, 302, 303, 307, 308):
                break
            target = urljoin(target, response.headers.get("Location", ""))
            response.close()
            if urlsplit(target).scheme not in ("http", "https"):
                raise self._failed("it redirects to something that is not HTTP")
        else:
            raise self._failed("it redirects again and again")
        if response.status in (401, 403):
            raise self._failed("it refuses; give its user and password: http://user:password@host/...")
        if response.status != 200:
            raise self._failed(f"it answers with {response.status} {response.reason[:100]}")
        return response

    def _request(self, target: str, *, trusted: bool) -> http.client.HTTPResponse:
        try:
            parts = urlsplit(target)
            host, port = parts.hostname or "", parts.port
            if parts.scheme == "https":
                context = ssl.create_default_context()
                connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                    host, port, timeout=_TIMEOUT, context=context
                )
            else:
                connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
            connection.connect()
            self._socket = connection.sock
            headers = {"Accept": "multipart/x-mixed-replace, image/jpeg"}
            if parts.username is not None and trusted:  # a redirect elsewhere does not get the password
                pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
                headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
            if self._stop.is_set():
                raise ValueError("it was closed")
            with self._patience():
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("GET", quote(target, safe=_AS_IT_IS), headers=headers)
                return connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failed(str(error)) from error

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Every single wait has an end by the socket; this is for one who drips the head of his answer."""
        timer = threading.Timer(_TIMEOUT, self._hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _failed(self, why: str) -> CameraUnavailable:
        return CameraUnavailable(redacted(f"{self._url} gives no pictures: {why}"))

    # --- pictures ------------------------------------------------------------------------------------------------

    def _single(self) -> bytes:
        if self._response.isclosed():
            self._stop.wait(_PAUSE)
            self._response = self._ask(self._url.text)
        self._until = time.monotonic() + _TIMEOUT
        self._buffer.clear()
        announced = self._response.length
        if announced is not None and announced > _MAX_PART:
            raise self._failed(f"it announces a picture of {announced} bytes")
        while len(self._buffer) <= _MAX_PART and self._more():
            pass
        self._response.close()
        if announced is not None and len(self._buffer) < announced:
            raise self._failed("it hung up within a picture")
        return bytes(self._buffer)

    def _part(self, boundary: bytes) -> bytes:
        """One part of a multipart answer. A part without a length ends where the next begins."""
        self._until = time.monotonic() + _TIMEOUT
        mark = b"--" + boundary
        while not self._begun:
            line = self._line()
            if line.strip() == mark + b"--":
                raise self._failed("it has ended the stream")
            self._begun = line.strip() == mark
        length = self._length()
        self._begun = False
        if length is not None:
            return self._take(length)
        end = self._find(b"\r\n" + mark)
        data = self._take(end)
        self._take(2)
        return data

    def _length(self) -> int | None:
        """Read a part's headers; the length of its body, if they say so."""
        length = None
        for _ in range(64):
            line = self._line().strip()
            if not line:
                return length
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
                if not 0 < length <= _MAX_PART:
                    raise self._failed(f"it announces a picture of {length} bytes")
        raise self._failed("a picture has too many headers")

    def _line(self) -> bytes:
        end = self._find(b"\n", _MAX_HEAD) + 1
        return self._take(end)

    def _find(self, mark: bytes, limit: int = _MAX_PART) -> int:
        """Where ``mark`` is in what arrives, waiting for it."""
        start = 0
        while (place := self._buffer.find(mark, start)) < 0:
            if len(self._buffer) > limit:
                raise self._failed("a picture does not end")
            start = max(0, len(self._buffer) - len(mark))
            self._fill()
        return place

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _fill(self) -> None:
        """Some more bytes; there must be some."""
        if not self._more():
            raise self._failed("it hung up")

    def _more(self) -> bool:
        """Some more bytes, if there are any. A camera that drips them for longer than the limit is none."""
        if time.monotonic() > self._until:
            raise self._failed(f"no whole picture for {_TIMEOUT:g} s")
        piece = self._response.read1(1 << 16)
        self._buffer += piece
        return bool(piece)

    def _checked(self, data: bytes) -> bytes:
        if len(data) > _MAX_PART:
            raise self._failed("a picture is too large")
        if data[:2] != b"\xff\xd8" and data[:4] != b"\x89PNG":
            raise BadImage(f"{self._url} gave {len(data)} bytes that are no JPEG; the next may be one")
        return data

"""``fake://``: a camera for demonstrations and tests, shipped. Options in the query:

``fps`` (default 5; 0: as fast as they are taken), ``count`` (then it ends), ``width``, ``height``, ``folder`` (shows
its pictures in turn, by name) and ``fault``: ``black``, ``corrupt``, ``sizes`` (another size every time), ``gone``
(away after every tenth picture) or ``missing``.
"""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.camera.base import EndOfPictures, Picture
from edge.camera.urls import CameraUrl
from edge.errors import CameraUnavailable, InvalidArgument
from edge.image import SUFFIXES

FAULTS = ("", "black", "corrupt", "sizes", "gone", "missing")


class FakeCamera:
    """A disc that wanders over a changing background, as JPEG; or a folder's pictures."""

    def __init__(self, url: CameraUrl) -> None:
        url.only("fps", "count", "width", "height", "folder", "fault")
        self._url = url
        fps = url.number("fps", 5, 0, 1000)
        self.patient = fps == 0
        self._interval = 1 / fps if fps else 0.0
        self._count = int(url.number("count", 0, 0, 1e9))
        self._size = (int(url.number("height", 240, 8, 4320)), int(url.number("width", 320, 8, 7680)))
        self._fault = url.options.get("fault", "")
        if self._fault not in FAULTS:
            raise InvalidArgument(f"fault={self._fault} of a fake camera is none of {', '.join(FAULTS[1:])}")
        self._files = _files(url.options["folder"]) if "folder" in url.options else []
        self._stop = threading.Event()
        self._given = 0
        self._due = time.monotonic()
        if self._fault == "missing":
            raise CameraUnavailable(f"{url} is not there, as was asked of it")

    def read(self) -> tuple[Picture, str]:
        """The next picture when it is due. Raises EndOfPictures after ``count``, CameraUnavailable (its fault)."""
        if self._count and self._given >= self._count:
            raise EndOfPictures
        wait = self._due - time.monotonic()
        if self._stop.wait(max(wait, 0)):
            raise EndOfPictures
        self._due = max(self._due + self._interval, time.monotonic() - 1)
        self._given += 1
        if self._fault == "gone" and self._given % 11 == 0:
            raise CameraUnavailable(f"{self._url} was unplugged, as was asked of it")
        return self._picture(self._given)

    def close(self) -> None:
        """Ends a ``read`` that waits."""
        self._stop.set()

    def _picture(self, number: int) -> tuple[Picture, str]:
        if self._fault == "corrupt" and number % 2:
            return b"\xff\xd8 this is no picture", str(self._url)
        if self._files and self._fault == "":
            file = self._files[(number - 1) % len(self._files)]
            return file.read_bytes(), str(file)
        height, width = self._size
        if self._fault == "sizes":
            height, width = height + 8 * (number % 7), width + 8 * (number % 5)
        return encoded(scene(number, height, width, black=self._fault == "black")), str(self._url)


def scene(number: int, height: int, width: int, *, black: bool = False) -> NDArray[np.uint8]:
    """(height, width, 3) uint8: the picture of a number, always the same."""
    if black:
        return np.zeros((height, width, 3), np.uint8)
    y, x = np.ogrid[0:height, 0:width]
    picture = np.empty((height, width, 3), np.uint8)
    picture[..., 0] = 60 + 60 * x / width
    picture[..., 1] = 70 + 50 * y / height
    picture[..., 2] = 90
    angle = number / 12
    centre_y, centre_x = height * (0.5 + 0.3 * np.sin(angle)), width * (0.5 + 0.3 * np.cos(angle))
    disc = (y - centre_y) ** 2 + (x - centre_x) ** 2 < (min(height, width) / 6) ** 2
    picture[disc] = (220, 60, 50)
    return picture


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    """An array as JPEG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=85)
    return out.getvalue()


def _files(folder: str) -> list[Path]:
    files = sorted(one for one in Path(folder).rglob("*") if one.suffix.lower() in SUFFIXES) if folder else []
    if not files:
        raise InvalidArgument(f"there are no pictures in {folder!r} for the fake camera to show")
    return files

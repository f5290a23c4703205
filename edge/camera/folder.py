"""``folder:///incoming``: every picture that is put into a folder, once, in the order they came.

A file counts when it is complete: its size and time did not change between two looks, and it ends as its format does
or has rested for two seconds. What was looked at is remembered by its place, time and size, in memory: a restart begins
with what comes then (``?existing=1``: with what is there).
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from edge.camera.base import EndOfPictures, Picture
from edge.camera.urls import CameraUrl
from edge.errors import BadImage, CameraUnavailable
from edge.image import DEFAULT_LIMITS, SUFFIXES

_POLL = 0.25
_REST = 2.0
_MOST = 100_000
_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND\xaeB`\x82"}

Facts = tuple[int, int, int]


class FolderCamera:
    """New pictures of a folder. Symbolic links are not followed."""

    patient = True

    def __init__(self, url: CameraUrl) -> None:
        url.only("existing")
        self._folder = Path(url.path)
        self._stop = threading.Event()
        self._seen: dict[str, Facts] = {}
        self._waiting: dict[str, tuple[Facts, float]] = {}
        there = self._look()
        if url.options.get("existing", "0") not in ("1", "true", "yes"):
            self._seen = there

    def read(self) -> tuple[Picture, str]:
        """The next complete picture. Raises CameraUnavailable (the folder is gone), BadImage (too large)."""
        while not self._stop.is_set():
            found = self._look()
            self._seen = {name: facts for name, facts in self._seen.items() if name in found}
            fresh = {name: facts for name, facts in found.items() if self._seen.get(name) != facts}
            self._waiting = {name: was for name, was in self._waiting.items() if name in fresh}
            for name in sorted(fresh, key=lambda one: (fresh[one][1], one)):
                if self._complete(name, fresh[name]):
                    self._seen[name] = fresh[name]
                    self._waiting.pop(name, None)
                    return self._read(self._folder / name), str(self._folder / name)
            self._stop.wait(_POLL)
        raise EndOfPictures

    def close(self) -> None:
        """Ends a ``read`` that waits."""
        self._stop.set()

    def _look(self) -> dict[str, Facts]:
        found: dict[str, Facts] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or Path(entry.name).suffix.lower() not in SUFFIXES:
                        continue
                    if entry.is_file(follow_symlinks=False) and len(found) < _MOST:
                        facts = entry.stat(follow_symlinks=False)
                        found[entry.name] = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        except FileNotFoundError as error:
            raise CameraUnavailable(f"there is no folder {self._folder}; make it, or mount what it is on") from error
        except OSError as error:
            raise CameraUnavailable(f"the folder {self._folder} cannot be read ({error.strerror})") from error
        return found

    def _complete(self, name: str, facts: Facts) -> bool:
        was, since = self._waiting.get(name, (None, 0.0))
        if was != facts:
            self._waiting[name] = (facts, time.monotonic())
            return False
        return time.monotonic() - since >= _REST or self._ends(self._folder / name)

    @staticmethod
    def _ends(path: Path) -> bool:
        """Whether a file ends as its format says; False for formats that do not say."""
        try:
            with path.open("rb") as file:
                begin = file.read(2)
                wanted = _ENDS.get(begin)
                if wanted is None:
                    return False
                file.seek(-len(wanted), os.SEEK_END)
                return file.read() == wanted
        except OSError:
            return False

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            if path.stat().st_size > DEFAULT_LIMITS.max_bytes:
                raise BadImage(f"{path} is larger than {DEFAULT_LIMITS.max_bytes >> 20} MiB and was left out")
            return path.read_bytes()
        except OSError as error:
            raise BadImage(f"{path} cannot be read ({error.strerror}) and was left out") from error

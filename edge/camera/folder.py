"""``folder:///incoming``: every picture that is put into a folder, once, in the order they came.

A file counts when it is complete: its size and time did not change between two looks, and it ends as its format does
or has rested for two seconds. What was looked at is remembered by its place, time and size, in memory: a restart begins
with what comes then (``?existing=1``: with what is there). With ``?done=/seen`` every picture is moved to that folder
once it was taken: then a restart goes on where it was, and nothing that came meanwhile is missed.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from pathlib import Path

from edge.camera.base import EndOfPictures, Picture
from edge.camera.urls import CameraUrl
from edge.errors import BadImage, CameraUnavailable, InvalidArgument
from edge.image import DEFAULT_LIMITS, SUFFIXES

_POLL = 0.25
_REST = 2.0
_SHARE = 0.02
"""Of one core, at most, for looking through a folder whose own time says that nothing came."""
_MOST = 100_000
_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND\xaeB`\x82"}

Facts = tuple[int, int, int]


class FolderCamera:
    """New pictures of a folder. Symbolic links are not followed."""

    patient = True

    def __init__(self, url: CameraUrl) -> None:
        url.only("existing", "done")
        self._folder = Path(url.path)
        self._done = _done(url.options.get("done"), self._folder)
        self._stop = threading.Event()
        self._seen: dict[str, Facts] = {}
        self._waiting: dict[str, tuple[Facts, float]] = {}
        self._given: Path | None = None
        self._mark = -1
        self._next_look = 0.0
        there = self._look()
        if self._done is None and url.options.get("existing", "0") not in ("1", "true", "yes"):
            self._seen = there

    def read(self) -> tuple[Picture, str]:
        """The next complete picture. Raises CameraUnavailable (the folder is gone), BadImage (too large)."""
        self._put_away()
        while not self._stop.is_set():
            if self._waiting or self._changed():
                for name, facts in self._fresh():
                    if self._complete(name, facts):
                        return self._taken(name, facts), str(self._folder / name)
            self._stop.wait(_POLL)
        raise EndOfPictures

    def close(self) -> None:
        """Ends a ``read`` that waits."""
        self._stop.set()

    def _taken(self, name: str, facts: Facts) -> bytes:
        self._seen[name] = facts
        self._waiting.pop(name, None)
        self._mark = -1  # there may be more of them
        if self._done is not None:
            self._given = self._folder / name
        return self._read(self._folder / name)

    def _put_away(self) -> None:
        """Whoever took the last picture has it: move it out of the way."""
        given, self._given = self._given, None
        if given is None or self._done is None:
            return
        place = self._done / given.name
        for number in range(1, 10_000):
            if not place.exists():
                break
            place = self._done / f"{given.stem}-{number}{given.suffix}"
        try:
            try:
                given.rename(place)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.move(given, place)  # another disk
        except OSError as error:
            if not given.exists():
                return  # somebody else was faster
            raise CameraUnavailable(
                f"{given} cannot be moved to {self._done} ({error.strerror}); check permissions and room"
            ) from error

    def _changed(self) -> bool:
        """Whether a look is worth it: a folder's own time changes with what is put in, and costs one question."""
        try:
            mark = self._folder.stat().st_mtime_ns
        except OSError:
            return True  # the look says why
        before, self._mark = self._mark, mark
        return mark != before or time.monotonic() >= self._next_look  # a file may be written over, or go on

    def _fresh(self) -> list[tuple[str, Facts]]:
        began = time.monotonic()
        found = self._look()
        self._next_look = time.monotonic() + (time.monotonic() - began) / _SHARE
        self._seen = {name: facts for name, facts in self._seen.items() if name in found}
        fresh = {name: facts for name, facts in found.items() if self._seen.get(name) != facts}
        self._waiting = {name: was for name, was in self._waiting.items() if name in fresh}
        return sorted(fresh.items(), key=lambda one: (one[1][1], one[0]))

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
            # a link may have taken its place since it was looked at
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                data = file.read(DEFAULT_LIMITS.max_bytes + 1)
        except OSError as error:
            raise BadImage(f"{path} cannot be read ({error.strerror}) and was left out") from error
        if len(data) > DEFAULT_LIMITS.max_bytes:
            raise BadImage(f"{path} is larger than {DEFAULT_LIMITS.max_bytes >> 20} MiB and was left out")
        return data


def _done(text: str | None, folder: Path) -> Path | None:
    """Where pictures go once they were taken, made if it is not there. Raises InvalidArgument, CameraUnavailable."""
    if text is None:
        return None
    place = Path(text)
    if not text or place.resolve() == folder.resolve():
        raise InvalidArgument(f"done={text} must be another folder than {folder}; give one beside it")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CameraUnavailable(f"the folder {place} cannot be made ({error.strerror}); choose another") from error
    return place

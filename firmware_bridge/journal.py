"""Accepted triggers on disk: a TRIGGER is acknowledged once its line is durable, and open until its RESULT was taken.

One JSON line per event, appended and fsynced; a torn last line (a power cut) is left out. Rewritten when it has grown.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_REMEMBERED = 256
"""Answered triggers that are still known, so that one that comes again is not taken for a new one."""
_REWRITE = 10_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """A trigger that was accepted: the board's session, its id there, its source, and the board's time in ms."""

    nonce: int
    id: int
    source: int
    time: int

    @property
    def key(self) -> tuple[int, int]:
        return self.nonce, self.id


class Journal:
    """Triggers of one port. ``path`` None keeps them in memory only: then a killed host forgets them."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._open: OrderedDict[tuple[int, int], Accepted] = OrderedDict()
        self._answered: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._lines = 0
        self._file: IO[bytes] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._replay(path)
            self._rewrite(path)

    @property
    def open(self) -> list[Accepted]:
        """Triggers without an answer, the oldest first."""
        return list(self._open.values())

    def accept(self, trigger: Accepted) -> bool:
        """Whether it is new; durable when this returns. Raises OSError (the disk is full): then it is not accepted."""
        if trigger.key in self._open or trigger.key in self._answered:
            return False
        self._append({"accepted": [trigger.nonce, trigger.id, trigger.source, trigger.time]})
        self._open[trigger.key] = trigger
        return True

    def answer(self, nonce: int, id: int) -> None:
        """Its RESULT was taken, or the board no longer knows the trigger."""
        if self._open.pop((nonce, id), None) is None:
            return
        self._close((nonce, id))
        self._append({"answered": [nonce, id]})
        if self._path is not None and self._lines > _REWRITE:
            self._rewrite(self._path)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _close(self, key: tuple[int, int]) -> None:
        self._answered[key] = None
        while len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        place = self._file.tell()
        try:
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            with suppress(OSError):  # a full disk must not leave half a line in front of the next
                self._file.truncate(place)
                self._file.seek(place)
            raise
        self._lines += 1

    def _replay(self, path: Path) -> None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return
        for line in data.split(b"\n"):
            try:
                said = json.loads(line)
                if "accepted" in said:
                    one = Accepted(*map(int, said["accepted"]))
                    self._open[one.key] = one
                else:
                    nonce, id = map(int, said["answered"])
                    self._open.pop((nonce, id), None)
                    self._close((nonce, id))
            except (ValueError, TypeError, KeyError):
                continue

    def _rewrite(self, path: Path) -> None:
        lines = [{"answered": list(key)} for key in self._answered]
        lines += [{"accepted": [one.nonce, one.id, one.source, one.time]} for one in self._open.values()]
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        self.close()
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._file = path.open("r+b")
        self._file.seek(0, os.SEEK_END)
        self._lines = len(lines)

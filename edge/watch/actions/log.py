"""``log`` and ``log:FILE``: a JSON line per event."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

from edge.errors import StoreUnavailable
from edge.watch.actions import QuietAction, worth_saying
from edge.watch.base import Event
from edge.watch.specs import Spec

_KEEP = 3


class LogAction(QuietAction):
    """Writes to standard output, or to a file that is put aside when it has grown to ``size`` (three are kept)."""

    name = "log"

    def __init__(self, spec: Spec, context: Any = None) -> None:  # noqa: ARG002
        spec.only("always", "size")
        self._path = Path(spec.rest).expanduser() if spec.rest else None
        self._always = spec.options.get("always", "1") not in ("0", "no", "false")
        self._size = spec.bytes("size", 10_000_000)
        self._file: int | None = None

    def check(self) -> str:
        """Where lines go. Raises StoreUnavailable when they cannot be written there; makes nothing."""
        if self._path is None:
            return "a JSON line per event on standard output"
        there = self._path
        if not there.exists():
            there = next(one for one in there.parents if one.exists())
        fits = there.is_dir() if there is not self._path else not there.is_dir() and not there.is_fifo()
        if not fits or not os.access(there, os.W_OK):
            raise StoreUnavailable(f"{self._path} cannot be written; choose another, or check the rights of {there}")
        return f"a JSON line per event in {self._path}"

    def act(self, event: Event) -> bool:
        """Write a line. Raises StoreUnavailable."""
        if not self._always and not worth_saying(event):
            return False
        line = json.dumps(event.document(), ensure_ascii=False) + "\n"
        if self._path is None:
            sys.stdout.write(line)
            sys.stdout.flush()
            return True
        try:
            self._write(line.encode("utf-8", "replace"))
        except OSError as error:
            self.close(0)
            raise StoreUnavailable(f"{self._path} cannot be written ({error.strerror}); make room") from error
        return True

    def close(self, seconds: float) -> None:  # noqa: ARG002
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, line: bytes) -> None:
        """A whole line or none: half a one would spoil the next, too."""
        file = self._open()
        before = os.fstat(file).st_size
        if before and before + len(line) > self._size:
            self._rotate()
            file, before = self._open(), 0
        if (written := os.write(file, line)) < len(line):
            if stat.S_ISREG(os.fstat(file).st_mode):
                os.ftruncate(file, os.fstat(file).st_size - written)
            raise OSError(28, os.strerror(28))

    def _open(self) -> int:
        """The file; another one than before if somebody has put that aside, or deleted it."""
        assert self._path is not None
        if self._file is not None and not _is(self._path, self._file):
            self.close(0)
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe nobody reads
            self._file = os.open(self._path, flags, 0o666)
        return self._file

    def _rotate(self) -> None:
        assert self._path is not None
        self.close(0)
        for number in range(_KEEP - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))


def _is(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False

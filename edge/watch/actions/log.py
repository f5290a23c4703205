"""``log`` and ``log:FILE``: a JSON line per event."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, Any

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
        self._file: IO[str] | None = None

    def check(self) -> str:
        """Where lines go. Raises StoreUnavailable when they cannot be written there."""
        if self._path is None:
            return "a JSON line per event on standard output"
        self._open()
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
        file = self._open()
        try:
            if file.tell() + len(line) > self._size and file.tell():
                file = self._rotate()
            file.write(line)
            file.flush()
        except OSError as error:
            self._file = None
            raise StoreUnavailable(f"{self._path} cannot be written ({error.strerror}); make room") from error
        return True

    def close(self, seconds: float) -> None:  # noqa: ARG002
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> IO[str]:
        assert self._path is not None
        if self._file is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("a", encoding="utf-8")
            except OSError as error:
                raise StoreUnavailable(f"{self._path} cannot be written ({error.strerror}); choose another") from error
        return self._file

    def _rotate(self) -> IO[str]:
        assert self._path is not None and self._file is not None
        self._file.close()
        self._file = None
        for number in range(_KEEP - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        return self._open()

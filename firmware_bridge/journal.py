"""Accepted triggers on disk: a TRIGGER is acknowledged once its line is durable, and open until its RESULT was taken.

One JSON line per event, appended and fsynced; a torn last line (a power cut) is left out. Rewritten when it has grown,
and after an append that failed: the kernel does not say which pages of a failed fsync are on the disk.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """Triggers of one port. ``path`` None keeps them in memory only: then a killed host forgets them.

    Raises OSError when the file cannot be read or written, or when another program keeps it: two would overwrite each
    other's triggers. ``sync``: what makes a file or a folder durable.
    """

    def __init__(self, path: Path | None, *, sync: Callable[[int], None] = os.fsync) -> None:
        self._path, self._sync = path, sync
        self._open: OrderedDict[tuple[int, int], Accepted] = OrderedDict()
        self._answered: OrderedDict[tuple[int, int], Accepted | None] = OrderedDict()
        self._lines = 0
        self._file: int | None = None
        self._lock: int | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path)
            try:
                self._begin(path)
            except BaseException:
                self.close()
                raise

    @property
    def open(self) -> list[Accepted]:
        """Triggers without an answer, the oldest first."""
        return list(self._open.values())

    @property
    def waiting(self) -> int:
        """How many triggers are open."""
        return len(self._open)

    def __contains__(self, key: tuple[int, int]) -> bool:
        """Whether the trigger (nonce, id) is open."""
        return key in self._open

    def accept(self, trigger: Accepted) -> bool:
        """Whether it is new; durable when this returns. Raises OSError (the disk is full): then it is not accepted."""
        if self.knows(trigger):
            return False
        self._append({"accepted": [trigger.nonce, trigger.id, trigger.source, trigger.time]})
        self._open[trigger.key] = trigger
        return True

    def knows(self, trigger: Accepted) -> bool:
        """Whether it was accepted before. One that was answered comes again with the time it had: another time is that
        of another trigger, of a board whose counter of starts was erased."""
        return trigger.key in self._open or self._answered.get(trigger.key, _NEVER) in (trigger, None)

    def answer(self, nonce: int, id: int) -> None:
        """Its RESULT was taken, or the board no longer knows the trigger. Raises OSError when that could not be noted:
        a later process hands it out once more, and the board says then that it has its answer."""
        one = self._open.pop((nonce, id), None)
        if one is None:
            return
        self._close((nonce, id), one)
        self._append(_answered((nonce, id), one))
        if self._path is not None and self._lines > _REWRITE:
            self._rewrite(self._path)

    def close(self) -> None:
        """Close the file, and let another program have it."""
        self._drop_file()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _drop_file(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None

    def _close(self, key: tuple[int, int], one: Accepted | None) -> None:
        self._answered[key] = one
        self._answered.move_to_end(key)
        while len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)

    # --- the file ------------------------------------------------------------------------------------------------

    def _append(self, line: dict[str, Any]) -> None:
        if self._path is None:
            return
        if self._lock is None:
            raise OSError(errno.EBADF, "the journal is closed")
        if self._file is None:
            self._rewrite(self._path)
        assert self._file is not None
        try:
            place = os.lseek(self._file, 0, os.SEEK_END)
            try:
                _write(self._file, json.dumps(line).encode() + b"\n")
                self._sync(self._file)
            except OSError:
                with suppress(OSError):  # a full disk must not leave half a line in front of the next
                    os.ftruncate(self._file, place)
                raise
        except OSError:
            self._drop_file()
            raise
        self._lines += 1

    def _begin(self, path: Path) -> None:
        self._replay(path)
        try:
            self._rewrite(path)
        except OSError:  # the disk is full: what there is can be read, and goes on where its last whole line ends
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            os.ftruncate(self._file, path.read_bytes().rfind(b"\n") + 1)

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
                    nonce, id, *more = map(int, said["answered"])
                    self._open.pop((nonce, id), None)
                    self._close((nonce, id), Accepted(nonce, id, *more) if more else None)
            except (ValueError, TypeError, KeyError):
                continue

    def _rewrite(self, path: Path) -> None:
        """A new file of what is known. On failure the old one stays, and the next append tries again."""
        lines = [_answered(key, one) for key, one in self._answered.items()]
        lines += [{"accepted": [one.nonce, one.id, one.source, one.time]} for one in self._open.values()]
        temporary = path.with_suffix(".tmp")
        self._drop_file()
        file = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            _write(file, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            self._sync(file)
            temporary.replace(path)
            self._sync_folder(path.parent)
        except BaseException:
            os.close(file)
            raise
        self._file, self._lines = file, len(lines)

    def _sync_folder(self, path: Path) -> None:
        folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._sync(folder)
        finally:
            os.close(folder)


_NEVER = Accepted(0, 0, 0, 0)


def _answered(key: tuple[int, int], one: Accepted | None) -> dict[str, list[int]]:
    return {"answered": [*key, one.source, one.time] if one is not None else list(key)}


def _write(file: int, data: bytes) -> None:
    while data:  # a disk that fills takes the first half
        data = data[os.write(file, data) :]


def _locked(path: Path) -> int:
    """A descriptor that holds the lock until it is closed, also by the death of the process."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise OSError(
            errno.EBUSY, f"another program keeps {path}; end that one, or give this one a journal of its own"
        ) from None
    except OSError:  # a file system without locks
        pass
    return lock

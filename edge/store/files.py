"""Files that survive a power cut: written under a temporary name, fsynced, renamed, and the folder fsynced."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

TEMPORARY = ".tmp-"


def write_durably(path: Path, data: bytes) -> None:
    """``path`` holds all of ``data`` or what it held before, whatever happens; durable on return."""
    make_folder(path.parent)
    stage(path, data)
    sync_folders([path.parent])


def stage(path: Path, data: bytes) -> None:
    """Like ``write_durably`` without the folder's fsync, for batches that sync their folders once."""
    handle, name = mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def make_folder(path: Path) -> None:
    """Make a folder whose existence survives a power cut too."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    sync_folders(one.parent for one in reversed(missing))


def sync_folders(folders: Iterable[Path]) -> None:
    """fsync folders, so that the names inside are durable."""
    for folder in dict.fromkeys(folders):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def locked(path: Path, *, wait: bool, shared: bool = False) -> Iterator[bool]:
    """Hold a lock on a file, exclusive unless ``shared``; yields whether it was obtained.

    The kernel frees it when a process dies.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def hold_shared(path: Path) -> int:
    """A descriptor that holds a shared lock on a file; a process that inherits it holds the lock too."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    except BaseException:
        os.close(handle)
        raise
    return handle

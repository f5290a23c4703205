"""Files that survive a power cut: written under a temporary name, fsynced, renamed, and the folder fsynced."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = ".tmp-"


def write_durably(path: Path, data: bytes, mode: int = 0o666) -> None:
    """``path`` holds all of ``data`` or what it held before, whatever happens; durable on return.

    ``mode``: who may read and write it, from its first byte on and less the umask.
    """
    make_folder(path.parent)
    stage(path, data, mode)
    sync_folders([path.parent])


def stage(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Like ``write_durably`` without the folder's fsync, for batches that sync their folders once."""
    temporary = path.with_name(f"{TEMPORARY}{os.urandom(8).hex()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def make_folder(path: Path) -> None:
    """Make a folder whose existence survives a power cut, also when another process made it a moment ago."""
    missing = [one for one in path.parents if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    sync_folders([*(one.parent for one in reversed(missing)), path.parent])


def sync_folders(folders: Iterable[Path]) -> None:
    """fsync folders, so that the names inside are durable."""
    for folder in dict.fromkeys(folders):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that know no such thing
                raise
        finally:
            os.close(handle)


@contextmanager
def locked(path: Path, *, wait: bool, shared: bool = False) -> Iterator[bool]:
    """Hold a lock on a file, exclusive unless ``shared``; yields whether it was obtained.

    The kernel frees it when a process dies.
    """
    handle = _lock_file(path)
    try:
        yield _flock(handle, shared=shared, wait=wait)
    finally:
        os.close(handle)


def hold_shared(path: Path) -> int:
    """A descriptor that holds a shared lock on a file; a process that inherits it holds the lock too."""
    handle = _lock_file(path)
    try:
        _flock(handle, shared=True, wait=True)
    except BaseException:
        os.close(handle)
        raise
    return handle


def make_exclusive(handle: int) -> bool:
    """Turn a shared lock into an exclusive one if nobody else holds it; if somebody does, it may be gone."""
    return _flock(handle, shared=False, wait=False)


def _lock_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _flock(handle: int, *, shared: bool, wait: bool) -> bool:
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True

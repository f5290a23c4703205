"""A folder or a stick as a remote: every object whole and durable, also without hard links and after a power cut.

Everything is opened relative to the root's own descriptor: when a stick is pulled out, requests fail; they never fill
the empty folder that it was mounted on.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import ClassVar

from edge.errors import Conflict, EdgeError, NotFound, RemoteRefused, RemoteUnavailable
from edge.sync.remotes.base import PAGE, Object, checked, in_folder, is_key

_UNFINISHED = ".tmp"
_LOCK = ".lock"
_STALE_SECONDS = 3600
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EMLINK)
_GONE = (errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESTALE, errno.EIO, errno.ESHUTDOWN)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


class FolderRemote:
    """``root`` must be there: it is never made, for it may be where a stick is not mounted."""

    writable: ClassVar[bool] = True
    lists: ClassVar[bool] = True

    def __init__(self, root: Path) -> None:
        self.shown = str(root)
        self.longest = math.inf
        with self._translated():
            try:
                self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise RemoteRefused(f"there is no folder {root}; mount the stick, or make the folder") from error

    def get(self, key: str, *, start: int = 0, limit: int | None = None) -> bytes:
        """As ``Remote.get``."""
        with self._translated(key):
            handle = os.open(checked(key), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._root)
            with os.fdopen(handle, "rb") as file:
                file.seek(start)
                return file.read() if limit is None else file.read(limit)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> None:
        """As ``Remote.put``."""
        with self._translated(key):
            if if_absent and self._there(checked(key)):
                raise Conflict(f"{self.shown} has {key} already; nothing was changed")
            self._make_folders(checked(key))
            unfinished = self._write(data)
            try:
                if if_absent:
                    self._name(unfinished, key)
                else:
                    os.rename(unfinished, key, src_dir_fd=self._root, dst_dir_fd=self._root)
            except BaseException:
                with suppress(OSError):
                    os.unlink(unfinished, dir_fd=self._root)
                raise
            self._sync(key.rpartition("/")[0], _UNFINISHED)

    def page(self, prefix: str, *, after: str = "") -> list[Object]:
        """As ``Remote.page``, without stamps: file systems of sticks know times to two seconds only."""
        with self._translated():
            return list(islice(self._walk(in_folder(prefix)[:-1], after), PAGE))

    def head(self, key: str) -> Object:
        """As ``Remote.head``."""
        with self._translated(key):
            return Object(key, os.stat(checked(key), dir_fd=self._root, follow_symlinks=False).st_size)

    def delete(self, key: str) -> None:
        """As ``Remote.delete``."""
        with self._translated(key), suppress(FileNotFoundError):
            os.unlink(checked(key), dir_fd=self._root)
            self._sync(key.rpartition("/")[0])

    def close(self) -> None:
        """Let go of the folder, so that the stick can be taken out."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    # --- writing -------------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> str:
        """All of an object, durable but for its name."""
        with suppress(FileExistsError):
            os.mkdir(_UNFINISHED, dir_fd=self._root)
            self._sync("")
        name = f"{_UNFINISHED}/{os.urandom(8).hex()}"
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=self._root)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                os.unlink(name, dir_fd=self._root)
            raise
        return name

    def _name(self, unfinished: str, key: str) -> None:
        """Give a written file its name unless that is taken. Raises Conflict."""
        taken = Conflict(f"{self.shown} has {key} already; nothing was changed")
        try:
            os.link(unfinished, key, src_dir_fd=self._root, dst_dir_fd=self._root)
        except FileExistsError:
            raise taken from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        else:
            os.unlink(unfinished, dir_fd=self._root)
            return
        # FAT: one machine has the stick, so a lock that the kernel frees with its process is enough
        handle = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666, dir_fd=self._root)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if self._there(key):
                raise taken
            os.rename(unfinished, key, src_dir_fd=self._root, dst_dir_fd=self._root)
        finally:
            os.close(handle)

    def _make_folders(self, key: str) -> None:
        """The folders above a key, durable; also when another process made one a moment ago."""
        steps = key.split("/")[:-1]
        folders = ["/".join(steps[: count + 1]) for count in range(len(steps))]
        if not folders or self._there(folders[-1]):
            return
        for folder in folders:
            with suppress(FileExistsError):
                os.mkdir(folder, dir_fd=self._root)
            self._sync(folder.rpartition("/")[0])

    def _sync(self, *folders: str) -> None:
        for folder in folders:
            handle = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root)
            try:
                os.fsync(handle)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that know no such thing
                    raise
            finally:
                os.close(handle)

    def sweep(self) -> int:
        """Take away what interrupted writes left more than an hour ago; returns how many files."""
        limit, swept = time.time() - _STALE_SECONDS, 0
        with self._translated(), suppress(FileNotFoundError), self._entries(_UNFINISHED) as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_mtime < limit:
                    os.unlink(f"{_UNFINISHED}/{entry.name}", dir_fd=self._root)
                    swept += 1
        return swept

    # --- reading -------------------------------------------------------------------------------------------------

    def _there(self, path: str) -> bool:
        try:
            os.stat(path, dir_fd=self._root, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def _entries(self, folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._root)
        try:
            with os.scandir(handle) as entries:
                yield entries
        finally:
            os.close(handle)

    def _walk(self, folder: str, after: str) -> Iterator[Object]:
        """Objects in the order of their keys; folders that lie before ``after`` are not opened."""
        try:
            with self._entries(folder) as entries:
                names = [
                    (f"{folder}/{one.name}", one.is_dir(follow_symlinks=False), one.is_symlink()) for one in entries
                ]
        except FileNotFoundError:
            return
        known = [(path + "/" if is_folder else path, is_folder) for path, is_folder, link in names if not link]
        for path, is_folder in sorted(known):
            if not is_key(path.removesuffix("/")):
                continue
            if is_folder and (path > after or after.startswith(path)):
                yield from self._walk(path[:-1], after)
            elif not is_folder and path > after:
                with suppress(FileNotFoundError):  # somebody took it away meanwhile
                    yield Object(path, os.stat(path, dir_fd=self._root, follow_symlinks=False).st_size)

    @contextmanager
    def _translated(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except EdgeError:
            raise
        except OSError as error:
            raise self._said(error, key) from error

    def _said(self, error: OSError, key: str) -> EdgeError:
        where = self.shown
        if error.errno == errno.EBADF:
            return RemoteRefused(f"{where} was closed; open it again")
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP) and key:
            return NotFound(f"{where} has no {key}")
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return RemoteRefused(f"{where} is full; make room there and sync again, what is there stays")
        if error.errno in _GONE:
            return RemoteRefused(f"{where} is gone ({error.strerror}); put the stick back in and sync again")
        if error.errno in _FORBIDDEN:
            return RemoteRefused(f"{where} cannot be written or read ({error.strerror}); check how it is mounted")
        return RemoteUnavailable(f"{where} cannot be used now ({error.strerror}); try again")

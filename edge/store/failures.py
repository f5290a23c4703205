"""SQLite's and the file system's failures, said so that they end with what to do next."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from edge.errors import EdgeError, InvalidArgument, StoreCorrupt, StoreUnavailable

_FULL = "the disk is full; free some space and try again, nothing was changed"


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's and the file system's failures into errors that say what to do next."""
    try:
        yield
    except EdgeError:
        raise
    except sqlite3.Error as error:
        raise _sqlite_error(error) from error
    except OSError as error:
        raise _os_error(error) from error
    except UnicodeEncodeError as error:  # what a command line makes of bytes that are not UTF-8
        raise InvalidArgument(f"{error.object!r} is not valid Unicode; give another name") from error
    except OverflowError as error:
        raise InvalidArgument("a number is too large for the store; give a smaller one") from error


@contextmanager
def parsed(what: str) -> Iterator[None]:
    """A stored value that cannot be read back is damage, not a programming error."""
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise StoreCorrupt(
            f"{what} cannot be read ({error}); restore a copy of the folder, or run edge doctor"
        ) from error


def busy(error: BaseException) -> bool:
    """Whether an error means that another process held the store for too long."""
    return _code(error.__cause__ or error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extension, which says where it happened


def _sqlite_error(error: sqlite3.Error) -> EdgeError:
    code, text = _code(error), str(error)
    if code == sqlite3.SQLITE_FULL:
        return StoreUnavailable(_FULL)
    if code == sqlite3.SQLITE_READONLY:
        return StoreUnavailable("the store is read-only; make it writable and try again")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreUnavailable("another process holds the store; wait for it to finish and try again")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreCorrupt(f"store.sqlite is damaged ({text}); restore a copy of the folder, or start a new store")
    if "closed database" in text:
        return StoreUnavailable("the store is closed; open it again")
    return StoreUnavailable(f"the store cannot be used ({text}); check the disk, its free space and run edge doctor")


def _os_error(error: OSError) -> EdgeError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreUnavailable(_FULL)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreUnavailable(f"no access to {error.filename or 'the store'}; check its permissions and mount")
    return StoreUnavailable(f"the store cannot be used ({error}); check the disk and run edge doctor")

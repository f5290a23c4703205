"""The SQLite file: how it is opened, migrated, and shared between threads and processes."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.errors import StoreCorrupt, StoreTooNew, StoreUnavailable
from edge.store.failures import translated
from edge.store.files import sync_folders
from edge.store.schema import APPLICATION_ID, MIGRATIONS, statements

_BUSY_MS = 30_000
Row = tuple[Any, ...]


class _Held:
    """A connection that closes when its thread has ended: a server's threads come and go for months."""

    def __init__(self, connection: sqlite3.Connection, facts: tuple[int, ...] | None) -> None:
        self.connection = connection
        self.facts = facts  # of the file as it was, where it is read without locks

    def __del__(self) -> None:
        self.connection.close()


# What a forked process inherits must never be used nor closed there; kept here, nothing collects it.
_inherited: list[object] = []


class Database:
    """One SQLite file in WAL mode with ``synchronous=FULL``; a connection per thread, closed together."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self._start()
        with translated():
            try:
                self._migrate()
                self._anchor = self._local.held  # while it is open nobody takes the log away
            except BaseException:
                self.close()
                raise

    def _start(self) -> None:
        self._process = os.getpid()
        self._local = threading.local()
        self._all: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._guard = threading.Lock()
        self._closed = False
        self._named = False

    # --- connections ---------------------------------------------------------------------------------------------

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection. Raises StoreUnavailable when the store was closed."""
        if self._process != os.getpid():
            _inherited.append((self._local, self._all, list(self._all), self.__dict__.pop("_anchor", None)))
            closed = self._closed
            self._start()
            self._closed = closed
        if self._closed:
            raise StoreUnavailable("the store is closed; open it again")
        held: _Held | None = getattr(self._local, "held", None)
        if held is None or (held.facts is not None and held.facts != self._facts()):
            held = self._local.held = self._connect()
            with self._guard:
                self._all.add(held)
        return held.connection

    def _connect(self) -> _Held:
        connection, facts = self._opened("ro" if self.read_only else "rwc"), None
        try:
            if not self.read_only:
                self._use_log(connection)
            elif not _readable(connection):
                connection.close()
                facts = self._facts()
                connection = self._opened_unchanging()
            # NORMAL loses acknowledged rows in a power cut, the rollback journal does so even with FULL
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")  # a store may come from a stranger's card
        except BaseException:
            connection.close()
            raise
        return _Held(connection, facts)

    def _opened(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
        )
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        return connection

    def _use_log(self, connection: sqlite3.Connection) -> None:
        """Two processes that switch the same new file to its log at once fail with "locked": one at a time."""
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        finally:
            os.close(folder)
        if mode != "wal":
            raise StoreUnavailable(f"the disk under {self.path.parent} cannot share a store; choose a local one")

    def _opened_unchanging(self) -> sqlite3.Connection:
        """On a medium nobody can write to there is no log to share: read the file as it lies there.

        Should somebody else change it after all, it is opened again. Raises StoreUnavailable when a log is left that
        cannot be read without writing.
        """
        log = self.path.with_name(self.path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise StoreUnavailable(
                f"{self.path.parent} was not closed cleanly and cannot be written; copy the folder to a disk that can"
            )
        return self._opened("ro&immutable=1")

    def _facts(self) -> tuple[int, ...]:
        facts = self.path.stat()
        log = self.path.with_name(self.path.name + "-wal")
        return facts.st_mtime_ns, facts.st_size, facts.st_ino, log.stat().st_size if log.exists() else 0

    def close(self) -> None:
        """Close every thread's connection; the last one to close checkpoints the log."""
        self._closed = True
        if self._process != os.getpid():
            return
        with self._guard:
            for held in list(self._all):
                held.connection.close()

    # --- schema --------------------------------------------------------------------------------------------------

    def _migrate(self) -> None:
        version = self._version(self.connection)
        if version == len(MIGRATIONS):
            return
        if self.read_only:
            raise StoreUnavailable(f"{self.path.parent} must be updated and is read-only; make it writable once")
        with self.write() as connection:
            for script in MIGRATIONS[self._version(connection) :]:  # another process may have been faster
                for statement in statements(script):
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION_ID and (application or version or tables):
            raise StoreCorrupt(f"{self.path} belongs to another program; choose another folder")
        if version > len(MIGRATIONS):
            raise StoreTooNew(
                f"{self.path.parent} was written by a newer release; update with: pip install -U edge-concepts"
            )
        return version

    # --- use -----------------------------------------------------------------------------------------------------

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        with translated():
            return self.connection.execute(statement, values).fetchall()

    def row(self, statement: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        with translated():
            found: Row | None = self.connection.execute(statement, values).fetchone()
            return found

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that is durable when the block ends, and never happened when it raises."""
        if self.read_only:
            where = self.path.parent
            raise StoreUnavailable(
                f"the store {where} is open read-only; make it writable or free some space, reopen it"
            )
        with translated():
            connection = self.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                if not self._named:
                    # whoever made the file and its log may have died before their names were durable
                    sync_folders([self.path.parent])
                    self._named = True
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Several reads that see one moment of the store. May be nested, also inside ``write``."""
        with translated():
            connection = self.connection
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

    def moment(self) -> tuple[int, int, int]:
        """Differs from an earlier one of this thread if anybody has changed the store in between; microseconds."""
        with translated():
            connection = self.connection
            return id(connection), connection.execute("PRAGMA data_version").fetchone()[0], connection.total_changes


def _readable(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError:
        return False
    return True

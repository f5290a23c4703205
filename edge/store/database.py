"""The SQLite file: how it is opened, migrated, shared between processes, and how its failures are said."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import EdgeError, StoreCorrupt, StoreTooNew, StoreUnavailable

APPLICATION_ID = 0x45444745  # "EDGE"
_BUSY_MS = 15_000

# Each entry takes the schema one version further; released entries are never edited.
MIGRATIONS = (
    """
    CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE inputs (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, media_type TEXT NOT NULL,
        size INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, source TEXT NOT NULL,
        added_at TEXT NOT NULL, metadata TEXT NOT NULL, removed_at TEXT);
    CREATE INDEX inputs_sha256 ON inputs (sha256);
    CREATE INDEX inputs_removed ON inputs (removed_at) WHERE removed_at IS NOT NULL;
    CREATE TABLE concepts (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL);
    CREATE TABLE annotations (
        input INTEGER NOT NULL REFERENCES inputs (number) ON DELETE CASCADE,
        concept INTEGER NOT NULL REFERENCES concepts (number),
        value INTEGER NOT NULL CHECK (value IN (0, 1)), by TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (input, concept)) WITHOUT ROWID;
    CREATE INDEX annotations_concept ON annotations (concept, input, value);
    CREATE TABLE embeddings (
        input INTEGER NOT NULL REFERENCES inputs (number) ON DELETE CASCADE, backbone TEXT NOT NULL,
        data BLOB NOT NULL, PRIMARY KEY (input, backbone));
    CREATE TABLE changes (
        number INTEGER PRIMARY KEY AUTOINCREMENT, input INTEGER NOT NULL, concept INTEGER NOT NULL,
        before INTEGER NOT NULL, after INTEGER NOT NULL, by TEXT NOT NULL, at TEXT NOT NULL);
    CREATE INDEX changes_input ON changes (input, concept, number);
    CREATE TABLE models (
        number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, concepts TEXT NOT NULL, exclusive INTEGER NOT NULL,
        closed INTEGER NOT NULL, created_at TEXT NOT NULL, pinned TEXT, trainings INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE versions (
        model INTEGER NOT NULL REFERENCES models (number) ON DELETE CASCADE, number INTEGER NOT NULL,
        status TEXT NOT NULL, reason TEXT, backbone TEXT NOT NULL, backbone_sha256 TEXT NOT NULL,
        counts TEXT NOT NULL, evaluation TEXT, head TEXT, created_at TEXT NOT NULL, trained_at TEXT,
        PRIMARY KEY (model, number));
    """,
)


class Database:
    """One SQLite file in WAL mode with ``synchronous=FULL``; a connection per thread, closed together."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._closed = False
        with translated():
            self._migrate()

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._connect()
        return found

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable("the store is closed; open it again")
        mode = "ro" if self.read_only else "rwc"
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
        )
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        if not self.read_only:
            connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL loses acknowledged rows in a power cut, the rollback journal does so even with FULL
        connection.execute("PRAGMA synchronous = FULL")
        with self._guard:
            self._all.append(connection)
        return connection

    def _migrate(self) -> None:
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise StoreTooNew(
                f"{self.path.parent} was written by a newer release; update with: pip install -U edge-concepts"
            )
        if version == len(MIGRATIONS) or self.read_only:
            return
        with self.write() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for script in MIGRATIONS[version:]:
                for statement in script.split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that is durable when the block ends, and never happened when it raises."""
        if self.read_only:
            raise StoreUnavailable(f"the store {self.path.parent} is read-only; make it writable to change it")
        with translated():
            connection = self.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Several reads that see one moment of the store."""
        with translated():
            connection = self.connection
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    def moment(self) -> tuple[int, int, int]:
        """Differs from an earlier one of this thread if anybody has changed the store in between; microseconds."""
        connection = self.connection
        return id(connection), connection.execute("PRAGMA data_version").fetchone()[0], connection.total_changes

    def close(self) -> None:
        """Close every thread's connection; the last one to close checkpoints the log."""
        self._closed = True
        with self._guard:
            for connection in self._all:
                connection.close()
            self._all.clear()


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's and the file system's failures into errors that say what to do next."""
    try:
        yield
    except EdgeError:
        raise
    except sqlite3.DatabaseError as error:
        raise _sqlite_error(error) from error
    except OSError as error:
        raise _os_error(error) from error


def _sqlite_error(error: sqlite3.DatabaseError) -> EdgeError:
    text = str(error)
    if "full" in text:
        return StoreUnavailable("the disk is full; free some space and try again, nothing was changed")
    if "readonly" in text or "read-only" in text:
        return StoreUnavailable("the store is read-only; make it writable and try again")
    if "locked" in text:
        return StoreUnavailable("another process holds the store; wait for it to finish and try again")
    if "not a database" in text or "malformed" in text:
        return StoreCorrupt(f"store.sqlite is damaged ({text}); restore a copy of the folder, or start a new store")
    return StoreUnavailable(f"the store cannot be used ({text}); run edge doctor")


def _os_error(error: OSError) -> EdgeError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreUnavailable("the disk is full; free some space and try again, nothing was changed")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreUnavailable(f"cannot write to {error.filename or 'the store'}; check its permissions and mount")
    return StoreUnavailable(f"the store cannot be used ({error}); check the disk and run edge doctor")

"""``service.sqlite``: what the service knows beyond the store: keys, inputs it still has to fetch, notes on models."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.store.failures import translated

NAME = "service.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    digest TEXT PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, created_at TEXT NOT NULL, revoked_at TEXT);
CREATE TABLE IF NOT EXISTS fetches (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, url TEXT NOT NULL, state INTEGER NOT NULL,
    details TEXT NOT NULL DEFAULT '', tries INTEGER NOT NULL DEFAULT 0, annotations TEXT NOT NULL,
    metadata TEXT NOT NULL, by TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS fetches_state ON fetches (state, number);
CREATE TABLE IF NOT EXISTS notes (model TEXT PRIMARY KEY, text TEXT NOT NULL);
"""


class ServiceDatabase:
    """One SQLite file, readable by its owner only; one connection, for any thread, one at a time."""

    def __init__(self, folder: Path) -> None:
        path = folder / NAME
        self._guard = threading.RLock()
        with translated():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA busy_timeout = 30000")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            with self.write() as connection:
                for statement in _SCHEMA.split(";\n"):
                    connection.execute(statement)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._guard, translated():
            return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        with self._guard, translated():
            found: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
            return found

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the block ends."""
        with self._guard, translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def moment(self) -> tuple[int, int]:
        """Differs from an earlier one if anybody has changed the file in between; microseconds."""
        with self._guard, translated():
            connection = self._connection
            return connection.execute("PRAGMA data_version").fetchone()[0], connection.total_changes

    def close(self) -> None:
        with self._guard:
            self._connection.close()

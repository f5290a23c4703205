"""What is known of remotes: a cache beside the store. Lost, everything is looked at again, nothing is done twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from edge.store.failures import translated
from edge.store.files import make_folder

FILE = "sync/state.sqlite"
_VERSION = 1
_CHUNK = 500
_TABLES = """
CREATE TABLE sent (remote TEXT, sha256 TEXT, PRIMARY KEY (remote, sha256)) WITHOUT ROWID;
CREATE TABLE missed (turn INTEGER PRIMARY KEY, remote TEXT, sha256 TEXT, UNIQUE (remote, sha256));
CREATE TABLE seen (remote TEXT, device TEXT, stamp TEXT, PRIMARY KEY (remote, device)) WITHOUT ROWID;
"""


class State:
    """One store's knowledge of the remotes it meets, each known by the id in its mark. One thread, many processes."""

    def __init__(self, store: Path) -> None:
        self._path = store / FILE
        with translated():
            make_folder(self._path.parent)
            try:
                self._database = self._opened()
            except sqlite3.DatabaseError:  # damaged: it is a cache
                for end in ("", "-wal", "-shm"):
                    with suppress(FileNotFoundError):
                        self._path.with_name(self._path.name + end).unlink()
                self._database = self._opened()

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")  # a power cut may take the last rows: they are found again
            if database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                database.execute("BEGIN IMMEDIATE")
                if database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                        database.execute(f'DROP TABLE "{name}"')
                    for statement in _TABLES.strip().split("\n"):
                        database.execute(statement)
                    database.execute(f"PRAGMA user_version = {_VERSION}")
                database.execute("COMMIT")
            database.execute("SELECT count(*) FROM sent WHERE remote = ''")
        except BaseException:
            database.close()
            raise
        return database

    def missing(self, remote: str, digests: Sequence[str]) -> list[str]:
        """Those of some pictures that are not known to be there, in their order."""
        return self._without("sent", remote, digests)

    def nowhere(self, digests: Sequence[str]) -> list[str]:
        """Those of some pictures that no remote is known to have, in their order."""
        with translated():
            remotes = [row[0] for row in self._database.execute("SELECT DISTINCT remote FROM sent")]
        left = list(digests)
        for remote in remotes:
            left = self.missing(remote, left)
        return left

    def not_missed(self, remote: str, digests: Sequence[str]) -> list[str]:
        """Those of some pictures that were not asked for in vain, in their order."""
        return self._without("missed", remote, digests)

    def _without(self, table: str, remote: str, digests: Sequence[str]) -> list[str]:
        known: set[str] = set()
        with translated():
            for start in range(0, len(digests), _CHUNK):
                part = digests[start : start + _CHUNK]
                marks = ",".join("?" * len(part))
                query = f"SELECT sha256 FROM {table} WHERE remote = ? AND sha256 IN ({marks})"
                known.update(row[0] for row in self._database.execute(query, (remote, *part)))
        return [one for one in digests if one not in known]

    def miss(self, remote: str, sha256: str) -> None:
        """Keep that a picture was not there; it is the last whose turn comes again."""
        with translated():
            self._database.execute(
                "INSERT OR REPLACE INTO missed SELECT coalesce(max(turn), 0) + 1, ?, ? FROM missed", (remote, sha256)
            )

    def missed(self, remote: str, limit: int) -> list[str]:
        """Pictures that were not there, the one that waited longest first."""
        with translated():
            rows = self._database.execute(
                "SELECT sha256 FROM missed WHERE remote = ? ORDER BY turn LIMIT ?", (remote, limit)
            )
            return [row[0] for row in rows]

    def found(self, remote: str, sha256: str) -> None:
        """A picture was there after all."""
        with translated():
            self._database.execute("DELETE FROM missed WHERE remote = ? AND sha256 = ?", (remote, sha256))

    def sent(self, remote: str, digests: Iterable[str]) -> None:
        """Keep that pictures are there."""
        with translated():
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR IGNORE INTO sent VALUES (?, ?)", [(remote, one) for one in digests])
            self._database.execute("COMMIT")

    def stamp(self, remote: str, device: str) -> str | None:
        """The stamp of the last of a device's manifests that everything was done about."""
        with translated():
            row = self._database.execute(
                "SELECT stamp FROM seen WHERE remote = ? AND device = ?", (remote, device)
            ).fetchone()
        return None if row is None else str(row[0])

    def seen(self, remote: str, device: str, stamp: str) -> None:
        """Keep a manifest's stamp."""
        with translated():
            self._database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", (remote, device, stamp))

    def forget(self, remote: str) -> None:
        """Know nothing of a remote any more."""
        with translated():
            self._database.execute("DELETE FROM sent WHERE remote = ?", (remote,))
            self._database.execute("DELETE FROM missed WHERE remote = ?", (remote,))
            self._database.execute("DELETE FROM seen WHERE remote = ?", (remote,))

    def close(self) -> None:
        """Give the file back."""
        with closing(self._database):
            pass


def unsent(store: Path, digests: Sequence[str]) -> list[str]:
    """As ``State.nowhere``, of the store at a path."""
    with closing(State(store)) as state:
        return state.nowhere(digests)

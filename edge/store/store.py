"""One folder on disk: ``store.sqlite``, ``blobs/`` and ``versions/``."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType

from edge.errors import InvalidArgument, NotFound, StoreUnavailable
from edge.store.database import Database, translated
from edge.store.files import TEMPORARY, locked, make_folder, sync_folders
from edge.store.inputs import Inputs
from edge.store.models import Models
from edge.types import Finding, VersionStatus

KEEP_REMOVED = timedelta(days=30)
_ORPHAN_SECONDS = 3600
_LOW_SPACE = 64 << 20


class Store:
    """An open store. Safe to use from several threads, and with other processes on the same folder."""

    def __init__(self, path: Path, database: Database, clock: Callable[[], datetime]) -> None:
        self.path = path
        self._database = database
        self._clock = clock
        self.inputs = Inputs(database, path, clock)
        self.models = Models(database, path, clock)

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], datetime], create: bool = True) -> Store:
        """Open, making the folder if ``create``. A store that cannot be written opens read-only.

        Raises NotFound (none there), InvalidArgument (not a folder), StoreTooNew, StoreCorrupt, StoreUnavailable.
        """
        file = path / "store.sqlite"
        if path.exists() and not path.is_dir():
            raise InvalidArgument(f"{path} is a file, not a store folder; choose another with --store")
        if not file.exists():
            if not create:
                raise NotFound(f"no store at {path}; make one with: edge --store {path} init")
            with translated():
                make_folder(path)
        try:
            store = cls(path, Database(file, read_only=False), clock)
            with translated():
                sync_folders([path])
        except StoreUnavailable:
            if not file.exists():
                raise
            return cls(path, Database(file, read_only=True), clock)
        store.models.recover()
        return store

    @property
    def read_only(self) -> bool:
        return self._database.read_only

    def reading(self) -> AbstractContextManager[object]:
        """A block whose reads all see one moment of the store."""
        return self._database.read()

    def moment(self) -> tuple[int, int, int]:
        """Something that differs once anybody has changed the store, for caches of this thread."""
        return self._database.moment()

    def setting(self, key: str) -> str | None:
        """A store-wide setting, or None."""
        row = self._database.connection.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_settings(self, **values: str) -> None:
        """Keep settings, together."""
        with self._database.write() as connection:
            connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", values.items())

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- doctor --------------------------------------------------------------------------------------------------

    def check(self, *, repair: bool = False, deep: bool = True) -> Iterator[Finding]:
        """Look for damage, one finding per check; ``deep`` also compares every picture with its sha256."""
        connection = self._database.connection
        damage = connection.execute("PRAGMA integrity_check(3)").fetchone()[0]
        yield _finding("database", damage == "ok", f"store.sqlite: {damage}")
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        yield _finding("references", not broken, f"{len(broken)} rows point nowhere")
        yield self._check_pictures(deep)
        yield self._check_heads()
        yield self._check_leftovers(repair)
        free = shutil.disk_usage(self.path).free
        yield _finding("space", free > _LOW_SPACE, f"{free >> 20} MiB free on the disk")

    def _check_pictures(self, deep: bool) -> Finding:
        rows = self._database.connection.execute("SELECT DISTINCT sha256, media_type, size FROM inputs").fetchall()
        bad = []
        for sha256, media_type, size in rows:
            path = self.inputs.blob_path(sha256, media_type)
            good = path.is_file() and path.stat().st_size == size
            if good and deep:
                good = hashlib.sha256(path.read_bytes()).hexdigest() == sha256
            if not good:
                bad.append(sha256[:12])
        text = f"{len(rows)} pictures are whole" if not bad else f"missing or damaged: {', '.join(bad[:5])}; add again"
        return _finding("pictures", not bad, text)

    def _check_heads(self) -> Finding:
        bad = []
        for model in self.models.all():
            for version in self.models.versions(model.name):
                if version.status is VersionStatus.TRAINED:
                    try:
                        self.models.head(version)
                    except ValueError as error:
                        bad.append(str(error))
        return _finding("heads", not bad, bad[0] if bad else "every trained version has its head")

    def _check_leftovers(self, repair: bool) -> Finding:
        """Bytes no row knows. Younger than an hour they may belong to a process that is about to write its row."""
        known = {row[0] for row in self._database.connection.execute("SELECT sha256 FROM inputs")}
        old = time.time() - _ORPHAN_SECONDS
        folders = [*(self.path / "blobs").glob("*"), self.path / "versions"]
        files = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
        stale = [
            file
            for file in files
            if (file.name.startswith(TEMPORARY) or (file.parent.parent.name == "blobs" and file.stem not in known))
            and file.stat().st_mtime < old
        ]
        if repair and stale:
            with locked(self.path / "sweep.lock", wait=True):
                for file in stale:
                    file.unlink(missing_ok=True)
        text = f"{len(stale)} files nothing refers to" if stale else "no files nothing refers to"
        return Finding("leftovers", "note" if stale and not repair else "ok", text, repaired=repair and bool(stale))

    def purge(self) -> int:
        """Let go of inputs removed more than 30 days ago, rows first; returns how many."""
        limit = (self._clock() - KEEP_REMOVED).isoformat()
        connection = self._database.connection
        rows = connection.execute(
            "SELECT number, sha256, media_type FROM inputs WHERE removed_at < ?", (limit,)
        ).fetchall()
        if not rows:
            return 0
        with self._database.write() as connection:
            connection.executemany("DELETE FROM inputs WHERE number = ?", [(row[0],) for row in rows])
            connection.execute(
                "INSERT OR REPLACE INTO settings VALUES ('purged', ?)", (str(self.inputs.last_change()),)
            )
            used = {row[0] for row in connection.execute("SELECT sha256 FROM inputs")}
        with translated():
            for _, sha256, media_type in rows:
                if sha256 not in used:
                    self.inputs.blob_path(sha256, media_type).unlink(missing_ok=True)
        return len(rows)


def _finding(check: str, good: bool, message: str) -> Finding:
    return Finding(check, "ok" if good else "problem", message)

"""What lies in ``versions/`` beside the heads: snapshots of statistics, a file per model, and locks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

from edge.store.database import Database
from edge.store.failures import translated
from edge.store.files import hold_shared, locked, make_folder, write_durably


class Snapshots:
    """The part of the store that keeps statistics between processes, and processes out of each other's way."""

    def __init__(self, database: Database, folder: Path, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._folder = folder / "versions"
        self._clock = clock

    def save_snapshot(self, model: str, data: bytes) -> None:
        """Keep a model's statistics; a cache, so the newest writer wins.

        The row names the bytes it goes with: when a copy of ``store.sqlite`` is put back, no snapshot of another
        history is taken for its own.
        """
        with translated():
            write_durably(self._snapshot_path(model), data)
        with self._database.write() as connection:
            digest = hashlib.sha256(data).hexdigest()
            connection.execute("UPDATE models SET snapshot = ? WHERE name = ?", (digest, model))

    def load_snapshot(self, model: str) -> bytes | None:
        """The last snapshot, or None."""
        row = self._database.row("SELECT snapshot FROM models WHERE name = ?", (model,))
        try:
            data = self._snapshot_path(model).read_bytes()
        except OSError:
            return None
        return data if row is not None and hashlib.sha256(data).hexdigest() == row[0] else None

    def drop_snapshot(self, model: str) -> None:
        """Forget a snapshot; the next training computes the statistics again."""
        with translated():
            self._snapshot_path(model).unlink(missing_ok=True)

    def _snapshot_path(self, model: str) -> Path:
        return self._folder / f"{hashlib.sha256(model.encode()).hexdigest()[:16]}.statistics"

    # --- locks ------------------------------------------------------------------------------------------------------

    def changing_heads(self) -> AbstractContextManager[bool]:
        """Held from a head's file to its row, and while files without rows go: equal heads share one file."""
        return locked(self._lock_path("heads"), wait=True)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Held from before a version is queued until it is finished: while anybody does, no version is given up."""
        with translated(), locked(self._lock_path("claims"), wait=True, shared=True):
            yield

    def claim(self) -> int:
        """``claimed`` as a file descriptor to hand to another process: held until every copy of it is closed."""
        with translated():
            return hold_shared(self._lock_path("claims"))

    @contextmanager
    def training(self) -> Iterator[None]:
        """Held while a version trains: one at a time in a store, whatever process it is in."""
        with translated(), locked(self._lock_path("training"), wait=True):
            yield

    def _lock_path(self, name: str) -> Path:
        if not self._folder.is_dir():
            make_folder(self._folder)
        return self._folder / f"{name}.lock"

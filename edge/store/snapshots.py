"""Snapshots of a model's statistics: a cache, one file per model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from edge.store.database import Database
from edge.store.failures import translated
from edge.store.files import write_durably


class Snapshots:
    """The part of the store that keeps statistics between processes."""

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

"""Letting go of what a loop kept by itself: within bounds, for good, and without leaving others to wait for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from edge.store.blobs import Blobs
from edge.store.database import Database, Row
from edge.store.failures import translated
from edge.store.inputs import Inputs
from edge.store.shelf import LET_GO, Place
from edge.store.stamps import keep, next_stamp

Unsent = Callable[[Sequence[str]], Sequence[str]]
"""Those of some pictures, by their sha256, that no remote has."""

_MOST_MARKS = 500
_NEVER_ANNOTATED = " AND ".join(
    f"NOT EXISTS (SELECT 1 FROM {table} WHERE input = inputs.number)"
    for table in ("annotations", "cleared", "disputed")
)
_CANDIDATES = (
    "SELECT number, sha256, media_type, size, added_at, device FROM inputs WHERE source = ? "
    # a removal that others may still have to hear of is not forgotten, either
    "AND (device = 0 OR (device = (SELECT number FROM devices WHERE id = ?) AND removed_stamp = 0)) "
    f"AND {_NEVER_ANNOTATED}"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may stay: at most ``keep`` inputs, ``most_bytes`` in all, none from before ``since``. None: no bound."""

    keep: int | None = None
    most_bytes: int | None = None
    since: datetime | None = None

    def exceeded(self, place: int, total: int, at: str) -> bool:
        """By the ``place``-th newest, from 0, added at that time, with so many bytes together with all newer ones."""
        limit = "" if self.since is None else self.since.isoformat(timespec="microseconds")
        over = self.keep is not None and place >= self.keep
        return over or at < limit or (self.most_bytes is not None and total > self.most_bytes)


class Discarding:
    """The part of a store that discards. ``own``: the id of this device, in the log."""

    def __init__(
        self, database: Database, blobs: Blobs, inputs: Inputs, clock: Callable[[], datetime], own: str | None
    ) -> None:
        self._database, self._blobs, self._inputs, self._clock, self._own = database, blobs, inputs, clock, own

    def discard(self, source: str, bounds: Bounds, unsent: Unsent) -> int:
        """As ``Store.discard``."""
        total, gone = 0, []
        for place, row in enumerate(self._database.rows(f"{_CANDIDATES} ORDER BY number DESC", (source, self._own))):
            total += row[3]
            if bounds.exceeded(place, total, row[4]):
                gone.append(row)
        if not gone:
            return 0
        with translated(), self._blobs.sweeping(wait=False) as alone:
            if not alone:
                return 0
            awaited = self._awaited(gone, unsent)
            with self._database.write() as connection:
                self._tell(connection, awaited)
                going = [(row[0],) for row in gone if row[0] not in awaited]
                connection.executemany(  # somebody may have annotated one meanwhile
                    f"DELETE FROM inputs WHERE number = ? AND {_NEVER_ANNOTATED}", going
                )
                self._forget_changes(connection, [row[0] for row in gone])
            for _, sha256, media_type, *_ in gone:
                kept = f"SELECT 1 FROM inputs WHERE sha256 = ? AND awaited != {int(Place.UNUSABLE)}"
                if not self._database.row(kept, (sha256,)):
                    self._inputs.blob_path(sha256, media_type).unlink(missing_ok=True)
        return len(gone)

    @staticmethod
    def _awaited(gone: Sequence[Row], unsent: Unsent) -> set[int]:
        """Numbers of those that a segment has told others of, although no remote ever had their pictures."""
        told = [(number, sha256) for number, sha256, _, _, _, device in gone if device != 0]
        lost = set(unsent([sha256 for _, sha256 in told])) if told else set()
        return {number for number, sha256 in told if sha256 in lost}

    def _tell(self, connection: sqlite3.Connection, numbers: set[int]) -> None:
        """Hidden, their rows stay until a segment has told the others; then they go as well."""
        connection.execute(
            f"DELETE FROM inputs WHERE removed_at = '{LET_GO}' AND removed_device != 0 AND {_NEVER_ANNOTATED}"
        )
        for number in sorted(numbers):
            connection.execute(
                f"UPDATE inputs SET removed_at = '{LET_GO}', removed_stamp = ?, removed_device = 0, "
                f"awaited = {int(Place.UNUSABLE)} WHERE number = ? AND {_NEVER_ANNOTATED}",
                (next_stamp(connection, self._clock()), number),
            )
        if numbers:
            keep(connection, self._clock())

    def _forget_changes(self, connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
        """What was said of an input and taken back, before that was remembered, may still have to be taken out of
        statistics: they start anew."""
        for start in range(0, len(numbers), _MOST_MARKS):
            some = numbers[start : start + _MOST_MARKS]
            said = f"SELECT 1 FROM changes WHERE input IN ({','.join('?' * len(some))}) LIMIT 1"
            if connection.execute(said, list(some)).fetchone():
                last = str(self._inputs.last_change())
                connection.execute("INSERT OR REPLACE INTO settings VALUES ('purged', ?)", (last,))
                return

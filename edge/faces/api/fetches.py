"""Inputs by URL that have no picture yet: acknowledged at once, remembered across restarts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge.faces.api.database import ServiceDatabase
from edge.faces.api.statuses import DOWNLOAD_FAILED, PENDING

_COLUMNS = "id, url, state, details, annotations, metadata, by, created_at"


@dataclass(frozen=True, slots=True)
class Fetch:
    """An input that has no picture yet. ``state`` is 30001 (to be fetched) or 30002 (given up, ``details`` say why)."""

    id: str
    url: str
    annotations: Mapping[str, int]
    metadata: Mapping[str, Any]
    by: str
    created_at: datetime
    state: int = PENDING
    details: str = ""


class Fetches:
    """The queue in ``service.sqlite``. ``Fetcher`` works it off."""

    def __init__(self, database: ServiceDatabase) -> None:
        self._database = database
        self.wake = threading.Event()
        """Set when something was added."""
        self.guard = threading.RLock()
        """Held while a fetch becomes an input and while one is changed, so that nothing said meanwhile is lost."""

    # --- the queue -----------------------------------------------------------------------------------------------

    def add(self, new: Sequence[Fetch]) -> None:
        """Queue inputs; durable when it returns."""
        with self._database.write() as connection:
            connection.executemany(
                f"INSERT INTO fetches ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        one.id,
                        one.url,
                        one.state,
                        one.details,
                        json.dumps(dict(one.annotations)),
                        json.dumps(dict(one.metadata)),
                        one.by,
                        one.created_at.astimezone(UTC).isoformat(),
                    )
                    for one in new
                ],
            )
        self.wake.set()

    def get(self, ids: Iterable[str]) -> dict[str, Fetch]:
        """Those of the ids that are queued or failed."""
        wanted = list(dict.fromkeys(ids))
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM fetches WHERE id IN ({','.join('?' * len(wanted))})", wanted
        )
        return {row[0]: _fetch(row) for row in rows}

    def page(self, offset: int, limit: int) -> list[Fetch]:
        """Queued and failed inputs in the order they came."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM fetches ORDER BY number LIMIT ? OFFSET ?", (limit, offset))
        return [_fetch(row) for row in rows]

    def counts(self) -> tuple[int, int]:
        """How many are queued, and how many failed."""
        found = dict(self._database.rows("SELECT state, count(*) FROM fetches GROUP BY state"))
        return int(found.get(PENDING, 0)), int(found.get(DOWNLOAD_FAILED, 0))

    def urls(self, wanted: Sequence[str]) -> set[str]:
        """Which of these addresses are queued."""
        marks = ",".join("?" * len(wanted))
        rows = self._database.rows(f"SELECT url FROM fetches WHERE state = ? AND url IN ({marks})", (PENDING, *wanted))
        return {row[0] for row in rows}

    def next(self, but: Iterable[str], limit: int) -> list[Fetch]:
        """The oldest that are to be fetched, ``but`` those."""
        wanted = list(but)
        marks = ",".join("?" * len(wanted))
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM fetches WHERE state = ? AND id NOT IN ({marks}) ORDER BY number LIMIT ?",
            (PENDING, *wanted, limit),
        )
        return [_fetch(row) for row in rows]

    def failed_once_more(self, id: str) -> int:
        """Count a try that failed; how many did."""
        with self._database.write() as connection:
            row = connection.execute(
                "UPDATE fetches SET tries = tries + 1 WHERE id = ? RETURNING tries", (id,)
            ).fetchone()
            return 0 if row is None else int(row[0])

    def fail(self, id: str, details: str) -> None:
        """Give an input up: there is no picture at its address."""
        with self._database.write() as connection:
            connection.execute("UPDATE fetches SET state = ?, details = ? WHERE id = ?", (DOWNLOAD_FAILED, details, id))

    def change(self, id: str, annotations: Mapping[str, int], metadata: Mapping[str, Any]) -> None:
        """Replace what is said about a queued input."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE fetches SET annotations = ?, metadata = ? WHERE id = ?",
                (json.dumps(dict(annotations)), json.dumps(dict(metadata)), id),
            )

    def forget(self, ids: Iterable[str]) -> None:
        """Take inputs out of the queue."""
        with self._database.write() as connection:
            connection.executemany("DELETE FROM fetches WHERE id = ?", [(id,) for id in ids])


def _fetch(row: tuple[Any, ...]) -> Fetch:
    id, url, state, details, annotations, metadata, by, created_at = row
    return Fetch(
        id, url, json.loads(annotations), json.loads(metadata), by, datetime.fromisoformat(created_at), state, details
    )

"""Inputs by URL: acknowledged at once, fetched in the background, remembered across restarts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge.engine import Engine
from edge.faces.api.database import ServiceDatabase
from edge.faces.api.options import Options
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
    """The queue in ``service.sqlite`` and the thread that works it off."""

    def __init__(self, engine: Engine, database: ServiceDatabase, options: Options) -> None:
        self._engine = engine
        self._database = database
        self._options = options
        self._wake = threading.Event()
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
        self._wake.set()

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

    # --- the thread ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to fetch."""

    def close(self) -> None:
        """Stop; what is not done stays queued."""


def _fetch(row: tuple[Any, ...]) -> Fetch:
    id, url, state, details, annotations, metadata, by, created_at = row
    return Fetch(
        id, url, json.loads(annotations), json.loads(metadata), by, datetime.fromisoformat(created_at), state, details
    )

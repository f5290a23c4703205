"""What this device has said and not yet sealed, as records; and the mark that it was sealed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from edge.store.database import Database
from edge.store.shelf import AWAITED, LET_GO
from edge.types import UNKNOWN

_UNSEALED = (
    "SELECT 1 FROM annotations WHERE device = 0",
    "SELECT 1 FROM cleared WHERE device = 0",
    "SELECT 1 FROM inputs WHERE device = 0 OR (removed_device = 0 AND removed_stamp > 0) "
    "OR (metadata_device = 0 AND metadata_stamp > 0)",
    "SELECT 1 FROM concepts WHERE device = 0 OR (name_device = 0 AND name_stamp > 0)",
    "SELECT 1 FROM models WHERE device = 0",
    "SELECT 1 FROM models_gone WHERE device = 0",
)
_COLUMNS = (
    ("annotations", "device"),
    ("cleared", "device"),
    ("inputs", "device"),
    ("inputs", "removed_device"),
    ("inputs", "metadata_device"),
    ("concepts", "device"),
    ("concepts", "name_device"),
    ("models", "device"),
    ("models_gone", "device"),
)
_FACTS = "id, sha256, media_type, size, width, height, source, added_at, metadata, stamp, device"


class Sealing:
    """Rows whose device is 0 are this device's and were not sealed; sealed, they carry its number in ``devices``."""

    def __init__(self, database: Database, own: str) -> None:
        self._database, self._own = database, own

    def waiting(self) -> bool:
        """Whether there is anything to be sealed."""
        return any(self._database.row(f"{query} LIMIT 1") is not None for query in _UNSEALED)

    def records(self, connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
        """Everything to be sealed, inputs before what is said of them. A segment speaks for itself: it has the facts of
        every input it mentions."""
        yield from self._inputs(connection)
        yield from self._words(connection)
        yield from self._others(connection)

    def mark(self, connection: sqlite3.Connection) -> None:
        """All of that is sealed now."""
        connection.execute("INSERT OR IGNORE INTO devices (id) VALUES (?)", (self._own,))
        row = connection.execute("SELECT number FROM devices WHERE id = ?", (self._own,)).fetchone()
        for table, column in _COLUMNS:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = 0", (row[0],))

    def unmark(self, connection: sqlite3.Connection, former: str) -> None:
        """This device is another one now: what it said as ``former`` is to be sealed again."""
        row = connection.execute("SELECT number FROM devices WHERE id = ?", (former,)).fetchone()
        if row is not None:
            for table, column in _COLUMNS:
                connection.execute(f"UPDATE {table} SET {column} = 0 WHERE {column} = ?", (row[0],))

    # --- records -------------------------------------------------------------------------------------------------

    def _inputs(self, connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
        mentioned = (
            "SELECT number FROM inputs WHERE device = 0 OR (removed_device = 0 AND removed_stamp > 0) "
            "OR (metadata_device = 0 AND metadata_stamp > 0) "
            "UNION SELECT input FROM annotations WHERE device = 0 UNION SELECT input FROM cleared WHERE device = 0"
        )
        ids = dict(connection.execute("SELECT number, id FROM devices"))
        names = [name.strip() for name in _FACTS.split(",")]
        for row in connection.execute(f"SELECT {_FACTS} FROM inputs WHERE number IN ({mentioned}) ORDER BY number"):
            facts = dict(zip(names, row, strict=True))
            facts["device"] = ids.get(facts["device"], self._own)
            yield {
                **facts,
                "id": _own_id(facts["id"], facts["sha256"]),
                "stamp": max(1, facts["stamp"]),
                "kind": "input",
            }

    def _words(self, connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
        said = (
            "SELECT i.id, i.sha256, c.id, a.value, a.by, a.at, a.stamp, a.over FROM annotations a "
            "JOIN inputs i ON i.number = a.input JOIN concepts c ON c.number = a.concept WHERE a.device = 0 UNION ALL "
            f"SELECT i.id, i.sha256, c.id, {UNKNOWN}, a.by, a.at, a.stamp, a.over FROM cleared a "
            "JOIN inputs i ON i.number = a.input JOIN concepts c ON c.number = a.concept WHERE a.device = 0 ORDER BY 7"
        )
        for id, digest, concept, value, by, at, stamp, over in connection.execute(said):
            about = {"input": _own_id(id, digest), "of": digest, "concept": concept, "value": value}
            yield self._record("said", stamp, {**about, "by": by[:256], "at": at, "over": over})

    def _others(self, connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
        removed = (
            "SELECT id, sha256, removed_at, removed_stamp FROM inputs WHERE removed_device = 0 AND removed_stamp > 0"
        )
        for id, digest, at, stamp in connection.execute(removed):
            about = {"input": _own_id(id, digest), "of": digest}
            if at == LET_GO:
                yield self._record("let go", stamp, about)
            else:
                yield self._record("removed", stamp, {**about, "at": None if at == AWAITED else at})
        metadata = (
            "SELECT id, sha256, metadata, metadata_stamp FROM inputs WHERE metadata_device = 0 AND metadata_stamp > 0"
        )
        for id, digest, text, stamp in connection.execute(metadata):
            yield self._record("metadata", stamp, {"input": _own_id(id, digest), "of": digest, "metadata": text})
        first = "SELECT id, created_at, stamp FROM concepts WHERE device = 0"
        for id, at, stamp in connection.execute(first):
            yield self._record("concept", stamp, {"concept": id, "at": at})
        named = "SELECT id, wanted, created_at, name_stamp FROM concepts WHERE name_device = 0 AND name_stamp > 0"
        for id, name, at, stamp in connection.execute(named):
            yield self._record("name", stamp, {"concept": id, "name": name, "at": at})
        defined = "SELECT name, concepts, exclusive, closed, created_at, stamp FROM models WHERE device = 0"
        for name, concepts, exclusive, closed, at, stamp in connection.execute(defined):
            made = {"concepts": json.loads(concepts), "exclusive": bool(exclusive), "closed": bool(closed), "at": at}
            yield self._record("model", stamp, {"name": name, **made, "gone": False})
        for name, stamp in connection.execute("SELECT name, stamp FROM models_gone WHERE device = 0"):
            gone = {"concepts": [], "exclusive": False, "closed": False, "at": _NEVER, "gone": True}
            yield self._record("model", stamp, {"name": name, **gone})

    def _record(self, kind: str, stamp: int, fields: dict[str, Any]) -> dict[str, Any]:
        return {"kind": kind, "stamp": max(1, stamp), "device": self._own, **fields}


_NEVER = "1970-01-01T00:00:00.000000+00:00"


def _own_id(id: str, sha256: str) -> str:
    """The id an input was given, although another one may have had it first (``merging.alias``)."""
    return id.removesuffix(f"-{sha256[:12]}") or id

"""What other devices say, merged: last writer wins per register, ties broken by device, any order, any repetition.

Registers: what is said of an (input, concept); whether an input is removed; its metadata; a concept's name; a model's
definition. An input's own facts are those of whoever made it first. Every word has a stamp (``edge.store.stamps``) and
the id of the device that gave it; the greater pair wins, everywhere.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.store.database import Database
from edge.store.inputs import Inputs
from edge.store.said import Said, last_word, say
from edge.store.shelf import AWAITED, LET_GO, NOT_HERE, Place
from edge.store.stamps import seen
from edge.types import UNKNOWN

Record = Mapping[str, Any]
_FACTS = ("sha256", "media_type", "size", "width", "height", "source", "added_at", "metadata")


@dataclass(frozen=True, slots=True)
class Applied:
    """``records`` that were read, and how many of them changed anything; ``disputed``: words of two devices that
    contradict each other, neither having known of the other."""

    records: int
    changed: int
    disputed: int


class Merging:
    """Merges checked records of one device into a store. ``own``: this device's id."""

    def __init__(self, database: Database, inputs: Inputs, clock: Callable[[], datetime], own: str) -> None:
        self._database, self._inputs, self._clock, self._own = database, inputs, clock, own
        self._names: set[str] = set()
        self._disputed = 0
        self._devices: dict[str, int] = {own: 0}

    def apply(self, records: Iterable[Record], mark: Callable[[sqlite3.Connection], None]) -> Applied:
        """Merge records in one transaction; ``mark`` notes in it that they were. All or nothing."""
        kinds: dict[str, Callable[[sqlite3.Connection, Record], bool]] = {
            "input": self._input,
            "said": self._said,
            "removed": self._removed,
            "let go": self._let_go,
            "metadata": self._metadata,
            "concept": self._made,
            "name": self._name,
            "model": self._model,
        }
        count = changed = newest = 0
        self._disputed = 0
        self._names.clear()
        with self._database.write() as connection:
            for record in records:
                count += 1
                newest = max(newest, record["stamp"])
                changed += kinds[record["kind"]](connection, record)
            for wanted in sorted(self._names):
                _share_name(connection, wanted)
            if newest:
                seen(connection, newest, self._clock())
            mark(connection)
        return Applied(count, changed, self._disputed)

    # --- order ---------------------------------------------------------------------------------------------------

    def _device(self, connection: sqlite3.Connection, id: str) -> int:
        if id not in self._devices:
            connection.execute("INSERT OR IGNORE INTO devices (id) VALUES (?)", (id,))
            row = connection.execute("SELECT number FROM devices WHERE id = ?", (id,)).fetchone()
            self._devices[id] = int(row[0])
        return self._devices[id]

    def _rank(self, connection: sqlite3.Connection, stamp: int, device: int) -> tuple[int, str]:
        """What the greater of wins."""
        if device == 0:
            return stamp, self._own
        row = connection.execute("SELECT id FROM devices WHERE number = ?", (device,)).fetchone()
        return stamp, "" if row is None else str(row[0])

    # --- inputs --------------------------------------------------------------------------------------------------

    def _input(self, connection: sqlite3.Connection, record: Record) -> bool:
        id, digest, device = record["id"], record["sha256"], self._device(connection, record["device"])
        mine = record["stamp"], record["device"]
        row = _find(connection, id, digest)
        if row is not None:
            if self._rank(connection, row[1], row[2]) <= mine:
                return False
            connection.execute(
                "UPDATE inputs SET source = ?, added_at = ?, stamp = ?, device = ?, "
                "metadata = CASE metadata_stamp WHEN 0 THEN ? ELSE metadata END WHERE number = ?",
                (record["source"], record["added_at"], record["stamp"], device, record["metadata"], row[0]),
            )
            return True
        other = connection.execute("SELECT number, stamp, device, sha256 FROM inputs WHERE id = ?", (id,)).fetchone()
        if other is not None:  # the same id for other bytes: who was first keeps it
            if self._rank(connection, other[1], other[2]) > mine:
                connection.execute("UPDATE inputs SET id = ? WHERE number = ?", (alias(id, other[3]), other[0]))
            else:
                id = alias(id, digest)
        values = [record[name] for name in _FACTS]
        connection.execute(
            f"INSERT INTO inputs (id, {', '.join(_FACTS)}, stamp, device, awaited, removed_at) "
            f"VALUES (?, {', '.join('?' * len(_FACTS))}, ?, ?, 1, '{AWAITED}')",
            (id, *values, record["stamp"], device),
        )
        return True

    def _removed(self, connection: sqlite3.Connection, record: Record) -> bool:
        row = _find(connection, record["input"], record["of"])
        if row is None:
            return False
        number = row[0]
        at, stamp, device, awaited = connection.execute(
            "SELECT removed_at, removed_stamp, removed_device, awaited FROM inputs WHERE number = ?", (number,)
        ).fetchone()
        if self._rank(connection, stamp, device) >= (record["stamp"], record["device"]):
            return False
        then = record["at"] if record["at"] is not None else (AWAITED if awaited in NOT_HERE else None)
        connection.execute(
            "UPDATE inputs SET removed_at = ?, removed_stamp = ?, removed_device = ? WHERE number = ?",
            (then, record["stamp"], self._device(connection, record["device"]), number),
        )
        if (at is None) != (then is None):
            self._inputs.follow_removed(connection, number, then, record["device"])
        return True

    def _let_go(self, connection: sqlite3.Connection, record: Record) -> bool:
        """Its maker has let its picture go and sent it nowhere: it is not asked for. One that is here stays, and one
        that somebody has annotated: who did has the picture."""
        row = _find(connection, record["input"], record["of"])
        if row is None:
            return False
        done = connection.execute(
            f"UPDATE inputs SET awaited = {int(Place.UNUSABLE)}, removed_at = '{LET_GO}' WHERE number = ? "
            f"AND awaited = {int(Place.AWAITED)} AND removed_at = '{AWAITED}' "
            "AND NOT EXISTS (SELECT 1 FROM annotations WHERE input = inputs.number)",
            (row[0],),
        )
        return done.rowcount > 0

    def _metadata(self, connection: sqlite3.Connection, record: Record) -> bool:
        row = _find(connection, record["input"], record["of"])
        if row is None:
            return False
        stamp, device = connection.execute(
            "SELECT metadata_stamp, metadata_device FROM inputs WHERE number = ?", (row[0],)
        ).fetchone()
        if self._rank(connection, stamp, device) >= (record["stamp"], record["device"]):
            return False
        connection.execute(
            "UPDATE inputs SET metadata = ?, metadata_stamp = ?, metadata_device = ? WHERE number = ?",
            (record["metadata"], record["stamp"], self._device(connection, record["device"]), row[0]),
        )
        return True

    # --- words ---------------------------------------------------------------------------------------------------

    def _said(self, connection: sqlite3.Connection, record: Record) -> bool:
        row = _find(connection, record["input"], record["of"])
        if row is None:
            return False
        concept = self._concept(connection, record["concept"], record["at"])
        new = Said(
            row[0],
            concept,
            record["value"],
            record["by"],
            record["at"],
            record["stamp"],
            self._device(connection, record["device"]),
            record["over"],
        )
        old = last_word(connection, row[0], concept)
        if old is not None and (old.stamp, old.device) == (new.stamp, new.device):
            return False
        wins = old is None or self._rank(connection, old.stamp, old.device) < (record["stamp"], record["device"])
        if old is not None:
            self._dispute(connection, *((old, new) if wins else (new, old)))
        if not wins:
            return False
        visible = connection.execute("SELECT removed_at FROM inputs WHERE number = ?", (row[0],)).fetchone()[0] is None
        say(connection, new)
        connection.execute(  # who says something of a picture that its maker let go of has it: it is awaited again
            f"UPDATE inputs SET awaited = {int(Place.AWAITED)}, removed_at = '{AWAITED}' WHERE number = ? "
            f"AND removed_at = '{LET_GO}'",
            (row[0],),
        )
        before = UNKNOWN if old is None else old.value
        if visible and before != new.value:
            self._inputs.log_word(connection, row[0], concept, before, new.value, record["by"])
        return True

    def _dispute(self, connection: sqlite3.Connection, loser: Said, winner: Said) -> None:
        """Two that contradict each other, and the later did not know of the earlier."""
        if loser.device == winner.device or UNKNOWN in (loser.value, winner.value) or loser.stamp <= winner.over:
            return
        if loser.value == winner.value:
            return
        connection.execute(
            "INSERT OR REPLACE INTO disputed (input, concept, device, value, by, at, stamp) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (loser.input, loser.concept, loser.device, loser.value, loser.by, loser.at, loser.stamp),
        )
        self._disputed += 1

    def _concept(self, connection: sqlite3.Connection, id: str, at: str) -> int:
        row = connection.execute("SELECT number FROM concepts WHERE id = ?", (id,)).fetchone()
        if row is None:
            row = connection.execute(
                "INSERT INTO concepts (id, name, wanted, created_at, device) VALUES (?1, '~' || ?1, ?1, ?2, -1) "
                "RETURNING number",
                (id, at),
            ).fetchone()
            self._names.add(id)
        return int(row[0])

    def _made(self, connection: sqlite3.Connection, record: Record) -> bool:
        """Somebody has named a concept: it is there, whatever is said with it."""
        known = connection.execute("SELECT 1 FROM concepts WHERE id = ?", (record["concept"],)).fetchone()
        self._concept(connection, record["concept"], record["at"])
        return known is None

    def _name(self, connection: sqlite3.Connection, record: Record) -> bool:
        number = self._concept(connection, record["concept"], record["at"])
        stamp, device, wanted = connection.execute(
            "SELECT name_stamp, name_device, wanted FROM concepts WHERE number = ?", (number,)
        ).fetchone()
        if self._rank(connection, stamp, device) >= (record["stamp"], record["device"]):
            return False
        connection.execute(
            "UPDATE concepts SET wanted = ?, name_stamp = ?, name_device = ? WHERE number = ?",
            (record["name"], record["stamp"], self._device(connection, record["device"]), number),
        )
        self._names |= {wanted, record["name"]}
        return True

    # --- models --------------------------------------------------------------------------------------------------

    def _model(self, connection: sqlite3.Connection, record: Record) -> bool:
        name, mine = record["name"], (record["stamp"], record["device"])
        known = connection.execute(
            "SELECT stamp, device FROM models WHERE name = ?1 UNION ALL SELECT stamp, device FROM models_gone "
            "WHERE name = ?1",
            (name,),
        ).fetchone()
        if known is not None and self._rank(connection, *known) >= mine:
            return False
        device = self._device(connection, record["device"])
        connection.execute("DELETE FROM models_gone WHERE name = ?", (name,))
        if record["gone"]:
            connection.execute("DELETE FROM models WHERE name = ?", (name,))
            connection.execute("INSERT INTO models_gone VALUES (?, ?, ?)", (name, record["stamp"], device))
            return True
        for concept in record["concepts"]:
            self._concept(connection, concept, record["at"])
        connection.execute(
            "INSERT INTO models (name, concepts, exclusive, closed, created_at, stamp, device) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET concepts = excluded.concepts, "
            "exclusive = excluded.exclusive, "
            "closed = excluded.closed, stamp = excluded.stamp, device = excluded.device, snapshot = NULL",
            (
                name,
                json.dumps(list(record["concepts"])),
                record["exclusive"],
                record["closed"],
                record["at"],
                record["stamp"],
                device,
            ),
        )
        return True


def alias(id: str, sha256: str) -> str:
    """The id of an input that came second to an id."""
    return f"{id[:100]}-{sha256[:12]}"


def _find(connection: sqlite3.Connection, id: str, sha256: str) -> tuple[int, int, int] | None:
    """Number, stamp and device of the input with these bytes under an id, or under its alias."""
    for one in (id, alias(id, sha256)):
        row = connection.execute(
            "SELECT number, stamp, device FROM inputs WHERE id = ? AND sha256 = ?", (one, sha256)
        ).fetchone()
        if row is not None:
            return int(row[0]), int(row[1]), int(row[2])
    return None


def _share_name(connection: sqlite3.Connection, wanted: str) -> None:
    """Several concepts may want one name: that with the least id has it, the others with their id behind it."""
    rows = connection.execute("SELECT id FROM concepts WHERE wanted = ? ORDER BY id", (wanted,)).fetchall()
    for (id,) in rows:
        connection.execute("UPDATE concepts SET name = '~' || id WHERE id = ?", (id,))
    for place, (id,) in enumerate(rows):
        name = wanted if place == 0 else f"{wanted} ({id})"
        taken = connection.execute("SELECT 1 FROM concepts WHERE name = ?", (name,)).fetchone()
        connection.execute("UPDATE concepts SET name = ? WHERE id = ?", (f"{name} ({id})" if taken else name, id))

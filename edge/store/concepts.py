"""Concepts: ids that never change, and the names people type."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from edge.errors import Conflict, NotFound
from edge.store.database import Database
from edge.store.examples import Examples
from edge.store.failures import parsed
from edge.store.names import check_name, check_names
from edge.store.stamps import keep, next_stamp
from edge.types import Concept

# A name goes before an id: what was renamed is still found by the name it was made with, which is its id.
FIND = "SELECT number, id FROM concepts WHERE name = ?1 OR id = ?1 ORDER BY name = ?1 DESC LIMIT 1"


class Concepts(Examples):
    """The part of the store that holds what can be taught."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        super().__init__(database)
        self._clock = clock

    def concepts(self) -> tuple[Concept, ...]:
        """All concepts, by id."""
        rows = self._database.rows("SELECT id, name, created_at FROM concepts ORDER BY id")
        with parsed("a concept"):
            return tuple(Concept(id, name, datetime.fromisoformat(at)) for id, name, at in rows)

    def renamed(self) -> dict[str, str]:
        """Id -> name of the concepts whose name is no longer their id."""
        return dict(self._database.rows("SELECT id, name FROM concepts WHERE name != id"))

    def concept_id(self, name: str) -> str:
        """The id of a concept by its name or id. Raises NotFound, InvalidArgument."""
        row = self._database.row(FIND, (check_name(name, "concept"),))
        if row is None:
            raise NotFound(f"no concept {name!r}; `edge concepts` lists them")
        return str(row[1])

    def ensure_concepts(self, names: Iterable[str]) -> tuple[str, ...]:
        """Create the concepts that are not there yet; returns the ids of all."""
        checked = check_names(names, "concept")
        rows = [self._database.row(FIND, (name,)) for name in checked]
        if None in rows:
            with self._database.write() as connection:
                return ensure(connection, checked, stamp(self._clock))
        return tuple(dict.fromkeys(str(row[1]) for row in rows if row is not None))

    def rename_concept(self, name: str, new: str) -> Concept:
        """Give a concept another name. Raises NotFound, InvalidArgument, Conflict (another has it, or had it first)."""
        check_name(new, "concept")
        with self._database.write() as connection:
            id = self.concept_id(name)
            other = connection.execute(FIND, (new,)).fetchone()
            if other is not None and other[1] != id:
                raise Conflict(f"{new!r} is a concept already; choose another name")
            before = connection.execute("SELECT name_stamp FROM concepts WHERE id = ?", (id,)).fetchone()[0]
            given = next_stamp(connection, self._clock(), before)
            connection.execute(
                "UPDATE concepts SET name = ?1, wanted = ?1, name_stamp = ?2, name_device = 0 WHERE id = ?3",
                (new, given, id),
            )
            keep(connection, self._clock())
            return next(one for one in self.concepts() if one.id == id)

    def concept_counts(self) -> dict[str, tuple[int, int]]:
        """Concept id -> visible inputs that (show, do not show) it."""
        rows = self._database.rows(
            "SELECT c.id, coalesce(sum(a.value), 0), count(a.value) - coalesce(sum(a.value), 0) FROM concepts c "
            "LEFT JOIN (SELECT concept, value FROM annotations JOIN inputs ON number = input "
            "WHERE removed_at IS NULL) a ON a.concept = c.number GROUP BY c.id ORDER BY c.id"
        )
        return {id: (int(shown), int(not_shown)) for id, shown, not_shown in rows}


def ensure(connection: sqlite3.Connection, names: Iterable[str], now: str) -> tuple[str, ...]:
    """Inside a transaction: ids of concepts by name or id, without repetitions; those that are not there are made."""
    return tuple(dict.fromkeys(concept_of(connection, name, now)[1] for name in names))


def concept_of(connection: sqlite3.Connection, name: str, now: str) -> tuple[int, str]:
    """Inside a transaction: number and id of a concept by name or id, made if it is not there."""
    row = connection.execute(FIND, (check_name(name, "concept"),)).fetchone()
    if row is None:
        given = next_stamp(connection, datetime.fromisoformat(now))
        row = connection.execute(
            "INSERT INTO concepts (id, name, wanted, created_at, stamp) VALUES (?1, ?1, ?1, ?2, ?3) "
            "RETURNING number, id",
            (name, now, given),
        ).fetchone()
        keep(connection, datetime.fromisoformat(now))
    return int(row[0]), str(row[1])


def stamp(clock: Callable[[], datetime]) -> str:
    """The time as it is stored."""
    return moment(clock())


def moment(when: datetime) -> str:
    """A time as it is stored: UTC, so that texts compare as times do."""
    return when.astimezone(UTC).isoformat(timespec="microseconds")

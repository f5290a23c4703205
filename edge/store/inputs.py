"""Inputs, concepts and annotations; every change of a label goes into the log with it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from edge.errors import BackboneChanged, InvalidArgument, NotFound
from edge.store.blobs import Blobs
from edge.store.browsing import PLACE, Filter
from edge.store.concepts import FIND, Concepts, concept_of, moment, stamp
from edge.store.database import Database
from edge.store.failures import parsed, translated
from edge.store.given import NewInput, check_by, check_value, checked, json_of
from edge.store.records import INPUT, input_of
from edge.store.said import Said, last_word, said_before, say
from edge.store.shelf import AWAITED, NOT_HERE, was_removed
from edge.store.stamps import keep, next_stamp, tick
from edge.types import UNKNOWN, Annotation, Input

_CHUNK = 500
T = TypeVar("T")
_PREFIX = 6


class Inputs(Concepts):
    """The part of the store that holds images and what is said about them."""

    def __init__(self, database: Database, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        super().__init__(database, clock)
        self._blobs = blobs

    # --- adding and removing -------------------------------------------------------------------------------------

    def add(self, new: Sequence[NewInput], *, by: str) -> list[tuple[Input, bool]]:
        """Store images: their bytes durably, then all rows in one transaction. (Input, created) each.

        The same bytes again are the same input: annotations merge, a removed input comes back. All or nothing.
        Raises InvalidArgument, BackboneChanged (the store has moved to another backbone meanwhile), StoreUnavailable.
        """
        if not new:
            return []
        metadata = [checked(one) for one in new]
        digests = [hashlib.sha256(one.data).hexdigest() for one in new]
        with translated(), self._blobs.adding(self._used) as adding:
            for one, digest in zip(new, digests, strict=True):
                adding.stage(digest, one.media_type, one.data)
            adding.sync()
            with self._database.write() as connection:
                _same_backbone(connection, new)
                rows = [
                    self._add_row(connection, one, digest, text, by)
                    for one, digest, text in zip(new, digests, metadata, strict=True)
                ]
                found = self._by_number([number for number, _ in rows])
        return [(found[number], created) for number, created in rows]

    def _used(self, digests: Iterable[str]) -> set[str]:
        return {digest for digest in digests if self._database.row("SELECT 1 FROM inputs WHERE sha256 = ?", (digest,))}

    def _add_row(
        self, connection: sqlite3.Connection, one: NewInput, digest: str, metadata: str, by: str
    ) -> tuple[int, bool]:
        id = one.id or digest[:32]
        row = connection.execute("SELECT number, sha256, removed_at FROM inputs WHERE id = ?", (id,)).fetchone()
        if row is not None and row[1] != digest:
            raise InvalidArgument(f"input {id!r} exists with other bytes; choose another id")
        if row is None:
            given = next_stamp(connection, self._clock())
            values = (id, digest, one.media_type, len(one.data), one.width, one.height, one.source, self._now())
            number = int(
                connection.execute(
                    "INSERT INTO inputs (id, sha256, media_type, size, width, height, source, added_at, metadata, "
                    "stamp) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
                    (*values, metadata, given),
                ).fetchone()[0]
            )
            keep(connection, self._clock())
        else:
            number = row[0]
            connection.execute("UPDATE inputs SET awaited = 0 WHERE sha256 = ?", (digest,))
            if row[2] is not None:
                self._set_removed(connection, number, None, by)
        # statistics may have counted the one that is there: runtimes do not agree to the last bit
        connection.execute(
            "INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", (number, one.backbone_sha256, one.embedding)
        )
        self._annotate_row(connection, number, one.annotations, by, said=one.said)
        return number, row is None or row[2] is not None

    def remove(self, ids: Iterable[str], *, by: str) -> int:
        """Hide inputs at once; their bytes go after 30 days. Returns how many. Raises NotFound, changing nothing."""
        with self._database.write() as connection:
            numbers = {self._resolve(id) for id in ids}
            last = connection.execute("SELECT at FROM changes ORDER BY number DESC LIMIT 1").fetchone()
            # a board without a battery may wake up in 1970; the 30 days must not have passed by tomorrow
            when = max(self._now(), last[0] if last else "")
            for number in sorted(numbers):
                self._set_removed(connection, number, when, by)
        return len(numbers)

    def restore(self, ids: Iterable[str], *, by: str) -> int:
        """Bring removed inputs back with their annotations. Returns how many were removed."""
        with self._database.write() as connection:
            numbers = {self._resolve(id, removed=True) for id in ids}
            gone = [number for number in sorted(numbers) if was_removed(connection, number)]
            for number in gone:
                self._set_removed(connection, number, None, by)
        return len(gone)

    def _set_removed(self, connection: sqlite3.Connection, number: int, when: str | None, by: str) -> None:
        query = "SELECT removed_stamp, removed_at, awaited FROM inputs WHERE number = ?"
        before, at, awaited = connection.execute(query, (number,)).fetchone()
        given = next_stamp(connection, self._clock(), before)
        if when is None and awaited in NOT_HERE:
            when = AWAITED
        connection.execute(
            "UPDATE inputs SET removed_at = ?, removed_stamp = ?, removed_device = 0 WHERE number = ?",
            (when, given, number),
        )
        keep(connection, self._clock())
        if (at is None) != (when is None):
            self.follow_removed(connection, number, when, by)

    def follow_removed(self, connection: sqlite3.Connection, number: int, when: str | None, by: str) -> None:
        """What the statistics see: the labels of what is hidden are not known."""
        rows = connection.execute("SELECT concept, value FROM annotations WHERE input = ?", (number,)).fetchall()
        for concept, value in rows:
            before, after = (UNKNOWN, value) if when is None else (value, UNKNOWN)
            self._log(connection, number, concept, before, after, by)

    # --- annotations ---------------------------------------------------------------------------------------------

    def annotate(self, id: str, values: Mapping[str, int | None], *, by: str, confirm: bool = False) -> Input:
        """Set (1, 0) or clear (None) annotations of one input, all together. Raises NotFound, InvalidArgument.

        ``confirm``: what is said already was looked at and is right, so it is said again; see ``confirmed``.
        """
        return self.annotate_many([(id, values)], by=by, confirm=confirm)[0]

    def annotate_many(
        self, changes: Iterable[tuple[str, Mapping[str, int | None]]], *, by: str, confirm: bool = False
    ) -> list[Input]:
        """As ``annotate`` for several inputs, answered in their order. All or nothing."""
        with self._database.write() as connection:
            numbers = []
            for id, values in changes:
                numbers.append(self._resolve(id))
                self._annotate_row(connection, numbers[-1], values, by, confirm=confirm)
            found = self._by_number(numbers)
        return [found[number] for number in numbers]

    def set_metadata(self, id: str, metadata: Mapping[str, Any]) -> Input:
        """Replace an input's metadata. Raises NotFound, InvalidArgument (no JSON, more than 64 KiB of it)."""
        text = json_of(metadata, f"input {id}")
        with self._database.write() as connection:
            number = self._resolve(id)
            before = connection.execute("SELECT metadata_stamp FROM inputs WHERE number = ?", (number,)).fetchone()[0]
            given = next_stamp(connection, self._clock(), before)
            connection.execute(
                "UPDATE inputs SET metadata = ?, metadata_stamp = ?, metadata_device = 0 WHERE number = ?",
                (text, given, number),
            )
            keep(connection, self._clock())
            return self._by_number([number])[number]

    def _annotate_row(
        self,
        connection: sqlite3.Connection,
        number: int,
        values: Mapping[str, int | None],
        by: str,
        *,
        confirm: bool = False,
        said: Mapping[str, tuple[str, datetime]] | None = None,
    ) -> None:
        check_by(by)
        done: set[int] = set()
        for name, value in values.items():
            check_value(value)
            concept, _ = concept_of(connection, name, self._now())
            if concept in done:
                raise InvalidArgument(f"{name!r} is another name of a concept that is given too; give it once")
            done.add(concept)
            who, at = by, self._now()
            if said and name in said:
                who, at = said[name][0], min(at, moment(said[name][1]))
                word = last_word(connection, number, concept)
                if word is not None and word.at >= at:
                    continue
            before, last = said_before(connection, number, concept)
            after = UNKNOWN if value is None else int(value)
            if before == after and not (confirm and after != UNKNOWN):
                continue
            given = next_stamp(connection, self._clock(), last)
            say(connection, Said(number, concept, after, who, at, given, 0, last))
            connection.execute("DELETE FROM disputed WHERE input = ? AND concept = ?", (number, concept))
            self._log(connection, number, concept, before, after, who)

    def confirmed(self, ids: Iterable[str]) -> set[tuple[str, str]]:
        """(input id, concept id) of what somebody confirmed of these inputs and nothing has changed since.

        In the log that is a label which became what it was. Reads the log once per 500 inputs.
        """
        found: set[tuple[str, str]] = set()
        with self._database.read():
            for part in _chunks(list(dict.fromkeys(ids))):
                last = (
                    "SELECT input, concept, before, after, max(number) FROM changes WHERE input IN "
                    f"(SELECT number FROM inputs WHERE id IN ({','.join('?' * len(part))})) GROUP BY input, concept"
                )
                rows = self._database.rows(
                    f"SELECT i.id, c.id FROM ({last}) l JOIN inputs i ON i.number = l.input "
                    "JOIN concepts c ON c.number = l.concept WHERE l.before = l.after",
                    part,
                )
                found.update(rows)
        return found

    def log_word(
        self, connection: sqlite3.Connection, number: int, concept: int, before: int, after: int, by: str
    ) -> None:
        """A label changed by what another device said: statistics follow the log."""
        self._log(connection, number, concept, before, after, by)

    def _log(self, connection: sqlite3.Connection, number: int, concept: int, before: int, after: int, by: str) -> None:
        connection.execute(
            "INSERT INTO changes (input, concept, before, after, by, at, stamp) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, concept, before, after, by, self._now(), tick(connection, self._clock())),
        )

    # --- reading -------------------------------------------------------------------------------------------------

    def get(self, id: str, *, removed: bool = False) -> Input:
        """One input by id or by a unique beginning of at least 6 characters; ``removed``: one that is hidden too.

        Raises NotFound, InvalidArgument.
        """
        with self._database.read():
            number = self._resolve(id, removed)
            return self._by_number([number])[number]

    def page(
        self, *, unlabelled: bool = False, concept: str | None = None, limit: int = -1, offset: int = 0
    ) -> list[Input]:
        """Inputs in the order they came; only those without annotations, or with one of ``concept``."""
        where = "WHERE removed_at IS NULL"
        values: tuple[Any, ...] = ()
        if unlabelled:
            where += " AND NOT EXISTS (SELECT 1 FROM annotations WHERE input = inputs.number)"
        if concept is not None:
            where += (
                " AND EXISTS (SELECT 1 FROM annotations WHERE input = inputs.number AND concept = "
                f"(SELECT number FROM ({FIND})))"
            )
            values = (concept,)
        with self._database.read():
            return list(self._records(f"{where} ORDER BY number LIMIT ? OFFSET ?", (*values, limit, offset)).values())

    def about(self, concepts: Sequence[str], limit: int = -1, offset: int = 0) -> list[Input]:
        """Inputs of which something is said about any of these concepts (ids), in the order they came."""
        marks = ",".join("?" * len(concepts))
        where = (
            "WHERE removed_at IS NULL AND number IN (SELECT input FROM annotations WHERE concept IN "
            f"(SELECT number FROM concepts WHERE id IN ({marks}))) ORDER BY number LIMIT ? OFFSET ?"
        )
        with self._database.read():
            return list(self._records(where, (*concepts, limit, offset)).values())

    def browse(self, wanted: Filter, *, after: str | None = None, limit: int = 60) -> tuple[list[Input], int]:
        """At most ``limit`` inputs, the newest first, those behind the input ``after``; and how many there are in all.

        Raises InvalidArgument.
        """
        where, values = wanted.where()
        with self._database.read():
            total = self._database.row(f"SELECT count(*) FROM inputs WHERE {where}", values)
            if after is not None:
                where += " AND number < (SELECT number FROM inputs WHERE id = ?)"
                values.append(after)
            found = self._records(f"WHERE {where} ORDER BY number DESC LIMIT ?", (*values, limit))
        return list(found.values()), int(total[0]) if total is not None else 0

    def sources(self, limit: int = 100) -> list[tuple[str, int]]:
        """Where visible inputs came from, folders without the files' names, and how many; those with most first."""
        return self._database.rows(
            f"SELECT {PLACE}, count(*) FROM inputs WHERE removed_at IS NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
            (limit,),
        )

    def count(self) -> int:
        """Visible inputs."""
        row = self._database.row("SELECT count(*) FROM inputs WHERE removed_at IS NULL")
        return int(row[0]) if row is not None else 0

    def by_number(self, numbers: Sequence[int]) -> dict[int, Input]:
        """Inputs by number, removed ones too; those that are gone are left out."""
        with self._database.read():
            return self._by_number(numbers)

    def by_id(self, ids: Iterable[str]) -> dict[str, Input]:
        """Visible inputs by their whole ids; those that are not there are left out."""
        found: dict[str, Input] = {}
        with self._database.read():
            for part in _chunks(list(dict.fromkeys(ids))):
                marks = ",".join("?" * len(part))
                records = self._records(f"WHERE removed_at IS NULL AND id IN ({marks})", part)
                found.update((one.id, one) for one in records.values())
        return found

    def known_sources(self, wanted: Iterable[str]) -> set[str]:
        """Which of these sources visible inputs came from."""
        found: set[str] = set()
        for part in _chunks(list(dict.fromkeys(wanted))):
            marks = ",".join("?" * len(part))
            query = f"SELECT DISTINCT source FROM inputs WHERE removed_at IS NULL AND source IN ({marks})"
            found.update(row[0] for row in self._database.rows(query, part))
        return found

    def visible(self, number: int) -> bool:
        """Whether an input is there and not removed."""
        row = self._database.row("SELECT removed_at FROM inputs WHERE number = ?", (number,))
        return row is not None and row[0] is None

    def _by_number(self, numbers: Sequence[int]) -> dict[int, Input]:
        found: dict[int, Input] = {}
        for part in _chunks(numbers):
            found.update(self._records(f"WHERE number IN ({','.join('?' * len(part))})", part))
        return found

    def _records(self, where: str, values: Sequence[Any]) -> dict[int, Input]:
        rows = self._database.rows(f"SELECT {INPUT} FROM inputs {where}", values)
        said: dict[int, list[Annotation]] = {row[0]: [] for row in rows}
        ids = {row[0]: row[1] for row in rows}
        for part in _chunks(list(said)):
            annotations = self._database.rows(
                "SELECT a.input, c.id, a.value, a.by, a.at FROM annotations a JOIN concepts c ON c.number = a.concept "
                f"WHERE a.input IN ({','.join('?' * len(part))}) ORDER BY c.id",
                part,
            )
            for number, concept, value, by, at in annotations:
                with parsed(f"an annotation of input {ids[number]}"):
                    said[number].append(Annotation(ids[number], concept, value, by, datetime.fromisoformat(at)))
        return {row[0]: input_of(row, tuple(said[row[0]])) for row in rows}

    def _resolve(self, id: str, removed: bool = False) -> int:
        """The number of an input; a whole id wins over beginnings."""
        visible = "" if removed else "AND removed_at IS NULL"
        row = self._database.row(f"SELECT number FROM inputs WHERE id = ? {visible}", (id,))
        if row is None and len(id) >= _PREFIX:
            rows = self._database.rows(
                f"SELECT number FROM inputs WHERE id >= ? AND id < ? {visible} LIMIT 2", (id, id + "\U0010ffff")
            )
            if len(rows) > 1:
                raise InvalidArgument(f"several inputs begin with {id!r}; give more characters")
            row = rows[0] if rows else None
        if row is None:
            raise NotFound(f"no input {id!r}; `edge inputs` lists them")
        return int(row[0])

    def blob_path(self, sha256: str, media_type: str) -> Path:
        """Where an image's bytes are."""
        return self._blobs.path(sha256, media_type)

    def read(self, one: Input) -> bytes:
        """An image's original bytes. Raises StoreCorrupt when they are gone or not what they were."""
        return self._blobs.read(one.sha256, one.media_type, f"input {one.id}")

    def _now(self) -> str:
        return stamp(self._clock)


def _same_backbone(connection: sqlite3.Connection, new: Sequence[NewInput]) -> None:
    row = connection.execute("SELECT value FROM settings WHERE key = 'backbone_sha256'").fetchone()
    if row is not None and any(one.backbone_sha256 != row[0] for one in new):
        raise BackboneChanged("the store was given another backbone meanwhile; add the pictures again")


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]

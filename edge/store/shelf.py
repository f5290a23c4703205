"""Where pictures are: here, on their way from another device, or thinned, with a small copy left."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from edge.errors import BackboneChanged, PictureElsewhere, StoreCorrupt
from edge.store.blobs import Blobs
from edge.store.database import Database
from edge.store.failures import translated
from edge.store.files import write_durably
from edge.types import Input

Show = Callable[[sqlite3.Connection, int, str | None, str], None]


class Place(IntEnum):
    """Where an input's picture is; the column ``awaited``."""

    HERE = 0
    AWAITED = 1
    THINNED = 2
    UNUSABLE = 3


NOT_HERE = Place.AWAITED, Place.UNUSABLE


@dataclass(frozen=True, slots=True)
class Stored:
    """What moving a picture takes."""

    number: int
    id: str
    sha256: str
    media_type: str
    size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A fetched picture: a durable file of the store's folder whose sha256 was checked, and its embedding's bytes."""

    stored: Stored
    file: Path
    embedding: bytes


AWAITED = "awaited"
"""What ``removed_at`` says of an input whose picture is still to come: nothing can be learnt from it yet."""
LET_GO = "let go"
"""What it says of one whose picture went before any remote had it, until a segment has told the others."""


def was_removed(connection: sqlite3.Connection, number: int) -> bool:
    """Whether somebody removed an input; one that is hidden because its picture is not here cannot be brought back."""
    (at,) = connection.execute("SELECT removed_at FROM inputs WHERE number = ?", (number,)).fetchone()
    return at is not None and at not in (AWAITED, LET_GO)


_FIELDS = "number, id, sha256, media_type, size, width, height"
_PRESENT = f"(removed_at IS NULL OR removed_at = '{AWAITED}')"
_ANNOTATED = "EXISTS (SELECT 1 FROM annotations WHERE input = inputs.number)"


class Shelf:
    """The pictures of a store by where they are. ``show``: tells the statistics that an input is there, or hidden."""

    def __init__(self, path: Path, database: Database, blobs: Blobs, show: Show) -> None:
        self._path = path
        self._show = show
        self._database = database
        self._blobs = blobs

    # --- looking -------------------------------------------------------------------------------------------------

    def page(self, place: Place, *, annotated: bool, before: int | None, limit: int) -> list[Stored]:
        """Visible inputs, the newest first, those with a number below ``before``."""
        condition = _ANNOTATED if annotated else f"NOT {_ANNOTATED}"
        rows = self._database.rows(
            f"SELECT {_FIELDS} FROM inputs WHERE {_PRESENT} AND awaited = ? AND number < ? AND {condition} "
            "ORDER BY number DESC LIMIT ?",
            (int(place), before if before is not None else 1 << 62, limit),
        )
        return [Stored(*row) for row in rows]

    def by_ids(self, place: Place, ids: Sequence[str]) -> list[Stored]:
        """Visible inputs by their whole ids, in that order; those that are not in that place are left out."""
        return self._by("id", place, ids)

    def by_digests(self, place: Place, digests: Sequence[str]) -> list[Stored]:
        """As ``by_ids``, by the sha256 of their pictures; one of several that share one."""
        return self._by("sha256", place, digests)

    def _by(self, column: str, place: Place, values: Sequence[str]) -> list[Stored]:
        rows = self._database.rows(
            f"SELECT {column}, {_FIELDS} FROM inputs WHERE {_PRESENT} AND awaited = ? AND {column} IN "
            f"({','.join('?' * len(values))})",
            (int(place), *values),
        )
        found = {row[0]: Stored(*row[1:]) for row in rows}
        return [found[value] for value in values if value in found]

    def older(self, than: datetime, *, after: int, limit: int) -> list[Stored]:
        """Visible inputs whose pictures are here and were added before a moment, the oldest first."""
        rows = self._database.rows(
            f"SELECT {_FIELDS} FROM inputs WHERE removed_at IS NULL AND awaited = 0 AND added_at < ? AND number > ? "
            "ORDER BY number LIMIT ?",
            (than.isoformat(timespec="microseconds"), after, limit),
        )
        return [Stored(*row) for row in rows]

    def blob(self, one: Stored) -> Path:
        """Where its bytes are, or would be."""
        return self._blobs.path(one.sha256, one.media_type)

    def copy_path(self, sha256: str) -> Path:
        """Where the small copy of a thinned picture is."""
        return self._path / "copies" / sha256[:2] / f"{sha256}.jpg"

    def view(self, one: Input | Stored) -> bytes:
        """A picture's original bytes, or its small copy's where it was thinned. Raises StoreCorrupt."""
        try:
            return self._blobs.read(one.sha256, one.media_type, f"input {one.id}")
        except StoreCorrupt:
            with translated():
                if self.copy_path(one.sha256).exists():
                    return self.copy_path(one.sha256).read_bytes()
            raise

    def original(self, one: Input) -> bytes:
        """A picture's original bytes. Raises PictureElsewhere (a remote has them), StoreCorrupt (gone, or damaged)."""
        try:
            return self._blobs.read(one.sha256, one.media_type, f"input {one.id}")
        except StoreCorrupt as error:
            if self.copy_path(one.sha256).exists():
                raise PictureElsewhere(
                    f"the original of input {one.id} was left to a remote; get it with: edge remote fetch {one.id[:12]}"
                ) from error
            raise

    # --- thinning ------------------------------------------------------------------------------------------------

    def thin(self, one: Stored, copy: bytes) -> int:
        """Keep a small copy of a picture and let its bytes go; returns how many bytes that freed.

        The copy is durable before anything goes. The caller knows that the bytes are safe elsewhere.
        """
        with translated():
            write_durably(self.copy_path(one.sha256), copy)
            with self._blobs.sweeping():  # nobody is adding the same picture at this moment
                with self._database.write() as connection:
                    connection.execute("UPDATE inputs SET awaited = 2 WHERE sha256 = ? AND awaited = 0", (one.sha256,))
                self.blob(one).unlink(missing_ok=True)
        return one.size - len(copy)

    # --- arriving ------------------------------------------------------------------------------------------------

    def arrive(self, arrived: Sequence[Arrived], *, backbone_sha256: str) -> None:
        """Make fetched files the pictures of their inputs, with their embeddings: from now on they count.

        Together or not at all. Raises BackboneChanged (the store has moved to another backbone meanwhile).
        """
        with translated(), self._blobs.adding(self._used) as adding, self._database.write() as connection:
            row = connection.execute("SELECT value FROM settings WHERE key = 'backbone_sha256'").fetchone()
            if row is not None and row[0] != backbone_sha256:
                raise BackboneChanged("the store was given another backbone meanwhile; fetch the pictures again")
            for one in arrived:
                adding.take(one.stored.sha256, one.stored.media_type, one.file)
            adding.sync()
            for one in arrived:
                self._arrive(connection, one, backbone_sha256)
        for one in arrived:
            self.copy_path(one.stored.sha256).unlink(missing_ok=True)

    def _arrive(self, connection: sqlite3.Connection, one: Arrived, backbone_sha256: str) -> None:
        """Every input that has this picture."""
        query = "SELECT number, removed_at FROM inputs WHERE sha256 = ?"
        for number, removed in connection.execute(query, (one.stored.sha256,)).fetchall():
            connection.execute(
                "INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", (number, backbone_sha256, one.embedding)
            )
            connection.execute("UPDATE inputs SET awaited = 0 WHERE number = ?", (number,))
            if removed == AWAITED:
                connection.execute("UPDATE inputs SET removed_at = NULL WHERE number = ?", (number,))
                self._show(connection, number, None, "sync")

    def unusable(self, one: Stored) -> None:
        """What arrived is no picture: it is not asked for again."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE inputs SET awaited = ? WHERE sha256 = ? AND awaited = ?",
                (int(Place.UNUSABLE), one.sha256, int(Place.AWAITED)),
            )

    def _used(self, digests: Iterable[str]) -> set[str]:
        query = "SELECT 1 FROM inputs WHERE sha256 = ? AND awaited = 0"
        return {digest for digest in digests if self._database.row(query, (digest,))}

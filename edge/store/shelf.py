"""Where pictures are: here, on their way from another device, or thinned, with a small copy left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from edge.errors import StoreCorrupt
from edge.store.blobs import Blobs
from edge.store.database import Database
from edge.store.failures import translated
from edge.store.files import write_durably


class Place(IntEnum):
    """Where an input's picture is; the column ``awaited``."""

    HERE = 0
    AWAITED = 1
    THINNED = 2


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


_FIELDS = "number, id, sha256, media_type, size, width, height"
_ANNOTATED = "EXISTS (SELECT 1 FROM annotations WHERE input = inputs.number)"


class Shelf:
    """The pictures of a store by where they are."""

    def __init__(self, path: Path, database: Database, blobs: Blobs) -> None:
        self._path = path
        self._database = database
        self._blobs = blobs

    # --- looking -------------------------------------------------------------------------------------------------

    def page(self, place: Place, *, annotated: bool, before: int | None, limit: int) -> list[Stored]:
        """Visible inputs, the newest first, those with a number below ``before``."""
        condition = _ANNOTATED if annotated else f"NOT {_ANNOTATED}"
        rows = self._database.rows(
            f"SELECT {_FIELDS} FROM inputs WHERE removed_at IS NULL AND awaited = ? AND number < ? AND {condition} "
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
            f"SELECT {column}, {_FIELDS} FROM inputs WHERE removed_at IS NULL AND awaited = ? AND {column} IN "
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

    def bytes_of(self, sha256: str, media_type: str, what: str) -> bytes:
        """A picture's original bytes, or its small copy's. Raises StoreCorrupt when there is neither."""
        try:
            return self._blobs.read(sha256, media_type, what)
        except StoreCorrupt:
            with translated():
                if self.copy_path(sha256).exists():
                    return self.copy_path(sha256).read_bytes()
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

    @contextmanager
    def arriving(self, one: Stored, file: Path) -> Iterator[None]:
        """Make a fetched file the picture of an input; the block says in the database that it is here.

        ``file`` is durable, was checked, and lies in the store's folder; it is gone afterwards.
        """
        with translated(), self._blobs.adding(self._used) as adding:
            adding.take(one.sha256, one.media_type, file)
            adding.sync()
            yield

    def _used(self, digests: Iterable[str]) -> set[str]:
        query = "SELECT 1 FROM inputs WHERE sha256 = ? AND awaited = 0"
        return {digest for digest in digests if self._database.row(query, (digest,))}

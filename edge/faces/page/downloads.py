"""Files to take home: a link works once and for a short while, because a browser's download carries no key."""

from __future__ import annotations

import csv
import io
import secrets
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edge.engine.interchange.base import Outgoing, Word
from edge.engine.interchange.csv_table import FILE, HEADER, rows_of
from edge.errors import NotFound, StoreCorrupt
from edge.store.browsing import Filter
from edge.types import Input

if TYPE_CHECKING:
    from edge.engine import Engine

_SECONDS = 300.0
_MOST = 16
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Download:
    """What a link gives: a file, or parts made while they are sent."""

    name: str
    media_type: str
    path: Path | None = None
    parts: Callable[[], Iterator[bytes]] | None = None


class Tickets:
    """Links that were promised and not used yet, with a folder for the files behind them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._folder = TemporaryDirectory(prefix="edge-page-", ignore_cleanup_errors=True)
        self._promised: dict[str, tuple[float, Download]] = {}
        self._guard = threading.Lock()

    def path(self) -> Path:
        """A place for a file that nobody else has."""
        return Path(self._folder.name) / f"{secrets.token_hex(8)}.tflite"

    def promise(self, download: Download) -> str:
        """The path of the link."""
        token = secrets.token_urlsafe(24)
        with self._guard:
            self._forget()
            self._promised[token] = (self._clock() + _SECONDS, download)
        return f"/local/download/{token}"

    def redeem(self, token: str) -> Download:
        """What a link stands for; it is used up. Raises NotFound."""
        with self._guard:
            self._forget()
            found = self._promised.pop(token, None)
        if found is None:
            raise NotFound("this link was used already or is too old; download again from the page")
        return found[1]

    def _forget(self) -> None:
        now = self._clock()
        old = [token for token, (until, _) in self._promised.items() if until < now]
        old += list(self._promised)[: max(0, len(self._promised) - _MOST)]
        for token in dict.fromkeys(old):
            _, download = self._promised.pop(token)
            if download.path is not None:
                download.path.unlink(missing_ok=True)


# --- pictures with what was said of them -----------------------------------------------------------------------------


class _Pipe(io.RawIOBase):
    """Takes what ``zipfile`` writes, until somebody fetches it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def archive(engine: Engine, wanted: Filter, ids: list[str] | None) -> Iterator[bytes]:
    """A ZIP of pictures (``pictures/<id>.<ext>``) and ``annotations.csv``, made as it is sent; it needs no space.

    Unpacked, it is what ``edge export-data --format csv`` gives. ``ids`` None: all that the filter leaves.
    """
    pipe, table = _Pipe(), io.StringIO()
    rows = csv.writer(table)
    rows.writerow(HEADER)
    names = {one.id: one.name for one in engine.concepts()}
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as out:
        for one in _inputs(engine, wanted, ids):
            file = f"pictures/{one.id}{engine.store.inputs.blob_path(one.sha256, one.media_type).suffix}"
            try:
                out.writestr(zipfile.ZipInfo(file, _moment(one)), engine.store.shelf.original(one))
            except StoreCorrupt:
                continue  # the doctor's business; the others are still wanted
            said = (
                Word(names.get(each.concept_id, each.concept_id), each.value, each.by, each.at)
                for each in one.annotations
            )
            rows.writerows(rows_of(Outgoing(one, file, tuple(said))))
            yield pipe.taken()
        out.writestr(FILE, table.getvalue().encode("utf-8", "replace"), zipfile.ZIP_DEFLATED)
    yield pipe.taken()


def _moment(one: Input) -> tuple[int, int, int, int, int, int]:
    """When it came, as a ZIP can say it: from 1980 on, and a board without a battery may wake up in 1970."""
    when = one.added_at
    return max((when.year, when.month, when.day, when.hour, when.minute, when.second), (1980, 1, 1, 0, 0, 0))


def _inputs(engine: Engine, wanted: Filter, ids: list[str] | None) -> Iterator[Input]:
    if ids is not None:
        for id in dict.fromkeys(ids):
            try:
                yield engine.input(id)
            except NotFound:
                continue
        return
    after: str | None = None
    while True:
        found, _ = engine.store.inputs.browse(replace(wanted), after=after, limit=_PAGE)
        if not found:
            return
        yield from found
        after = found[-1].id

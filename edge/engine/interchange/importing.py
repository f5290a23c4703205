"""Pictures and labels of other programs into the store."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edge.engine.interchange.base import Entry, Refused
from edge.engine.interchange.catalogue import format_of, guess, place_of
from edge.engine.interchange.reading import looks_like_digest
from edge.engine.interchange.repeated import Repeated
from edge.engine.pictures import Picture
from edge.errors import InvalidArgument, StoreUnavailable
from edge.store.names import check_name

if TYPE_CHECKING:
    from edge.engine.engine import Engine

_BATCH = 16
_MOST_REFUSED = 1000
BY = "import"
"""Who said what a format says without a name."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What ``import_data`` did: pictures that are in the store now, how many of them are new, and words taken.

    ``refused``: (source, reason) of the first thousand that were left out, of ``refused_count``.
    """

    format: str
    pictures: int
    created: int
    annotations: int
    refused: tuple[tuple[str, str], ...] = ()
    refused_count: int = 0


@dataclass(slots=True)
class _Tally:
    pictures: int = 0
    created: int = 0
    annotations: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    refused_count: int = 0

    def refuse(self, source: str, reason: str) -> None:
        self.refused_count += 1
        if len(self.refused) < _MOST_REFUSED:
            self.refused.append((source.encode("utf-8", "replace").decode(), reason))  # names are any bytes


def import_data(
    engine: Engine,
    path: str | Path,
    format: str | None = None,
    *,
    by: str = BY,
    positives_only: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Take in the pictures that a folder of another program has, with what it says of them.

    ``path``: the folder, or the file in it that describes the pictures. ``format`` None: what it looks like. What is
    said without a name is said by ``by``, now. A word that has a time does not replace one that is as new. Pictures
    that cannot be taken are listed and the others go in; a file that cannot be read is refused before anything is
    stored. Memory grows by some 100 bytes a picture. Durable when it returns.

    Raises NotFound, InvalidArgument, StoreUnavailable (what was stored before the disk was full stays).
    """
    check_name(by, "person's")
    place = place_of(Path(path))
    name = format or guess(place)
    chosen = format_of(name)
    total, repeated = 0, Repeated()
    for total, one in enumerate(chosen.entries(place, positives_only=positives_only), 1):  # all reads, before the first
        repeated.count(one, total)
        if progress and total % 1000 == 0:
            progress(0, total)
    if not total:
        raise InvalidArgument(f"{path} names no pictures; give another folder, or another --format")
    tally, done = _Tally(), 0
    entries = chosen.entries(place, positives_only=positives_only)
    with ThreadPoolExecutor(2, thread_name_prefix="edge-decode") as pool:
        while part := list(islice(entries, _BATCH)):
            try:
                _take(engine, pool, [repeated.checked(one) for one in part], by, tally)
            except StoreUnavailable as error:
                if not tally.pictures:
                    raise
                raise StoreUnavailable(f"{tally.pictures} of {total} pictures are stored, then: {error}") from error
            done += len(part)
            if progress:
                progress(done, max(total, done))
    return Imported(name, tally.pictures, tally.created, tally.annotations, tuple(tally.refused), tally.refused_count)


def _take(engine: Engine, pool: ThreadPoolExecutor, part: list[Entry | Refused], by: str, tally: _Tally) -> None:
    for one in part:
        if isinstance(one, Refused):
            tally.refuse(one.source, one.reason)
    now = engine.store.now()
    good = [_picture(one, by, now) for one in part if isinstance(one, Entry)]
    try:
        _store(engine, pool, good, by, tally)
    except InvalidArgument:  # one of them is why, and nothing of it is stored: one by one
        for single in good:
            try:
                _store(engine, pool, [single], by, tally)
            except InvalidArgument as error:
                tally.refuse(single.called or single.source, str(error))


def _store(engine: Engine, pool: ThreadPoolExecutor, pictures: list[Picture], by: str, tally: _Tally) -> None:
    stored, failures = engine.add_batch(pool, pictures, by)
    for source, error in failures:
        tally.refuse(source, str(error))
    tally.pictures += len(stored)
    tally.created += sum(new for _, new in stored)
    lost = {source for source, _ in failures}
    tally.annotations += sum(len(one.annotations) for one in pictures if (one.called or one.source) not in lost)


def _picture(one: Entry, by: str, now: datetime) -> Picture:
    said = {word.concept: (word.by or by, word.at or now) for word in one.words if word.by or word.at}
    file = os.fsencode(one.file).decode("utf-8", "replace")
    # a made-up digest must not take the place of a picture that is still to come; the true one is made again
    id = None if one.id is None or looks_like_digest(one.id) else one.id
    values = {word.concept: word.value for word in one.words}
    return Picture(one.file, one.source or file, values, id=id, metadata=one.metadata, said=said, called=file)

"""Room on the card: old pictures are left to a remote, once every byte of them was read back from there.

What stays: the embedding, the annotations, and a copy large enough for any backbone, so that training and another
backbone need no network. The original is fetched again when somebody asks for it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from PIL import Image

from edge.errors import BadImage, StoreCorrupt
from edge.image import decode
from edge.store.discarding import Unsent
from edge.store.shelf import Shelf, Stored
from edge.sync import pictures
from edge.sync.transfer import Enough, Transfer
from edge.types import Preprocessing

_CHUNK = 200
_QUALITY = 95
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Thinned:
    """``absent``: pictures that the remote does not give back whole; ``kept``: those whose copy would save nothing."""

    pictures: int
    freed: int
    absent: int
    kept: int
    stopped: str | None


def side_for(cards: Iterator[Preprocessing]) -> int:
    """Pixels of a copy's short side that are enough for every one of these backbones."""
    return max((ceil(max(one.width, one.height) / one.crop) for one in cards), default=0)


def small(data: bytes, one: Stored, side: int) -> bytes:
    """A whole, upright JPEG whose short side has ``side`` pixels. Raises BadImage."""
    short = min(one.width, one.height)
    width, height = (max(1, round(length * side / short)) for length in (one.width, one.height))
    pixels = decode(data, Preprocessing(width, height, fit="stretch", crop=1.0))[1]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()


def thin(
    shelf: Shelf,
    transfer: Transfer,
    *,
    before: datetime,
    side: int,
    enough: int | None = None,
    progress: Progress | None = None,
    unsent: Unsent = lambda _: (),
) -> Thinned:
    """Let go of originals added before a moment, the oldest first, until ``enough`` bytes are freed or all are done.

    ``unsent``: those of some pictures, by their sha256, that the remote is not known to have; they are not asked for.
    Reading them back costs as many bytes as sending them did. Raises RemoteUnavailable, RemoteRefused,
    StoreUnavailable: what was thinned until then stays so, and was safe.
    """
    count = freed = absent = kept = 0
    stopped = None
    try:
        for one, sent in _older(shelf, before, unsent):
            if enough is not None and freed >= enough:
                break
            copy = _copy(shelf, one, side) if sent else None
            if not sent:
                absent += 1
            elif copy is None:
                kept += 1
            elif not pictures.there(transfer, one.sha256, one.size):
                absent += 1
            else:
                freed += shelf.thin(one, copy)
                count += 1
            if progress is not None:
                progress(freed, enough or freed)
    except Enough as reason:
        stopped = str(reason)
    return Thinned(count, freed, absent, kept, stopped)


def _older(shelf: Shelf, before: datetime, unsent: Unsent) -> Iterator[tuple[Stored, bool]]:
    """Pictures, and whether the remote may have them."""
    after = 0
    while page := shelf.older(before, after=after, limit=_CHUNK):
        after = page[-1].number
        not_there = set(unsent([one.sha256 for one in page]))
        yield from ((one, one.sha256 not in not_there) for one in page)


def _copy(shelf: Shelf, one: Stored, side: int) -> bytes | None:
    """The copy that would stay, or None where it would save nothing or cannot be made."""
    if min(one.width, one.height) <= side or not shelf.blob(one).exists():  # another input's, thinned a moment ago
        return None
    try:
        copy = small(shelf.view(one), one, side)
    except (BadImage, StoreCorrupt):
        return None
    return copy if len(copy) < one.size else None

"""What goes first on a link that may end at any moment: annotated pictures, then uncertain ones, then the rest.

Within each the newest first. Metadata went before all of them. Nothing here holds more than a few hundred rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from edge.store.shelf import Place, Shelf, Stored

_CHUNK = 500

Unknown = Callable[[Sequence[str]], list[str]]
"""Those of some sha256 that are still to be moved."""


def in_order(shelf: Shelf, place: Place, uncertain: Sequence[str] = (), *, rest: bool = True) -> Iterator[list[Stored]]:
    """The visible inputs whose pictures are in ``place``, a few hundred at a time; ``uncertain`` are inputs' ids.

    ``rest`` False leaves out all that are not annotated.
    """
    yield from _pages(shelf, place, annotated=True)
    if not rest:
        return
    for start in range(0, len(uncertain), _CHUNK):
        yield shelf.by_ids(place, uncertain[start : start + _CHUNK])
    yield from _pages(shelf, place, annotated=False)


def _pages(shelf: Shelf, place: Place, *, annotated: bool) -> Iterator[list[Stored]]:
    before: int | None = None
    while page := shelf.page(place, annotated=annotated, before=before, limit=_CHUNK):
        before = page[-1].number
        yield page


def pending(pages: Iterator[list[Stored]], unknown: Unknown) -> Iterator[Stored]:
    """Those that are still to be moved; one of several inputs that share a picture."""
    for page in pages:
        by_digest = {one.sha256: one for one in reversed(page)}
        ordered = list(dict.fromkeys(one.sha256 for one in page))
        yield from (by_digest[digest] for digest in unknown(ordered))


def measured(pictures: Iterator[Stored]) -> tuple[int, int]:
    """How many pictures, and their bytes; what is in two groups of a plan is counted in each."""
    count = size = 0
    for one in pictures:
        count += 1
        size += one.size
    return count, size

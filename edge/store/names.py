"""What may name a concept, a model or an input."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from edge.errors import InvalidArgument


def check_name(name: str, what: str) -> str:
    """``name`` itself, if it can be typed, shown and used in a file name. Raises InvalidArgument."""
    if not name or len(name) > 128 or name != name.strip():
        raise InvalidArgument(f"a {what} name has 1 to 128 characters and no space at its ends; choose another")
    if "/" in name or "\\" in name or name in (".", "..") or name.startswith("-"):
        raise InvalidArgument(f"{name!r} cannot name a {what}: no / or \\, no leading -; choose another")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise InvalidArgument(f"{name!r} cannot name a {what}: it has control characters; choose another")
    return name


def check_names(names: str | Iterable[str], what: str) -> tuple[str, ...]:
    """Checked names without repetitions, in order; a string is one name, never its letters."""
    each = (names,) if isinstance(names, str) else names
    return tuple(dict.fromkeys(check_name(name, what) for name in each))


MOST_CONCEPTS, MOST_BYTES = 10_000, 200_000
"""Of one model: their number, and their ids together. Other devices take no longer record."""


def check_count(concepts: Sequence[str], mutually_exclusive: bool) -> None:
    """Raises InvalidArgument for too few concepts."""
    if not concepts:
        raise InvalidArgument("a model needs at least one concept; name another, or delete the model")
    if mutually_exclusive and len(concepts) == 1:
        raise InvalidArgument("a mutually exclusive model needs at least two concepts; name another")


def check_most(concepts: Sequence[str]) -> None:
    """Raises InvalidArgument for more concepts than a model can have."""
    if len(concepts) > MOST_CONCEPTS or sum(len(one.encode()) + 3 for one in concepts) > MOST_BYTES:
        raise InvalidArgument(
            f"a model has at most {MOST_CONCEPTS} concepts, with ids of at most {MOST_BYTES // 1000} kB together; "
            "make several models"
        )

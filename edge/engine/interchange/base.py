"""The seam: what a format of other programs is to us. A format is one file and one line in the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from edge.types import Input


@dataclass(frozen=True, slots=True)
class Word:
    """A concept's value, 1 (shown) or 0 (not shown); by whom and when, where that is known."""

    concept: str
    value: int
    by: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture that a format names, and what it says of it. ``id`` None: the one that the bytes give."""

    file: Path
    words: tuple[Word, ...] = ()
    source: str | None = None
    id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """What a format names and cannot be taken, with the reason."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """What somebody wants to import: a folder, or a file in it that describes the pictures."""

    root: Path
    file: Path | None = None

    def named(self, *patterns: str) -> list[Path]:
        """The file that was given, or the files of the folder with such names; hidden ones and links are left out."""
        if self.file is not None:
            return [self.file] if any(self.file.match(pattern) for pattern in patterns) else []
        found = {one for pattern in patterns for one in self.root.glob(pattern)}
        return sorted(one for one in found if one.is_file() and not self._strange(one))

    def one(self, recognised: Callable[[Path], bool], *patterns: str) -> list[Path]:
        """Those of the ``named`` files that are recognised; the only one there is whatever it is, for it to say why."""
        there = self.named(*patterns)
        return there if len(there) == 1 else [path for path in there if recognised(path)]

    def _strange(self, path: Path) -> bool:
        steps = [self.root / path.relative_to(self.root)]
        steps += [one for one in steps[0].parents if one.is_relative_to(self.root) and one != self.root]
        return any(one.is_symlink() or one.name.startswith(".") for one in steps)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A picture on its way out: ``path`` is where it will be, relative to the folder, with /."""

    input: Input
    path: str
    words: tuple[Word, ...]


class Writer(Protocol):
    """Writes the files that describe pictures; the pictures themselves are written already."""

    def add(self, one: Outgoing) -> None:
        """One more picture."""

    def finish(self) -> None:
        """Everything was added: complete the files."""


class Format(Protocol):
    """One way to lay out pictures and what is said of them."""

    def recognises(self, place: Place) -> bool:
        """Whether it looks like this format."""

    def entries(self, place: Place, *, positives_only: bool) -> Iterator[Entry | Refused]:
        """The pictures there, one by one. ``positives_only``: of siblings nothing is said, in formats that have them.

        Raises InvalidArgument when the whole cannot be read; asked twice, it gives the same.
        """

    def folder(self, words: Sequence[Word]) -> str | None:
        """The folder a picture goes to; None where the format cannot hold it. Raises InvalidArgument."""

    def writer(self, folder: Path, concepts: Sequence[str]) -> Writer:
        """Begin to describe pictures in a folder; ``concepts`` are the names of all that will be said."""

"""What several formats write alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from edge.engine.interchange.base import Outgoing


def names(one: Outgoing, value: int) -> list[str]:
    """The concepts of which this is said."""
    return [word.concept for word in one.words if word.value == value]


def facts(one: Outgoing) -> dict[str, Any]:
    """What a format has no place of its own for; ``reading.entry`` takes it back."""
    said = [
        {"concept": word.concept, "value": word.value, "by": word.by, "at": word.at and word.at.isoformat()}
        for word in one.words
    ]
    return {
        "id": one.input.id,
        "source": one.input.source,
        "added_at": one.input.added_at.isoformat(),
        "metadata": dict(one.input.metadata),
        "said": said,
    }


class JsonList:
    """A list in a file, written element by element."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._first = file, True
        file.write("[")

    def add(self, element: Any) -> None:
        """One more."""
        self._file.write(("\n" if self._first else ",\n") + json.dumps(element))
        self._first = False

    def finish(self) -> None:
        """The bracket at the end; the file stays open."""
        self._file.write("\n]")


def opened(path: Path) -> IO[str]:
    """A text file to write; JSON is ASCII, so that nothing can go wrong with it."""
    return path.open("w+", encoding="ascii")

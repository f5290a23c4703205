"""The ``imagefolder`` layout of Hugging Face ``datasets``, with ``metadata.jsonl``: a line per picture.

``concepts`` are what a picture shows and ``not_concepts`` what it does not; ``said`` has who and when. All lines have
the same columns, because ``datasets`` wants one type per column. Reading also takes ``label`` or ``labels``, texts, and
``metadata.csv`` instead, as ``datasets`` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.engine.interchange import csv_table
from edge.engine.interchange.base import Entry, Outgoing, Place, Refused, Word
from edge.engine.interchange.reading import Unusable, entry, lines, picture
from edge.engine.interchange.writing import facts, names
from edge.errors import InvalidArgument

FILE = "metadata.jsonl"
_PLACES = (FILE, f"*/{FILE}", "metadata.csv", "*/metadata.csv")


class HuggingFace:
    """``metadata.jsonl`` and ``images/``; reading also takes a ``metadata.jsonl`` per split."""

    def recognises(self, place: Place) -> bool:
        """By its file."""
        return bool(place.named(*_PLACES))

    def entries(self, place: Place, *, positives_only: bool) -> Iterator[Entry | Refused]:  # noqa: ARG002
        """The pictures of the lines."""
        found = place.named(*_PLACES)
        if not found:
            raise InvalidArgument(
                f"there is no {FILE} in {place.root}; with a folder per concept: --format imagefolder"
            )
        for path in found:
            yield from csv_table.read(path, path.parent) if path.suffix == ".csv" else _read(path)

    def folder(self, words: Sequence[Word]) -> str | None:  # noqa: ARG002
        """All go to one."""
        return "images"

    def writer(self, folder: Path, concepts: Sequence[str]) -> _Writer:  # noqa: ARG002
        """Begin the file."""
        return _Writer(folder / FILE)


class _Writer:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def add(self, one: Outgoing) -> None:
        known = facts(one)
        known["metadata"] = json.dumps(known["metadata"])  # objects of many kinds are no column
        line = {"file_name": one.path, "concepts": names(one, 1), "not_concepts": names(one, 0), **known}
        self._file.write(json.dumps(line) + "\n")

    def finish(self) -> None:
        self._file.close()


def _read(path: Path) -> Iterator[Entry | Refused]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(lines(file, path), 1):
                if line.strip():
                    yield _entry(path.parent, _object(line, f"line {number} of {path}"))
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read ({error.strerror}); check its permissions") from error


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{where} is no JSON ({type(error).__name__}); export it again") from error
    if not isinstance(found, dict):
        raise InvalidArgument(f"{where} is no JSON object; export it again")
    return found


def _entry(root: Path, row: dict[str, Any]) -> Entry | Refused:
    name = row.get("file_name")
    try:
        values = dict.fromkeys(_texts(row.get("not_concepts"), "not_concepts"), 0)
        shown = next((key for key in ("concepts", "labels", "label") if row.get(key) is not None), None)
        for concept in _texts(row.get(shown), shown) if shown else ():
            if concept in values:
                raise Unusable(f"it is said to show {concept!r} and not to show it; leave one of them")
            values[concept] = 1
        return entry(picture(root, name), values, row)
    except Unusable as error:
        return Refused(str(name)[:200], str(error))


def _texts(value: Any, key: str | None) -> list[str]:
    found = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in found):
        raise Unusable(f"its {key} is a number or something else without a name; write concepts as texts")
    return [one for one in found if one]

"""CSV and pictures: a row per picture and concept, which is also what the page's Library gives.

Reading takes such rows with the columns in any order (a picture, a concept, a value that is 1 where it is missing), a
column of several concepts with ; or | between them, or a column per concept with 1, 0 or nothing in it.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from edge.engine.interchange.base import Entry, Outgoing, Place, Refused, Word
from edge.engine.interchange.reading import (
    Unusable,
    checked,
    id_of,
    lines,
    metadata_of,
    moment,
    person,
    picture,
    source_of,
)
from edge.errors import InvalidArgument

FILE = "annotations.csv"
HEADER = ("picture", "concept", "value", "by", "at", "source", "added_at", "id", "metadata")
_PICTURE = ("picture", "file_name", "filename", "file", "path", "image", "image_path")
_CONCEPT = ("concept", "class", "label", "category")
_CONCEPTS = ("concepts", "labels", "tags", "classes")
_OTHERS = ("value", "by", "at", "source", "added_at", "id", "metadata", "split", "set")
_KNOWN = frozenset((*_PICTURE, *_CONCEPT, *_CONCEPTS, *_OTHERS))
_VALUES = {"1": 1, "0": 0, "1.0": 1, "0.0": 0, "true": 1, "false": 0}
_MOST_ROWS = 10_000
"""Of one picture."""

Row = dict[str, str]


def rows_of(one: Outgoing) -> Iterator[tuple[Any, ...]]:
    """The rows of a picture, one without a concept where nothing is said; see ``HEADER``."""
    facts = one.input.source, one.input.added_at.isoformat(), one.input.id, _text(one.input.metadata)
    for word in one.words:
        at = "" if word.at is None else word.at.isoformat()
        yield (one.path, word.concept, word.value, word.by or "", at, *facts)
    if not one.words:
        yield (one.path, "", "", "", "", *facts)


class CsvTable:
    """``annotations.csv`` and ``pictures/``."""

    file = FILE

    def recognises(self, place: Place) -> bool:
        """A CSV file that was given, or the only one of the folder."""
        return len(place.named("*.csv")) == 1

    def entries(self, place: Place, *, positives_only: bool) -> Iterator[Entry | Refused]:  # noqa: ARG002
        """The pictures of the table; rows of one picture that follow each other are one."""
        found = place.named("*.csv")
        if len(found) != 1:
            raise InvalidArgument(f"{place.root} has {len(found)} CSV files; give the path of one of them")
        yield from read(found[0], place.root)

    def folder(self, words: Sequence[Word]) -> str | None:  # noqa: ARG002
        """All go to one."""
        return "pictures"

    def writer(self, folder: Path, concepts: Sequence[str]) -> CsvWriter:  # noqa: ARG002
        """Begin the table."""
        return CsvWriter(folder / self.file)


class CsvWriter:
    """The table, row by row."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", errors="replace", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(HEADER)

    def add(self, one: Outgoing) -> None:
        """Its rows."""
        self._rows.writerows(rows_of(one))

    def finish(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path, root: Path) -> Iterator[Entry | Refused]:
    """The pictures of a table. Raises InvalidArgument when it is no table of pictures."""
    with _table(path) as (header, rows):
        columns = _Columns.of(header, path)
        if not columns.concepts:
            columns = columns.wide(header, rows, path)
    with _table(path) as (_, rows):
        for name, group in groupby(rows, key=lambda row: row[columns.picture]):
            try:
                yield _entry(root, name, group, columns)
            except Unusable as error:
                yield Refused(name[:200] or "a row without a picture", str(error))


class _Columns:
    """Which column is what."""

    def __init__(self, picture: str, concepts: Sequence[str], *, kind: str) -> None:
        self.picture, self.concepts, self.kind = picture, concepts, kind

    @classmethod
    def of(cls, header: Sequence[str], path: Path) -> _Columns:
        pictures = [name for name in _PICTURE if name in header]
        if not pictures or len(set(header)) != len(header):
            wanted = ", ".join(_PICTURE)
            raise InvalidArgument(f"{path} needs a line of headings, each once, with a picture's file: {wanted}")
        one = [name for name in _CONCEPT if name in header]
        several = [name for name in _CONCEPTS if name in header]
        return cls(pictures[0], one[:1] or several[:1], kind="one" if one else "several")

    def wide(self, header: Sequence[str], rows: Iterable[Row], path: Path) -> _Columns:
        """Every other column that holds nothing but values is a concept. Raises InvalidArgument.

        A column that holds mostly values is one with a slip of the pen in it: leaving it out would lose its labels.
        """
        names = [name for name in header if name and name not in (*_PICTURE, *_OTHERS)]
        good, strange = Counter[str](), Counter[str]()
        first: dict[str, str] = {}
        for number, row in enumerate(rows, 2):
            for name in names:
                cell = row[name].strip().lower()
                if cell in _VALUES:
                    good[name] += 1
                elif cell:
                    strange[name] += 1
                    first.setdefault(name, f"row {number} of {path} has {cell[:20]!r} in the column {name!r}")
        for name in names:
            if good[name] > strange[name] > 0:
                raise InvalidArgument(f"{first[name]}; write 1, 0 or nothing there, or take the column out")
        concepts = [name for name in names if not strange[name]]
        if names and not concepts:
            raise InvalidArgument(
                f"{path} has no column of concepts; call it concept, or make a column per concept with 1, 0 or nothing"
            )
        return _Columns(self.picture, concepts, kind="wide")

    def words(self, row: Row) -> Iterator[Word]:
        """What a row says. Raises Unusable."""
        by, at = person(row.get("by")), moment(row.get("at"))
        if self.kind == "wide":
            cells = [(name, row[name]) for name in self.concepts if row[name].strip()]
        elif not self.concepts:
            cells = []
        else:
            cell = row[self.concepts[0]]
            names = [cell] if self.kind == "one" else cell.replace("|", ";").split(";")
            cells = [(name.strip(), row.get("value", "") or "1") for name in names if name.strip()]
        for name, text in cells:
            value = _VALUES.get(text.strip().lower())
            if value is None:
                raise Unusable(f"the value of {name!r} is {text[:20]!r}; write 1, 0 or nothing")
            yield checked(Word(name, value, by, at))


def _entry(root: Path, name: str, rows: Iterable[Row], columns: _Columns) -> Entry:
    words: dict[str, Word] = {}
    first: Row | None = None
    for number, row in enumerate(rows):
        first = first or row
        if number >= _MOST_ROWS:
            raise Unusable(f"it has more than {_MOST_ROWS} rows")
        for word in columns.words(row):
            before = words.setdefault(word.concept, word)
            if before.value == word.value:
                continue
            if before.at is None or word.at is None:
                raise Unusable(f"it is said to show {word.concept!r} and not to show it; leave one of them")
            words[word.concept] = word if word.at > before.at else before
    facts = first or {}
    return Entry(
        picture(root, name, "pictures", "images"),
        tuple(words.values()),
        source_of(facts.get("source")),
        id_of(facts.get("id")),
        metadata_of(facts.get("metadata")),
    )


@contextmanager
def _table(path: Path) -> Iterator[tuple[list[str], Iterator[Row]]]:
    """The headings and the rows of a file; , ; or tab between cells. Raises InvalidArgument."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = lines(file, path)
            first = next(text, "")
            between = max(",;\t", key=first.count)
            header = [_heading(name.strip()) for name in next(csv.reader([first], delimiter=between), [])]
            yield header, _rows(csv.reader(text, delimiter=between, strict=True), header, path)
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read ({error.strerror}); check its permissions") from error


def _heading(name: str) -> str:
    """Headings that mean something are found in any case; others may be concepts, which are what they are."""
    return name.lower() if name.lower() in _KNOWN else name


def _rows(reader: Iterable[list[str]], header: Sequence[str], path: Path) -> Iterator[Row]:
    try:
        for number, cells in enumerate(reader, 2):
            if cells and len(cells) != len(header):
                raise InvalidArgument(f"row {number} of {path} has {len(cells)} cells and not {len(header)}; mend it")
            if cells:
                yield dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise InvalidArgument(f"{path} is no CSV file ({error}); export it again") from error


def _text(metadata: Any) -> str:
    return json.dumps(dict(metadata)) if metadata else ""

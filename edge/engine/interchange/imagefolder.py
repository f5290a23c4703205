"""A folder per concept with its pictures inside, as torchvision's ImageFolder and Keras read it.

Such folders can say one thing of a picture: which concept it shows. What else is known (who, when, what it does not
show) goes into a table beside them that others leave alone; on the way back it counts for pictures that are still in
the folder they were put in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.engine.interchange import csv_table
from edge.engine.interchange.base import Entry, Place, Refused, Word
from edge.engine.interchange.reading import Unusable, checked
from edge.errors import InvalidArgument
from edge.image import SUFFIXES

FILE = "edge-annotations.csv"
SPLITS = frozenset({"train", "training", "test", "val", "valid", "validation", "dev"})


class ImageFolder(csv_table.CsvTable):
    """``<concept>/<picture>``, also below ``train/``, ``test/`` and ``val/``."""

    file = FILE

    def recognises(self, place: Place) -> bool:
        """Folders with pictures inside, and no file that describes them in another way."""
        if place.file is not None:
            return False
        if (place.root / FILE).is_file():
            return True
        return not place.named("*.csv") and any(_pictures(one) for one in _classes(place.root))

    def entries(self, place: Place, *, positives_only: bool) -> Iterator[Entry | Refused]:
        """The pictures of the folders: 1 for a picture's own concept, 0 for the others unless ``positives_only``."""
        if place.file is not None:
            raise InvalidArgument(f"{place.file} is a file; give the folder that has a folder per concept")
        seen: set[str] = set()
        table = place.root / FILE
        if table.is_file() and not table.is_symlink():
            for one in csv_table.read(table, place.root):
                if isinstance(one, Entry):
                    seen.add(os.fspath(one.file))
                    yield one
        folders = _classes(place.root)
        if not folders and not seen:
            raise InvalidArgument(f"{place.root} has no sub-folders; make one per concept and put its pictures inside")
        names = sorted({one.name for one in folders})
        for folder in folders:
            yield from _of(folder, names, seen, positives_only=positives_only)

    def folder(self, words: Sequence[Word]) -> str | None:
        """The concept that a picture shows; None where it shows none."""
        shown = [word.concept for word in words if word.value]
        if len(shown) > 1:
            raise InvalidArgument(
                f"a picture shows {shown[0]!r} and {shown[1]!r}, which a folder per concept cannot say; use --format "
                "csv, or take concepts of which a picture shows one with --concept"
            )
        if shown and (shown[0].startswith(".") or shown[0].casefold() == FILE or len(os.fsencode(shown[0])) > 200):
            raise InvalidArgument(f"{shown[0]!r} cannot name a folder that others read; use --format csv")
        return shown[0] if shown else None


def _classes(root: Path) -> list[Path]:
    """The folders that are concepts, by name."""
    found = _folders(root)
    if found and all(one.name.lower() in SPLITS for one in found):
        inner = [one for split in found for one in _folders(split)]
        if inner:
            return inner
    return found


def _folders(folder: Path) -> list[Path]:
    try:
        found = [Path(one.path) for one in os.scandir(folder) if one.is_dir(follow_symlinks=False)]
    except OSError as error:
        raise InvalidArgument(f"{folder} cannot be read ({error.strerror}); check its permissions") from error
    return sorted(one for one in found if not one.name.startswith(".") and not (one / "store.sqlite").exists())


def _pictures(folder: Path) -> bool:
    return next(_files(folder), None) is not None


def _files(folder: Path) -> Iterator[Path]:
    """Everything below that is named as a picture, by name; hidden ones are left out, links are among them."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(files):
            path = Path(place) / name
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                yield path


def _of(folder: Path, names: list[str], seen: set[str], *, positives_only: bool) -> Iterator[Entry | Refused]:
    others = () if positives_only else tuple(Word(name, 0) for name in names if name != folder.name)
    try:
        words = tuple(checked(word) for word in (Word(folder.name, 1), *others))
    except Unusable as error:
        raise InvalidArgument(f"{folder} cannot name a concept: {error}") from error
    for path in _files(folder):
        if path.is_symlink():
            yield Refused(str(path), "it is a link; links are not followed")
        elif os.fspath(path) not in seen:
            yield Entry(path, words)

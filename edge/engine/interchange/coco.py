"""COCO's JSON with image-level labels: an annotation without a box says that an image shows a category.

What an image does not show are ``neg_category_ids``, as LVIS has them; ``edge`` on an image has who, when and the rest,
which others leave alone. Reading turns boxes and outlines into what the image shows.
"""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.engine.interchange.base import Entry, Outgoing, Place, Refused, Word
from edge.engine.interchange.json_stream import elements
from edge.engine.interchange.reading import MOST_WORDS, Unusable, entry, picture
from edge.engine.interchange.repeated import MOST
from edge.engine.interchange.writing import JsonList, facts, names, opened
from edge.errors import InvalidArgument

FILE = "annotations.json"
_KEYS = ("images", "annotations", "categories")
_PLACES = ("*.json", "annotations/*.json", "*/_annotations.coco.json")
_MOST_CATEGORIES = 100_000
_MOST_LABELS = 20_000_000


class Coco:
    """``annotations.json`` and ``images/``."""

    def recognises(self, place: Place) -> bool:
        """By the keys of its JSON."""
        return any(_is_coco(path) for path in place.named(*_PLACES))

    def entries(self, place: Place, *, positives_only: bool) -> Iterator[Entry | Refused]:  # noqa: ARG002
        """The images of the file."""
        found = place.one(_is_coco, *_PLACES)
        if len(found) != 1:
            there = ", ".join(str(path.relative_to(place.root)) for path in found[:10]) or "none"
            raise InvalidArgument(f"{place.root} must have one COCO file, there are: {there}; give the path of one")
        yield from _read(found[0])

    def folder(self, words: Sequence[Word]) -> str | None:  # noqa: ARG002
        """All go to one."""
        return "images"

    def writer(self, folder: Path, concepts: Sequence[str]) -> _Writer:
        """Begin the file."""
        return _Writer(folder, concepts)


class _Writer:
    """The images go straight to the file, the annotations behind them at the end."""

    def __init__(self, folder: Path, concepts: Sequence[str]) -> None:
        self._ids = {name: number for number, name in enumerate(concepts, 1)}
        categories = [{"id": number, "name": name, "supercategory": ""} for name, number in self._ids.items()]
        self._later = folder / ".annotations"
        self._file, self._rest = opened(folder / FILE), opened(self._later)
        self._file.write(f'{{"info": {{"version": "1.0"}}, "licenses": [],\n"categories": {json.dumps(categories)},\n')
        self._file.write('"images": ')
        self._images, self._annotations = JsonList(self._file), JsonList(self._rest)
        self._count = self._annotated = 0

    def add(self, one: Outgoing) -> None:
        self._count += 1
        image = {
            "id": self._count,
            "file_name": one.path.removeprefix("images/"),
            "width": one.input.width,
            "height": one.input.height,
            "neg_category_ids": [self._ids[name] for name in names(one, 0)],
            "edge": facts(one),
        }
        self._images.add(image)
        for name in names(one, 1):
            self._annotated += 1
            self._annotations.add({"id": self._annotated, "image_id": self._count, "category_id": self._ids[name]})

    def finish(self) -> None:
        self._images.finish()
        self._annotations.finish()
        self._file.write(',\n"annotations": ')
        self._rest.seek(0)
        shutil.copyfileobj(self._rest, self._file)
        self._rest.close()
        self._later.unlink()
        self._file.write("\n}\n")
        self._file.close()


def _is_coco(path: Path) -> bool:
    try:
        return any(key in _KEYS for key, _ in _first(path))
    except InvalidArgument:
        return False


def _first(path: Path) -> Iterator[tuple[str, Any]]:
    for number, one in enumerate(elements(path)):
        if number >= 1000 or one[0] == "":
            return
        yield one


class _Labels:
    """Which image shows which category, in a few bytes each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.names: dict[Any, str] = {}
        self._numbers: dict[Any, int] = {}
        self._of: dict[Any, array[int]] = {}
        self._count = 0
        for key, one in elements(path):
            if key == "categories":
                self._category(one)
            elif key == "annotations":
                self._annotation(one)
        self._keys = list(self._numbers)

    def of(self, image: Any) -> list[Any]:
        """The categories of an image."""
        return [self._keys[number] for number in self._of.get(image, ())]

    def _category(self, one: Any) -> None:
        id, name = (one.get("id"), one.get("name")) if isinstance(one, dict) else (None, None)
        if not isinstance(id, int | str) or not isinstance(name, str) or len(self.names) >= _MOST_CATEGORIES:
            raise InvalidArgument(f"{self._path} has a category without an id and a name, or too many; mend it")
        if self.names.setdefault(id, name) != name:
            raise InvalidArgument(f"{self._path} has two categories with the id {id}; give each its own")

    def _annotation(self, one: Any) -> None:
        image, category = (one.get("image_id"), one.get("category_id")) if isinstance(one, dict) else (None, None)
        if not isinstance(image, int | str) or not isinstance(category, int | str):
            if isinstance(one, dict) and image is not None and "category_id" not in one:
                return  # a caption
            raise InvalidArgument(f"{self._path} has an annotation without image_id and category_id; mend it")
        number = self._numbers.setdefault(category, len(self._numbers))
        labels = self._of.setdefault(image, array("l"))
        if len(labels) <= MOST_WORDS and number not in labels:  # one more than an image may have says that it has
            labels.append(number)
            self._count += 1
        if self._count > _MOST_LABELS or len(self._numbers) > _MOST_CATEGORIES or len(self._of) > MOST:
            raise InvalidArgument(f"{self._path} has labels of more than {MOST} images, or too many of them; split it")


def _read(path: Path) -> Iterator[Entry | Refused]:
    labels = _Labels(path)
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    folders = ["images", "data", *_beside(root, path.stem)]
    seen: set[Any] = set()
    for key, image in elements(path):
        if key != "images":
            continue
        if not isinstance(image, dict):
            raise InvalidArgument(f"{path} has an image that is no object; mend it")
        name, id = image.get("file_name"), image.get("id")
        try:
            if not isinstance(id, int | str):
                raise Unusable("it has no id")
            if id in seen:
                raise Unusable(f"another image has the id {id} too")
            seen.add(id)
            yield entry(picture(root, name, *folders), _values(image, labels), image.get("edge"))
        except Unusable as error:
            yield Refused(str(name)[:200], str(error))


def _beside(root: Path, stem: str) -> list[str]:
    """COCO's own layout: annotations/instances_val2017.json describes val2017/."""
    try:
        return sorted(one.name for one in root.iterdir() if one.name in stem and one.is_dir() and not one.is_symlink())
    except OSError:
        return []


def _values(image: dict[str, Any], labels: _Labels) -> dict[str, int]:
    missing = image.get("neg_category_ids") or []
    if not isinstance(missing, list) or not all(isinstance(one, int | str) for one in missing):
        raise Unusable("its neg_category_ids are no list of ids")
    values: dict[str, int] = {}
    for categories, value in ((missing, 0), (labels.of(image["id"]), 1)):
        for category in categories:
            if category not in labels.names:
                raise Unusable(f"it names a category {str(category)[:50]} that there is not")
            if values.setdefault(labels.names[category], value) != value:
                raise Unusable(f"it is said to show {labels.names[category]!r} and not to show it; leave one of them")
    return values

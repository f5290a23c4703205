"""What a caller may hand over as pictures, turned into a flat list of things to add."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import BadImage, EdgeError, InvalidArgument, NotFound
from edge.image import SUFFIXES, decode, encode_png, read
from edge.store import NewInput
from edge.store.names import check_names

if TYPE_CHECKING:
    from edge.backbone.base import Backbone


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture to be added: where it came from, and what its folder says about it; the rest as in ``NewInput``."""

    given: Any
    source: str
    annotations: Mapping[str, int]
    id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    said: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    called: str | None = None  # in a list of what cannot be read, where that is not its source

    def data(self) -> bytes:
        """Its encoded bytes. Raises BadImage or NotFound."""
        if isinstance(self.given, Path):
            return read(self.given)
        return self.given if isinstance(self.given, bytes) else encode_png(self.given)


def collect(given: Any, annotations: Mapping[str, int]) -> list[Picture]:
    """Paths, folders, glob patterns, encoded bytes, arrays, or an iterable of these. Raises NotFound."""
    return [picture for one in _each(given) for picture in _pictures(one, annotations)]


def collect_folders(given: Any, annotations: Mapping[str, int], *, positives_only: bool) -> list[Picture]:
    """Folders whose sub-folders are concepts: 1 for a picture's own, 0 for its siblings unless ``positives_only``."""
    found = []
    for one in _each(given):
        if not isinstance(one, str | Path):
            raise InvalidArgument(f"{type(one).__name__} is no folder; give a folder with one sub-folder per concept")
        folder = Path(one)
        names = [path.name for path in concept_folders(folder)]
        for name in names:
            others = {} if positives_only else dict.fromkeys(names, 0)
            labels = {**annotations, **others, name: 1}
            found += [_file(path, labels) for path in files_below(folder / name)]
    return found


def concept_folders(folder: Path) -> list[Path]:
    """The sub-folders of a folder, by name. Raises NotFound when there is none."""
    if not folder.is_dir():
        raise NotFound(f"{folder} is no folder; give a folder with one sub-folder per concept")
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not found:
        raise NotFound(f"{folder} has no sub-folders; make one per concept and put its pictures inside")
    return found


def files_below(folder: Path) -> list[Path]:
    """Picture files of a folder and the folders inside it, by name; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _each(given: Any) -> Iterator[Any]:
    if isinstance(given, str | Path | bytes | bytearray | memoryview) or hasattr(given, "dtype"):
        yield given
    elif isinstance(given, Iterable):
        yield from given
    else:
        raise InvalidArgument(f"{type(given).__name__} is no picture; give paths, encoded bytes or uint8 arrays")


def _pictures(one: Any, annotations: Mapping[str, int]) -> list[Picture]:
    if isinstance(one, bytes | bytearray | memoryview):
        return [Picture(bytes(one), "bytes", annotations)]
    if hasattr(one, "dtype"):
        return [Picture(one, "array", annotations)]
    if not isinstance(one, str | Path):
        raise InvalidArgument(f"{type(one).__name__} is no picture; give paths, encoded bytes or uint8 arrays")
    path = Path(one)
    if path.is_dir():
        found = files_below(path)
        if not found:
            raise NotFound(f"no pictures in {path}; give JPEG, PNG, WebP, BMP, TIFF or GIF files")
        return [_file(file, annotations) for file in found]
    if not path.exists() and glob.has_magic(str(one)):
        matches = sorted(Path(match) for match in glob.glob(str(one), recursive=True))  # noqa: PTH207 absolute patterns
        if not matches:
            raise NotFound(f"nothing matches {one}; check the pattern")
        return [_file(file, annotations) for file in matches if file.is_file()]
    return [_file(path, annotations)]


def _file(path: Path, annotations: Mapping[str, int]) -> Picture:
    # names that are not UTF-8 are legal on Linux and cannot be stored as text
    return Picture(path, os.fsencode(path).decode("utf-8", "replace"), annotations)


def labels_of(concepts: str | Iterable[str], not_concepts: str | Iterable[str]) -> dict[str, int]:
    """1 for what is shown, 0 for what is not, by checked name. Raises InvalidArgument."""
    shown, hidden = check_names(concepts, "concept"), check_names(not_concepts, "concept")
    both = set(shown) & set(hidden)
    if both:
        raise InvalidArgument(f"{min(both)!r} is both shown and not shown; give it once")
    return {**dict.fromkeys(shown, 1), **dict.fromkeys(hidden, 0)}


def loaded(picture: Picture, backbone: Backbone) -> NewInput | tuple[str, EdgeError]:
    """A picture with its embedding, ready to be stored; or what it is called and why it cannot be."""
    try:
        data = picture.data()
        facts, pixels = decode(data, backbone.card.preprocessing)
    except (BadImage, NotFound, InvalidArgument) as error:
        return picture.called or picture.source, error
    return NewInput(
        data=data,
        media_type=facts.media_type,
        width=facts.width,
        height=facts.height,
        source=picture.source,
        embedding=backbone.embed(pixels).tobytes(),
        backbone_sha256=backbone.card.sha256,
        annotations=picture.annotations,
        id=picture.id,
        metadata=picture.metadata,
        said=picture.said,
    )

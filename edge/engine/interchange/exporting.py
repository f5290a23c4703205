"""The store's pictures as a folder that other programs read."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.engine.interchange.base import Format, Outgoing, Word
from edge.engine.interchange.catalogue import format_of
from edge.errors import Conflict, InvalidArgument, PictureElsewhere, StoreCorrupt
from edge.store.failures import translated
from edge.store.files import TEMPORARY, sync_folders
from edge.store.names import check_names
from edge.types import Input

if TYPE_CHECKING:
    from edge.engine.engine import Engine

_PART = 50
_PAGE = 1000
_NO_PLACE = "nothing is said to be shown, and a folder per concept has no place for that; use --format csv"
_SAFE = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Exported:
    """What ``export_data`` did. ``left_out``: (id, reason) of pictures that could not go with the others."""

    folder: Path
    format: str
    pictures: int
    annotations: int
    left_out: tuple[tuple[str, str], ...] = ()


def export_data(
    engine: Engine,
    folder: str | Path,
    format: str,
    *,
    concepts: Iterable[str] = (),
    model: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Copy the pictures of a store and what is said of them into a new folder, in a format of others.

    ``concepts``: only these, and only pictures of which something is said about one of them; ``model``: its concepts.
    All of it or nothing: the folder appears when it is complete, and is durable then. Memory does not grow with the
    pictures' bytes.

    Raises InvalidArgument (no such format, no place for a folder, something the format cannot say), Conflict (there is
    something in the folder), NotFound (no such concept or model), StoreUnavailable (the disk is full).
    """
    chosen = format_of(format)
    place = _free(Path(folder), engine.store.path)
    wanted = _wanted(engine, check_names(concepts, "concept"), model)
    names = {one.id: one.name for one in engine.concepts() if not wanted or one.id in wanted}
    ids, left_out = _planned(engine, chosen, names, all_inputs=not wanted)
    if not ids:
        raise InvalidArgument(_nothing(left_out))
    pictures = annotations = 0
    with translated(), _appearing(place) as temporary:
        writer, taken = chosen.writer(temporary, sorted(names.values())), set[str]()
        for one in _inputs(engine, ids):
            words = _words(one, names)
            below = chosen.folder(words)
            try:
                data = engine.store.shelf.original(one)
            except (StoreCorrupt, PictureElsewhere) as error:
                left_out.append((one.id, str(error)))
                continue
            if below is not None:
                suffix = engine.store.inputs.blob_path(one.sha256, one.media_type).suffix
                outgoing = Outgoing(one, f"{below}/{_file_name(one, suffix, taken)}", words)
                _make(temporary, below)
                (temporary / outgoing.path).write_bytes(data)
                writer.add(outgoing)
                pictures, annotations = pictures + 1, annotations + len(words)
            if progress:
                progress(pictures, len(ids))
        writer.finish()
        if not pictures:
            raise InvalidArgument(_nothing(left_out))
    return Exported(place, format, pictures, annotations, tuple(left_out))


def _wanted(engine: Engine, concepts: Sequence[str], model: str | None) -> set[str]:
    """The ids of the concepts that go; none where all do. Raises NotFound, InvalidArgument."""
    if model is None:
        return {engine.store.inputs.concept_id(name) for name in concepts}
    if concepts:
        raise InvalidArgument(f"model {model!r} has its own concepts; give the model or the concepts")
    return set(engine.store.models.get(model).concepts)


def _planned(
    engine: Engine, chosen: Format, names: dict[str, str], *, all_inputs: bool
) -> tuple[list[str], list[tuple[str, str]]]:
    """The ids of what will go, oldest first, and what cannot: so that a refusal comes before anything is copied."""
    ids: list[str] = []
    left_out: list[tuple[str, str]] = []
    folders: dict[str, str] = {}
    with engine.store.reading():
        for start in range(0, engine.store.inputs.count(), _PAGE):
            for one in engine.store.inputs.page(limit=_PAGE, offset=start):
                words = _words(one, names)
                if not words and not all_inputs:
                    continue
                below = chosen.folder(words)
                if below is None:
                    left_out.append((one.id, _NO_PLACE))
                    continue
                if folders.setdefault(below.casefold(), below) != below:
                    raise InvalidArgument(
                        f"{below!r} and {folders[below.casefold()]!r} are one folder on many disks; use --format csv"
                    )
                ids.append(one.id)
    return ids, left_out


def _nothing(left_out: list[tuple[str, str]]) -> str:
    if left_out:
        return f"there is no picture to export: {left_out[0][1]}"
    return "there is no picture to export; add some with: edge add"


def _inputs(engine: Engine, ids: list[str]) -> Iterator[Input]:
    for start in range(0, len(ids), _PART):
        part = ids[start : start + _PART]
        found = engine.store.inputs.by_id(part)
        yield from (found[id] for id in part if id in found)


def _words(one: Input, names: dict[str, str]) -> tuple[Word, ...]:
    return tuple(
        Word(names[said.concept_id], said.value, said.by, said.at)
        for said in one.annotations
        if said.concept_id in names
    )


def _file_name(one: Input, suffix: str, taken: set[str]) -> str:
    """A name that any disk takes and no other picture has: the id where it can be one, else of the digest."""
    stem = one.id if _SAFE.fullmatch(one.id) else one.sha256[:32]
    name, number = f"{stem}{suffix}", 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    taken.add(name)
    return name


# --- the folder ------------------------------------------------------------------------------------------------------


def _free(folder: Path, store: Path) -> Path:
    """A place where a new folder can appear. Raises InvalidArgument, Conflict."""
    if "\0" in str(folder):
        raise InvalidArgument(f"{str(folder)!r} cannot be a folder; choose another")
    try:
        place = folder.absolute()
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise InvalidArgument(f"{folder} is no folder; choose a new one")
        if place.is_dir():
            if place.is_mount():
                raise InvalidArgument(f"{folder} is a whole disk; give a folder on it, such as {folder / 'pictures'}")
            if any(place.iterdir()):
                raise Conflict(f"there is something in {folder}; choose a new folder, or an empty one")
        elif not place.parent.is_dir():
            raise InvalidArgument(f"there is no folder {place.parent}; make it first, or choose another")
        if place.resolve().is_relative_to(store.resolve()):
            raise InvalidArgument(f"{folder} is inside the store; choose a folder elsewhere")
    except OSError as error:
        raise InvalidArgument(f"{folder} cannot be used ({error.strerror}); choose another folder") from error
    return place


def _make(folder: Path, below: str) -> None:
    """A folder for pictures. Raises InvalidArgument where the disk takes no such name: sticks refuse : and ?."""
    try:
        (folder / below).mkdir(exist_ok=True)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ):
            raise
        raise InvalidArgument(f"{below!r} cannot name a folder on this disk; use --format csv") from error


@contextmanager
def _appearing(place: Path) -> Iterator[Path]:
    """A folder beside the place, which takes the place when the block ends well and goes away when it does not."""
    temporary = place.with_name(f"{TEMPORARY}{os.urandom(8).hex()}")
    try:
        temporary.mkdir()
    except PermissionError as error:
        raise InvalidArgument(f"{place.parent} cannot be written to ({error.strerror}); choose another") from error
    try:
        yield temporary
        os.sync()  # ten thousand files at once, rather than one after the other
        _rename(temporary, place)
        sync_folders([place.parent])
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _rename(temporary: Path, place: Path) -> None:
    """An empty folder is replaced. Raises Conflict when somebody has put something there meanwhile."""
    try:
        temporary.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        raise Conflict(f"something came into {place} meanwhile; choose a new folder") from error

"""The remotes of a store by name: ``sync/remotes.json``, readable by its owner only, for URLs may hold passwords."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from edge.camera.urls import redacted
from edge.errors import Conflict, InvalidArgument, NotFound, StoreCorrupt
from edge.store.failures import translated
from edge.store.files import locked, make_folder, write_durably

FILE = "sync/remotes.json"
Pictures = Literal["all", "annotated", "none"]
PICTURES: tuple[str, ...] = get_args(Pictures)
_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Known:
    """A remote that was added. ``id``: its mark's; ``conditions``: it refuses to create what is there; ``pictures``:
    of which of the others' inputs the pictures are fetched."""

    name: str
    url: str
    id: str
    writable: bool
    conditions: bool
    pictures: Pictures = "annotated"

    @property
    def shown(self) -> str:
        """The URL without its passwords."""
        return redacted(self.url)


class Registry:
    """The remotes of one store."""

    def __init__(self, store: Path) -> None:
        self._path = store / FILE

    def all(self) -> list[Known]:
        """By name. Raises StoreCorrupt."""
        table = _read(self._path)
        try:
            return [_known(name, table[name]) for name in sorted(table)]
        except (TypeError, KeyError, ValueError) as error:
            raise StoreCorrupt(f"{self._path} cannot be read ({error}); delete it and add the remotes again") from error

    def get(self, name: str) -> Known:
        """One of them. Raises NotFound."""
        found = {one.name: one for one in self.all()}
        if name not in found:
            names = ", ".join(found) or "none yet"
            raise NotFound(f"no remote {name!r}; there are: {names}; add one with: edge remote add NAME URL")
        return found[name]

    def only(self) -> Known:
        """The one there is. Raises NotFound (none), Conflict (several)."""
        found = self.all()
        if not found:
            raise NotFound("no remote yet; add one with: edge remote add NAME URL")
        if len(found) > 1:
            raise Conflict(f"there are several remotes; name one of: {', '.join(one.name for one in found)}")
        return found[0]

    def add(self, known: Known) -> None:
        """Keep one. Raises InvalidArgument (the name), Conflict (it is taken by another)."""
        if not _NAME.fullmatch(known.name):
            raise InvalidArgument(
                f"{known.name!r} is no name of a remote; use up to 64 lower-case letters, digits, - or _"
            )
        with self._changing() as table:
            if known.name in table and table[known.name]["id"] != known.id:
                raise Conflict(f"remote {known.name!r} is another place; choose another name, or remove it first")
            table[known.name] = {key: value for key, value in asdict(known).items() if key != "name"}

    def remove(self, name: str) -> Known:
        """Forget one; what is there stays there. Raises NotFound."""
        known = self.get(name)
        with self._changing() as table:
            table.pop(name, None)
        return known

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The table, to be changed; written when the block ends well, one process at a time."""
        with translated():
            make_folder(self._path.parent)
            with locked(self._path.with_suffix(".lock"), wait=True):
                table = _read(self._path)
                yield table
                write_durably(self._path, json.dumps(table, indent=2).encode(), 0o600)


def _read(path: Path) -> dict[str, Any]:
    with translated():
        if not path.exists():
            return {}
        text = path.read_bytes()
    try:
        table = json.loads(text)
        if isinstance(table, dict):
            return table
        problem = "it is no table"
    except ValueError as error:
        problem = str(error)
    raise StoreCorrupt(f"{path} cannot be read ({problem}); delete it and add the remotes again")


def _known(name: str, row: dict[str, Any]) -> Known:
    if row["pictures"] not in PICTURES:
        raise ValueError(f"pictures {row['pictures']!r}")
    return Known(name, str(row["url"]), str(row["id"]), bool(row["writable"]), bool(row["conditions"]), row["pictures"])

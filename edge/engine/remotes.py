"""The remotes of a store: added with what they were found to be able to do, checked, and opened when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import NotFound, RemoteRefused
from edge.sync.pictures import BLOBS
from edge.sync.registry import Known, Pictures, Registry
from edge.sync.remotes.base import PAGE, Remote
from edge.sync.remotes.catalogue import open_remote, parse, secrets_of
from edge.sync.remotes.probe import Abilities, mark, probe, read_mark
from edge.sync.state import State
from edge.sync.transfer import Transfer


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at a remote found. ``pictures``, ``bytes``: of everybody's pictures that are there."""

    remote: Known
    abilities: Abilities
    pictures: int
    bytes: int
    swept: int


class Remotes:
    """The remotes of the store in a folder; ``environ`` is where credentials may be."""

    def __init__(self, store: Path, environ: Mapping[str, str]) -> None:
        self._store = store
        self._environ = environ
        self.registry = Registry(store)

    def add(self, name: str, url: str, pictures: Pictures = "annotated") -> tuple[Known, Abilities]:
        """Find out what a place can do, give it its mark, and keep it under a name.

        Raises InvalidArgument, Conflict (the name is another place's), RemoteUnavailable, RemoteRefused,
        RuntimeMissing.
        """
        parse(url)
        remote = open_remote(url, secrets_of(self._store, name), self._environ)
        try:
            found = probe(remote)
            known = Known(
                name=name,
                url=parse(url).text if "://" in url else parse(url).path,
                id=mark(remote),
                writable=found.writable,
                conditions=found.conditions,
                pictures=pictures,
            )
        finally:
            remote.close()
        self.registry.add(known)
        return known, found

    def open(self, known: Known) -> Remote:
        """Open a remote and see that it is still the one that was added.

        Raises RemoteRefused (another stick is in, or none), RemoteUnavailable.
        """
        remote = open_remote(known.url, secrets_of(self._store, known.name), self._environ)
        try:
            self._same(known, Transfer(remote))
        except BaseException:
            remote.close()
            raise
        return remote

    def _same(self, known: Known, transfer: Transfer) -> None:
        try:
            id = read_mark(transfer)
        except NotFound as error:
            raise RemoteRefused(
                f"{known.shown} is empty, and {known.name!r} was not; mount the stick, or run: edge remote remove "
                f"{known.name}, and add it again"
            ) from error
        if id != known.id:
            raise RemoteRefused(
                f"{known.shown} is another place than {known.name!r} was; put the right stick in, or add this one "
                "under a name of its own"
            )

    def check(self, name: str) -> Checked:
        """Look at everything a remote has: what is thought to be there and is not will be sent again.

        Raises NotFound, RemoteUnavailable, RemoteRefused.
        """
        known = self.registry.get(name)
        remote = self.open(known)
        try:
            transfer = Transfer(remote, conditions=known.conditions)
            abilities = probe(remote)
            count, size = self._look(known, transfer) if remote.lists else (0, 0)
            swept = remote.sweep() if hasattr(remote, "sweep") else 0
        finally:
            remote.close()
        return Checked(known, abilities, count, size, swept)

    def _look(self, known: Known, transfer: Transfer) -> tuple[int, int]:
        """Count what is there, and remember just that."""
        state = State(self._store)
        try:
            state.forget(known.id)
            after, count, size = "", 0, 0
            while page := transfer.page(BLOBS, after=after):
                whole = [one for one in page if ".parts/" not in one.key]
                state.sent(known.id, [one.key.rpartition("/")[2] for one in whole])
                count += len(whole) + sum(one.key.endswith(".parts/00000000") for one in page)
                size += sum(one.size for one in page)
                after = page[-1].key
                if len(page) < PAGE:
                    break
        finally:
            state.close()
        return count, size

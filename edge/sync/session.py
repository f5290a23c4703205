"""One meeting with a remote: labels first, both ways, then pictures, the most valuable first.

Whatever ends it, what was done stays and the next meeting goes on: a segment is named once it is whole, a manifest is
replaced after its segments are there, a picture is known to be there after its last part was answered for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from edge.errors import (
    BadSegment,
    Conflict,
    EdgeError,
    NotFound,
    RemoteRefused,
    RemoteUnavailable,
    StoreCorrupt,
    StoreUnavailable,
)
from edge.image import DEFAULT_LIMITS
from edge.store.shelf import Place, Shelf, Stored
from edge.sync import index, pictures, plan
from edge.sync.book import MANIFESTS, read_manifest
from edge.sync.contract import Book, Met, Stage
from edge.sync.registry import Known
from edge.sync.relay import Relay
from edge.sync.remotes.base import PAGE, PART, Object
from edge.sync.state import State
from edge.sync.transfer import Enough, Transfer

_HINT = ".pictures"
_MOST = 50_000
_BATCH = 16
_FEW = 16
"""So few pictures go in any order: what models think of them is not worth its time."""
_MISSES = 20
"""So many pictures in a row that are not there yet: then the others are not asked for in this meeting."""


class Meeting:
    """A store, its log and an open remote.

    ``arrived`` makes fetched files the pictures of their inputs, and returns those that are no pictures, and why.
    """

    def __init__(
        self,
        store: Path,
        shelf: Shelf,
        book: Book,
        known: Known,
        transfer: Transfer,
        *,
        arrived: Callable[[Sequence[tuple[Stored, Path]]], Sequence[tuple[Stored, str]]],
        uncertain: Callable[[], Sequence[str]] = lambda: (),
        stage: Stage = lambda _: None,
    ) -> None:
        self._incoming = store / "sync/incoming"
        self._shelf = shelf
        self._book = book
        self._known = known
        self._transfer = transfer
        self._arrived = arrived
        self._uncertain = uncertain
        self._stage = stage
        self._state = State(store)
        self._news = False
        self._relay = Relay(store)
        self._manifests_read: dict[str, bytes] = {}
        self.met = Met(known.name)

    def close(self) -> None:
        """Give the cache back; the remote is the caller's."""
        self._state.close()

    def run(self, *, push: bool = True, pull: bool = True) -> Met:
        """Send and fetch. Raises RemoteUnavailable, RemoteRefused, StoreUnavailable: what was done so far stays."""
        try:
            manifests = self._manifests()
            if push:
                self._send_log(manifests)
            if pull:
                self._fetch_logs(manifests)
            if push:
                self._carry_on(manifests)
                self._send_pictures()
            if pull:
                self._fetch_pictures(manifests)
        except Enough as reason:
            self.met.stopped = str(reason)
            self.met.to_send = plan.measured(self._sending(())) if push else (0, 0)
            self.met.to_fetch = plan.measured(self._fetching()) if pull else (0, 0)
        finally:
            self._count()
        return self.met

    def rehearse(self) -> Met:
        """What there is to do, as far as one can tell without doing it: nothing is written, here nor there."""
        self.met.to_send = plan.measured(self._sending(()))
        self.met.to_fetch = plan.measured(self._fetching())
        self._count()
        return self.met

    def _count(self) -> None:
        """Take over what was counted elsewhere."""
        if self._book.disputed:
            self.met.notes.append(
                f"{self._book.disputed} times two devices contradict each other; the later word counts, and `edge "
                "evaluate MODEL` shows them among the suspects"
            )
        counts, met = self._transfer.counts, self.met
        met.requests, met.failures = counts.requests, counts.failures
        met.bytes_sent, met.bytes_received = counts.sent, counts.received

    # --- the log -------------------------------------------------------------------------------------------------

    def _manifests(self) -> dict[str, Object]:
        """The manifests and hints that are there, by key."""
        if not self._transfer.remote.lists:
            return {key: Object(key, 0) for key in index.read(self._transfer, self._book.manifest_key)}
        found: dict[str, Object] = {}
        while page := self._transfer.page(MANIFESTS, after=max(found, default="")):
            found.update((one.key, one) for one in page)
            if len(found) > _MOST:
                raise RemoteRefused(f"{self._known.shown} has more than {_MOST} manifests; it is no remote of ours")
            if len(page) < PAGE:
                break
        return found

    def _send_log(self, manifests: dict[str, Object]) -> None:
        key = self._book.manifest_key(self._book.device)
        there = manifests.get(key)
        if there is not None and not self._book.unsent and self._is_seen(there):
            return
        manifest = self._manifest(key) if there is not None else None
        said = self._book.met(manifest)
        if said is not None:
            self.met.notes.append(said)
            key, manifest = self._book.manifest_key(self._book.device), None
        try:
            self._send_segments(manifest)
        except Conflict:  # a copy of our card was here, and was cut off before its manifest
            self.met.notes.append(self._book.fork())
            key, manifest = self._book.manifest_key(self._book.device), None
            self._send_segments(manifest)
        fresh = self._book.manifest()
        if fresh != manifest:
            self._transfer.put(key, fresh, "replace")
            index.write(self._transfer, manifests, [key])
        elif there is not None:
            self._see(there)

    def _send_segments(self, manifest: bytes | None) -> None:
        for name, segment in self._book.segments(manifest):
            self._transfer.put(name, segment, "create")
            self.met.segments_sent += 1

    def _fetch_logs(self, manifests: dict[str, Object]) -> None:
        ours = self._book.manifest_key(self._book.device)
        for key, there in manifests.items():
            if key == ours or not key.endswith(".json") or self._is_seen(there):
                continue
            device = key.removeprefix(MANIFESTS).partition(".")[0]
            try:
                self._fetch_log(device, key)
            except (RemoteUnavailable, RemoteRefused, StoreUnavailable, StoreCorrupt):
                raise
            except EdgeError as error:  # this device's log; the others' are read all the same
                self.met.refused.append((device, str(error)))
            else:
                self._see(there)
                self._news = True

    def _fetch_log(self, device: str, key: str) -> None:
        manifest = self._manifest(key)
        for name in self._book.read(device, manifest):
            segment = self._transfer.get(name, limit=PART + 1)
            self._relay.keep(device, name, segment[: PART + 1])  # before it counts: then it is never missing
            self.met.records += self._book.merge(device, manifest, name, segment)
        self._relay.keep_manifest(device, manifest)

    def _carry_on(self, manifests: dict[str, Object]) -> None:
        """Send on what was met elsewhere: others' segments that this remote has not."""
        carried = []
        for device in self._relay.devices():
            key = self._book.manifest_key(device)
            there = manifests.get(key)
            if there is not None and self._is_seen(there) and self._seen_count(key) == self._relay.count(device):
                continue
            with suppress(Conflict, BadSegment, NotFound):  # another history: who reads both will say so
                if self._carry(device, key, None if there is None else self._manifest(key)):
                    carried.append(key)
        if carried:
            index.write(self._transfer, manifests, carried)

    def _carry(self, device: str, key: str, there: bytes | None) -> bool:
        onward, manifest = self._relay.onward(device, there), self._relay.manifest(device)
        if onward is None or manifest is None:
            return False
        for name, file in onward:
            self._transfer.put(name, self._relay.read(file), "create")
            self.met.segments_carried += 1
        self._transfer.put(key, manifest, "replace")
        return True

    def _manifest(self, key: str) -> bytes:
        if key not in self._manifests_read:
            self._manifests_read[key] = self._transfer.get(key, limit=PART)
        return self._manifests_read[key]

    def _is_seen(self, there: Object) -> bool:
        return bool(there.stamp) and self._state.stamp(self._known.id, there.key) == there.stamp

    def _see(self, there: Object) -> None:
        if there.stamp:
            self._state.seen(self._known.id, there.key, there.stamp)
            if there.key in self._manifests_read:
                count = read_manifest(self._manifests_read[there.key])["segments"]
                self._state.seen(self._known.id, f"{there.key} segments", str(count))

    def _seen_count(self, key: str) -> int:
        """How many segments a device had on this remote, when its manifest was last read."""
        return int(self._state.stamp(self._known.id, f"{key} segments") or -1)

    # --- pictures ------------------------------------------------------------------------------------------------

    def _sending(self, uncertain: Sequence[str]) -> Iterator[Stored]:
        pages = plan.in_order(self._shelf, Place.HERE, uncertain)
        return plan.pending(pages, lambda digests: self._state.missing(self._known.id, digests))

    def _fetching(self) -> Iterator[Stored]:
        return plan.pending(self._awaited(), list)

    def _awaited(self) -> Iterator[list[Stored]]:
        if self._known.pictures == "none":
            return iter(())
        return plan.in_order(self._shelf, Place.AWAITED, rest=self._known.pictures == "all")

    def _send_pictures(self) -> None:
        if next(self._sending(()), None) is None:
            return
        count, total = plan.measured(self._sending(()))
        bar, done = self._stage("pushing"), 0

        def moved(size: int) -> None:
            nonlocal done
            done += size
            if bar is not None:
                bar(done, total)

        self.met.to_send = (count, total)
        uncertain = self._uncertain() if count > _FEW else ()
        try:
            for one in self._sending(uncertain):
                self._send_picture(one, moved)
        except Enough:
            with suppress(Enough):
                self._hint()
            raise
        self._hint()

    def _send_picture(self, one: Stored, moved: pictures.Moved) -> None:
        try:
            pictures.push(self._transfer, self._shelf.blob(one), one.sha256, one.size, moved)
        except StoreCorrupt as error:
            self.met.refused.append((one.id, str(error)))
            return
        self._state.sent(self._known.id, [one.sha256])
        self.met.pictures_sent += 1
        count, total = self.met.to_send
        self.met.to_send = (count - 1, total - one.size)

    def _hint(self) -> None:
        """Tell the others that there are more pictures, so that they look again; it is no more than a hint."""
        if self.met.pictures_sent:
            text = json.dumps({"sent": self.met.pictures_sent, "once": os.urandom(8).hex()}).encode()
            self._transfer.put(f"{MANIFESTS}{self._book.device}{_HINT}", text, "replace")

    def _fetch_pictures(self, manifests: dict[str, Object]) -> None:
        hints = [one for key, one in manifests.items() if key.endswith(_HINT) and not self._is_seen(one)]
        self.met.to_fetch = count, total = plan.measured(self._fetching())
        if not count:
            pictures.sweep(self._incoming)
            return
        bar, done = self._stage("pulling"), 0

        def moved(size: int) -> None:
            nonlocal done
            done += size
            if bar is not None:
                bar(done, total)

        misses = _MISSES if hints or self._news else 1
        earlier = self._missed()  # before those of today join them
        with self._landing() as land:
            for wanted in (self._untried(), earlier):
                self._until(misses, (self._fetch_picture(one, land, moved) for one in wanted))
        for one in hints:
            self._see(one)

    def _until(self, misses: int, outcomes: Iterator[bool]) -> None:
        """Go on until so many in a row were not there."""
        row = 0
        for there in outcomes:
            row = 0 if there else row + 1
            if row >= misses:
                return

    def _untried(self) -> Iterator[Stored]:
        """What is awaited, without what was not there the last time: that must not keep the others waiting."""
        return plan.pending(self._awaited(), lambda digests: self._state.not_missed(self._known.id, digests))

    def _missed(self) -> list[Stored]:
        """Some of what was not there the last time, the one that waited longest first."""
        digests = self._state.missed(self._known.id, 10 * _MISSES)
        return self._shelf.by_digests(Place.AWAITED, digests)

    def _fetch_picture(self, one: Stored, land: Callable[[Stored, Path], None], moved: pictures.Moved) -> bool:
        """False when it is not there yet."""
        if one.size > DEFAULT_LIMITS.max_bytes:
            self.met.refused.append((one.id, f"its picture is larger than {DEFAULT_LIMITS.max_bytes >> 20} MiB"))
            self._shelf.unusable(one)
            return True
        here = self._here(one)
        try:
            file = here or pictures.fetch(self._transfer, self._incoming, one.sha256, one.size, moved)
        except NotFound:
            self._state.miss(self._known.id, one.sha256)
            return False
        except pictures.Altered as error:
            self._state.miss(self._known.id, one.sha256)
            self.met.refused.append((one.id, str(error)))
        else:
            if here is None:
                self._state.sent(self._known.id, [one.sha256])  # it came from there
            land(one, file)
        return True

    def _here(self, one: Stored) -> Path | None:
        """A picture that another input has already; a copy of it, for what lands is moved."""
        found = self._shelf.blob(one)
        return pictures.copied(found, self._incoming, one.sha256) if found.exists() else None

    @contextmanager
    def _landing(self) -> Iterator[Callable[[Stored, Path], None]]:
        """Takes pictures one by one and hands them on in batches; the last batch also when something ended it."""
        batch: list[tuple[Stored, Path]] = []

        def hand_on() -> None:
            if not batch:
                return
            refused = self._arrived(tuple(batch))
            self.met.refused += [(one.id, why) for one, why in refused]
            good = len(batch) - len(refused)
            self.met.pictures_fetched += good
            self.met.to_fetch = (self.met.to_fetch[0] - good, self.met.to_fetch[1] - sum(one.size for one, _ in batch))
            batch.clear()

        def land(one: Stored, file: Path) -> None:
            batch.append((one, file))
            self._state.found(self._known.id, one.sha256)
            if len(batch) >= _BATCH:
                hand_on()

        try:
            yield land
        except StoreUnavailable:
            raise
        except BaseException:
            with suppress(EdgeError):
                hand_on()
            raise
        hand_on()

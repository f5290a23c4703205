"""The log of a store as a meeting sees it: our sealed segments, and those of others merged in order.

Sealed segments stay in ``sync/segments``: every remote gets the same ones. They and the mark that their records were
sealed are written in one transaction's time: the files first, durable, then the rows.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.errors import BadSegment, StoreCorrupt
from edge.store import Store
from edge.store.failures import translated
from edge.store.files import make_folder, write_durably
from edge.sync.device import ID, Identity, check, id_of
from edge.sync.fleet import Fleet
from edge.sync.segments import FORMAT, Head, digest, in_segments, seal, unseal

MANIFESTS = "edge/1/manifests/"
SEGMENTS = "sync/segments"
_MAX_MANIFEST = 8192
_MOST_SEGMENTS = 2**40
_FIELDS = {"format", "device", "name", "public", "segments", "digest"}


class LogBook:
    """One store's log. Implements ``edge.sync.contract.Book``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._identity = Identity.of(store.path)
        self._fleet = Fleet(store)
        self.disputed = 0
        """Contradictions that merging has found."""

    # --- ours ----------------------------------------------------------------------------------------------------

    @property
    def device(self) -> str:
        """Our id in the remote's keys."""
        return self._identity.id

    @property
    def unsent(self) -> bool:
        """Whether there are records no segment holds yet."""
        return self._store.sealing(self.device).waiting()

    def manifest_key(self, device: str) -> str:
        """Where a device's manifest is."""
        return f"{MANIFESTS}{device}.json"

    def met(self, manifest: bytes | None) -> str | None:
        """Compare with what the remote has under our id. A sentence when that was not us: then we are a new device.

        A copied card has our id and key, and a history that parted from ours.
        """
        if manifest is None:
            return None
        there = read_manifest(manifest)
        if there["device"] == self.device and self._ours(there["segments"], there["digest"]):
            return None
        return self.fork()

    def fork(self) -> str:
        """Become a new device, for another one speaks under our id; returns the sentence that says so."""
        former = self.device
        self._identity = Identity.renew(self._store.path)
        with translated():
            for path in self._folder.glob("*.seg"):
                path.unlink()
        self._store.be_another_device(former, self.device)
        return (
            "another device has been speaking under this one's id, as after a card was copied; this store goes on as a "
            f"new device, {self.device[:8]}"
        )

    def _ours(self, count: int, last: str) -> bool:
        if count > self._count:
            return False
        return count == 0 or digest(self._segment(count)) == last

    def segments(self, manifest: bytes | None) -> Iterator[tuple[str, bytes]]:
        """Our segments that the remote has not, in order: keys and bytes."""
        self._seal()
        there = 0 if manifest is None else int(read_manifest(manifest)["segments"])
        for number in range(there + 1, self._count + 1):
            yield segment_key(self.device, number), self._segment(number)

    def manifest(self) -> bytes:
        """Ours, with all of these segments."""
        count = self._count
        table: dict[str, Any] = {
            "format": FORMAT,
            "device": self.device,
            "name": self._identity.name,
            "public": base64.b64encode(self._identity.public).decode(),
            "segments": count,
            "digest": digest(self._segment(count)) if count else "",
        }
        signature = base64.b64encode(self._identity.sign(_signed(table))).decode()
        return json.dumps({**table, "signature": signature}, sort_keys=True).encode()

    def _seal(self) -> None:
        sealing = self._store.sealing(self.device)
        if not sealing.waiting():
            return
        with self._store.writing() as connection:
            number, previous = self._count, digest(self._segment(self._count)) if self._count else ""
            for records in in_segments(sealing.records(connection)):
                number += 1
                data = seal(self._identity, number, previous, records)
                previous = digest(data)
                with translated():
                    make_folder(self._folder)
                    write_durably(self._path(number), data)
            sealing.mark(connection)
            connection.execute("INSERT OR REPLACE INTO settings VALUES ('segments', ?)", (str(number),))

    @property
    def _count(self) -> int:
        return int(self._store.setting("segments") or 0)

    @property
    def _folder(self) -> Path:
        return self._store.path / SEGMENTS

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012}.seg"

    def _segment(self, number: int) -> bytes:
        try:
            return self._path(number).read_bytes()
        except OSError as error:
            raise StoreCorrupt(
                f"segment {number} of this device is missing; delete {self._store.path / 'sync/device.json'} and it "
                "goes on as a new device, without loss"
            ) from error

    # --- others' -------------------------------------------------------------------------------------------------

    def read(self, device: str, manifest: bytes) -> Iterator[str]:
        """Keys of the segments of another device that were not merged yet, in order. Raises BadSegment."""
        there = read_manifest(manifest)
        if there["device"] != device:
            raise BadSegment(f"the manifest of {device[:8]} is another device's; it was left out")
        merged, last = self._store.merged(device)
        if there["segments"] < merged:
            return  # we met it elsewhere since
        if there["segments"] == merged and there["digest"] != last:
            raise BadSegment(f"device {device[:8]} has another history than before; its copy was left out")
        allowed = self._fleet.check(device, there["segments"])
        for number in range(merged + 1, allowed + 1):
            yield segment_key(device, number)
        if merged >= allowed < there["segments"]:
            raise BadSegment(f"device {device[:8]} was revoked; what it said since was left out")

    def merge(self, device: str, manifest: bytes, key: str, segment: bytes) -> int:
        """Merge one segment; returns how many records were new. Raises BadSegment (not genuine, out of order)."""
        there = read_manifest(manifest)
        head, records = unseal(segment, base64.b64decode(there["public"]))
        merged, last = self._store.merged(device)
        if head.device != device or key != segment_key(device, head.number):
            raise BadSegment(f"segment {key} is another one than its name says; it was left out")
        if head.number <= merged:
            return 0
        if head.number > self._fleet.check(device, head.number):
            raise BadSegment(f"device {device[:8]} was revoked; what it said since was left out")
        if head.number != merged + 1 or head.previous != last:
            raise BadSegment(f"segment {head.number} of {device[:8]} does not follow the one before; it was left out")
        self._check_last(there, head, segment)
        applied = self._store.merging(self.device).apply(
            records,
            lambda connection: self._store.note_merged(
                connection, device, str(there["name"])[:64], head.number, digest(segment)
            ),
        )
        self.disputed += applied.disputed
        return applied.changed

    @staticmethod
    def _check_last(there: Mapping[str, Any], head: Head, segment: bytes) -> None:
        if head.number == there["segments"] and digest(segment) != there["digest"]:
            raise BadSegment(f"segment {head.number} of {head.device[:8]} is not the one its manifest names")


def segment_key(device: str, number: int) -> str:
    """Where a device's segment is in a remote."""
    return f"edge/1/devices/{device}/segments/{number:012}.seg"


def _signed(table: Mapping[str, Any]) -> bytes:
    return b"manifest\n" + json.dumps(table, sort_keys=True).encode()


def read_manifest(data: bytes) -> dict[str, Any]:
    """A manifest, signed by the device it is of. Raises BadSegment."""
    again = "it was left out, ask that device to send it again"
    if len(data) > _MAX_MANIFEST:
        raise BadSegment(f"a manifest is too long; {again}")
    try:
        table = json.loads(data)
        signature = base64.b64decode(table.pop("signature"), validate=True)
        public = base64.b64decode(table["public"], validate=True)
        good = (
            table.keys() == {"format", "device", "name", "public", "segments", "digest"} and table["format"] == FORMAT
        )
        good = good and type(table["segments"]) is int and 0 <= table["segments"] < _MOST_SEGMENTS
        good = good and isinstance(table["digest"], str) and ID.match(table["device"]) is not None
        if not good or id_of(public) != table["device"]:
            raise ValueError("its fields are not what they should be")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadSegment(f"a manifest cannot be read ({error}); {again}") from error
    check(public, signature, _signed(table), "a manifest")
    found: dict[str, Any] = table
    return found

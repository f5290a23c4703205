"""Others' logs carried on: what a device left on a stick gets to the bucket with whoever meets both.

Segments are kept as they were signed, so that nobody can alter what is carried. A history that is on a remote is only
ever made longer, never replaced by another.
"""

from __future__ import annotations

from pathlib import Path

from edge.store.failures import translated
from edge.store.files import make_folder, write_durably
from edge.sync.book import read_manifest, segment_key
from edge.sync.segments import digest

FOLDER = "sync/relayed"
_MANIFEST = "manifest.json"


class Relay:
    """Others' segments in ``sync/relayed`` of a store."""

    def __init__(self, store: Path) -> None:
        self._folder = store / FOLDER

    def keep(self, device: str, key: str, segment: bytes) -> None:
        """A segment that was merged, durable on return."""
        with translated():
            make_folder(self._folder / device)
            write_durably(self._folder / device / key.rpartition("/")[2], segment)

    def keep_manifest(self, device: str, manifest: bytes) -> None:
        """A manifest all of whose segments were merged, unless a longer history is here already."""
        ours = self.manifest(device)
        if ours is not None and read_manifest(ours)["segments"] >= read_manifest(manifest)["segments"]:
            return
        with translated():
            if (self._folder / device).is_dir():
                write_durably(self._folder / device / _MANIFEST, manifest)

    def devices(self) -> list[str]:
        """Whose logs are here."""
        with translated():
            return sorted(path.parent.name for path in self._folder.glob(f"*/{_MANIFEST}"))

    def manifest(self, device: str) -> bytes | None:
        """A device's, or None."""
        return self._read(self._folder / device / _MANIFEST)

    def count(self, device: str) -> int:
        """How many of a device's segments are here."""
        ours = self.manifest(device)
        return 0 if ours is None else int(read_manifest(ours)["segments"])

    def onward(self, device: str, there: bytes | None) -> list[tuple[str, Path]] | None:
        """Keys and files of the segments that a remote with this manifest has not; None: nothing to do, or not by us.

        Raises BadSegment (the manifest there is not genuine).
        """
        ours = self.manifest(device)
        if ours is None:
            return None
        count, had = read_manifest(ours)["segments"], 0
        if there is not None:
            table = read_manifest(there)
            had = table["segments"]
            if had >= count or not self._continues(device, had, table["digest"]):
                return None
        files = [(segment_key(device, number), self._file(device, number)) for number in range(had + 1, count + 1)]
        return files if all(path.exists() for _, path in files) else None

    def _continues(self, device: str, count: int, last: str) -> bool:
        if count == 0:
            return True
        segment = self._read(self._file(device, count))
        return segment is not None and digest(segment) == last

    def _file(self, device: str, number: int) -> Path:
        return self._folder / device / segment_key(device, number).rpartition("/")[2]

    def read(self, file: Path) -> bytes:
        """A segment's bytes."""
        with translated():
            return file.read_bytes()

    @staticmethod
    def _read(path: Path) -> bytes | None:
        with translated():
            return path.read_bytes() if path.exists() else None

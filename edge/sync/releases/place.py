"""Releases in a remote: read in parts, written whole, each request made again when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.sync.releases.manifest import MAX_FILE
from edge.sync.remotes.base import PART, Remote
from edge.sync.transfer import Transfer


class Place:
    """A remote as ``Trust.open`` and the publisher want it."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._transfer = Transfer(remote)

    def fetch(self, key: str) -> Iterator[bytes]:
        """An object in pieces. Raises NotFound, RemoteUnavailable, RemoteRefused."""
        start = 0
        while start <= MAX_FILE:
            piece = self._transfer.get(key, start=start, limit=PART)
            if piece or not start:
                yield piece
            if len(piece) < PART:
                return
            start += len(piece)

    def put(self, key: str, path: Path) -> None:
        """Copy a file there. Raises RemoteUnavailable, RemoteRefused."""
        self._transfer.put(key, path.read_bytes(), "replace")

    def close(self) -> None:
        """Give connections back."""
        self._remote.close()

"""What a meeting needs of the log, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

Progress = Callable[[int, int], None]
Stage = Callable[[str], Progress | None]
"""Asked for a callback of (bytes done, bytes in all) as "pushing" and "pulling" begin."""


class Book(Protocol):
    """The log, as a meeting sees it."""

    disputed: int
    """Contradictions between devices that merging has found."""

    @property
    def device(self) -> str:
        """Our id in the remote's keys."""
        ...

    @property
    def unsent(self) -> bool:
        """Whether there are records no segment holds yet."""
        ...

    def manifest_key(self, device: str) -> str:
        """Where a device's manifest is."""
        ...

    def met(self, manifest: bytes | None) -> str | None:
        """Compare with what the remote has under our id. A sentence when that was not us: then we are a new device."""
        ...

    def fork(self) -> str:
        """Become a new device, for another one speaks under our id; returns the sentence that says so."""
        ...

    def segments(self, manifest: bytes | None) -> Iterator[tuple[str, bytes]]:
        """Our segments that the remote has not, in order: keys and bytes."""
        ...

    def manifest(self) -> bytes:
        """Ours, with all of these segments."""
        ...

    def read(self, device: str, manifest: bytes) -> Iterator[str]:
        """Keys of the segments of another device that were not merged yet, in order. Raises EdgeError (not genuine)."""
        ...

    def merge(self, device: str, manifest: bytes, key: str, segment: bytes) -> int:
        """Merge one segment; returns how many records were new. Raises EdgeError (not genuine, out of order)."""
        ...


@dataclass(slots=True)
class Met:
    """What a meeting did.

    ``segments_carried``: of others, met elsewhere; ``refused``: (whose, why); ``to_send``, ``to_fetch``: pictures and
    bytes that are still to go; ``stopped``: the limit that ended it.
    """

    remote: str
    segments_sent: int = 0
    segments_carried: int = 0
    pictures_sent: int = 0
    records: int = 0
    pictures_fetched: int = 0
    requests: int = 0
    failures: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    stopped: str | None = None
    notes: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    to_send: tuple[int, int] = (0, 0)
    to_fetch: tuple[int, int] = (0, 0)

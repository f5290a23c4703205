"""The seam: where pictures come from. A ``Source`` blocks; ``edge.camera.newest.Camera`` keeps its newest picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Picture = bytes | NDArray[np.uint8]
else:
    Picture = bytes
"""Encoded bytes, or a uint8 RGB array (h, w, 3). A picture that comes encoded stays so: a JPEG is decoded once, at the
scale the backbone needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """One picture of a camera. ``at``: seconds of the clock the camera was given, for ages and differences;
    ``taken_at`` (UTC); ``number`` counts the camera's pictures from 1; ``source``: its URL without passwords, or the
    file it came from."""

    picture: Picture = field(repr=False)
    at: float
    taken_at: datetime
    number: int
    source: str


class Source(Protocol):
    """Something that gives pictures one after another, used by one thread.

    ``patient``: every picture matters, so the next is read only when the one before was taken; of others only the
    newest is kept.
    """

    patient: bool

    def read(self) -> tuple[Picture, str]:
        """Wait for the next picture; returns it with where it is from. Raises CameraUnavailable (also for "nothing for
        a while": then it is opened again), BadImage (this one is damaged, the next may be good), EndOfPictures."""

    def close(self) -> None:
        """Give the device back; ends a ``read`` of another thread soon."""


class EndOfPictures(Exception):
    """A recording has ended: nothing is wrong, and there will be no more."""

"""The backbone seam: a frozen network that turns prepared pictures into raw int8 embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.types import BackboneCard


class Backbone(Protocol):
    """An open backbone. One per process and card is enough; ``embed`` may be called from several threads."""

    @property
    def card(self) -> BackboneCard: ...

    @property
    def runtime(self) -> str:
        """What runs it, for people: "LiteRT 2.3.0, 2 threads" or "Edge TPU (usb)"."""
        ...

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.int8]:
        """(height, width, 3) uint8 RGB of the card's size -> (d,) int8, a fresh array. Raises InvalidArgument."""
        ...

    def close(self) -> None: ...

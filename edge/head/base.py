"""The head seam: what the engine asks of anything that learns concepts from embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.types import LinearTail


class Head(Protocol):
    """One trained, immutable head. ``threshold`` in [0, 1]: ``known`` below it means "none of these"."""

    @property
    def concepts(self) -> tuple[str, ...]: ...

    @property
    def threshold(self) -> float: ...

    def predict(self, embeddings: NDArray[np.int8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n, d) int8 raw embeddings -> values (n, K) in [0, 1] and known (n,) in [0, 1]."""
        ...

    def linear(self) -> LinearTail:
        """The calibrated head as weights and bias over z, for fusing into one graph."""
        ...

    def to_bytes(self) -> bytes:
        """A self-contained, pickle-free serialisation; the class's ``from_bytes`` reads it back."""
        ...

"""Raw embedding to the unit vector z that everything in the head is about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.types import EmbeddingSpec

GRID = 2.0**-15
"""z is rounded to this grid for the statistics: sums of products below 2^23 inputs are then exact in float64, so they
depend neither on order nor on the CPU, and removing cancels to the last bit."""


def transform(embeddings: NDArray[np.int8], spec: EmbeddingSpec) -> NDArray[np.float64]:
    """(n, d) int8 -> (n, d) float64 of unit length, off the grid.

    "sqrt" is RootSIFT (Arandjelovic & Zisserman, CVPR 2012): the square root of the L1-normalised vector. "signed-sqrt"
    is its form for embeddings with a sign (Perronnin et al., ECCV 2010), "l2" only normalises. An embedding of zeros
    stays zero.
    """
    x = np.asarray(_table(spec)[embeddings.view(np.uint8)])
    norm = np.sqrt(np.einsum("nd,nd->n", x, x))
    x /= np.where(norm > 0, norm, 1.0)[:, np.newaxis]
    return x


def _table(spec: EmbeddingSpec) -> NDArray[np.float64]:
    """(256,) what each raw value becomes before the length is taken out, by the value's bits."""
    values = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64) - spec.zero_point
    if spec.transform == "sqrt":
        return np.sqrt(np.maximum(values, 0.0))
    return values if spec.transform == "l2" else np.sign(values) * np.sqrt(np.abs(values))


def on_grid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """z rounded to multiples of ``GRID``, still float64."""
    out = np.asarray(z / GRID)
    np.rint(out, out=out)
    out *= GRID
    return out


class FastTransform:
    """``transform`` for one embedding at a time in float32: a table over the 256 values instead of square roots."""

    def __init__(self, spec: EmbeddingSpec) -> None:
        self._table = _table(spec).astype(np.float32)

    def __call__(self, embeddings: NDArray[np.int8]) -> NDArray[np.float32]:
        """(n, d) int8 -> (n, d) float32 of unit length (or zero)."""
        x, length = self.unscaled(embeddings)
        return np.asarray(x / np.where(length > 0, length, np.float32(1))[:, np.newaxis])

    def unscaled(self, embeddings: NDArray[np.int8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, d) float32 and their (n,) lengths, for who divides something smaller."""
        x = self._table[embeddings.view(np.uint8)]
        return x, np.sqrt(np.einsum("nd,nd->n", x, x))

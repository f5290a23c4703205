"""Raw embedding to the unit vector z that everything in the head is about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.types import EmbeddingPart, EmbeddingSpec

GRID = 2.0**-15
"""z is rounded to this grid for the statistics: sums of products below 2^23 inputs are then exact in float64, so they
depend neither on order nor on the CPU, and removing cancels to the last bit."""


def transform(embeddings: NDArray[np.int8], spec: EmbeddingSpec) -> NDArray[np.float64]:
    """(n, d) int8 -> z (n, d) float64 of unit length, off the grid.

    Each part becomes a unit vector times its weight: "sqrt" is RootSIFT (Arandjelovic & Zisserman, CVPR 2012), the
    square root of the L1-normalised vector; "signed-sqrt" its form for numbers with a sign (Perronnin et al., ECCV
    2010); "l2" only normalises. A part of zeros stays zero, and then z is shorter.
    """
    z = np.empty(embeddings.shape)
    raw = embeddings.view(np.uint8)
    for columns, part, length in spec.shares():
        x = np.asarray(_table(part)[raw[:, columns]])
        norm = np.sqrt(np.einsum("nd,nd->n", x, x))
        x *= (length / np.where(norm > 0, norm, 1.0))[:, np.newaxis]
        z[:, columns] = x
    return z


def _table(part: EmbeddingPart) -> NDArray[np.float64]:
    """(256,) what each raw value becomes before the length is taken out, by the value's bits."""
    values = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64) - part.zero_point
    if part.transform == "sqrt":
        return np.sqrt(np.maximum(values, 0.0))
    return values if part.transform == "l2" else np.sign(values) * np.sqrt(np.abs(values))


def on_grid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """z rounded to multiples of ``GRID``, still float64."""
    out = np.asarray(z / GRID)
    np.rint(out, out=out)
    out *= GRID
    return out


class FastTransform:
    """``transform`` for one embedding at a time in float32: one table over the parts' 256 values each instead of roots,
    and few calls, because here they are what costs."""

    def __init__(self, spec: EmbeddingSpec) -> None:
        shares = list(spec.shares())
        self._table = np.concatenate([_table(part) for _, part, _ in shares]).astype(np.float32)
        self._lengths = np.array([length for _, _, length in shares], dtype=np.float32)
        self._sizes = np.array([part.size for _, part, _ in shares])
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._offset = np.repeat(256 * np.arange(len(shares)), self._sizes).astype(np.uint16)

    def __call__(self, embeddings: NDArray[np.int8]) -> NDArray[np.float32]:
        """(n, d) int8 -> (n, d) float32 of unit length (or zero)."""
        x = self._table.take(embeddings.view(np.uint8) + self._offset)
        squares = np.add.reduceat(x * x, self._starts, axis=1)
        scale = self._lengths / np.sqrt(np.where(squares > 0, squares, np.float32(1)))
        x *= np.repeat(scale, self._sizes, axis=1)
        return x

"""The embedding z as the head sees it, from int8 rows and from a float network's alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.head.transform import transform
from edge.types import EmbeddingSpec


def unit(embeddings: NDArray[np.generic], spec: EmbeddingSpec) -> NDArray[np.float64]:
    """z (n, d) of (n, >= d) embeddings: int8 as a backbone gives them, or the real numbers of a float network."""
    embeddings = embeddings[:, : spec.size]
    if embeddings.dtype == np.int8:
        return transform(embeddings, spec)  # type: ignore[arg-type]
    z = np.empty(embeddings.shape)
    for columns, part, length in spec.shares():
        x = embeddings[:, columns].astype(np.float64)
        if part.transform == "sqrt":
            x = np.sqrt(np.maximum(x, 0))
        elif part.transform == "signed-sqrt":
            x = np.sign(x) * np.sqrt(np.abs(x))
        z[:, columns] = x * (length / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
    return z

"""What pictures of nothing in particular look like: the backbone's background embeddings as default negatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.head.transform import on_grid, transform
from edge.types import EmbeddingSpec


@dataclass(frozen=True, eq=False)
class Background:
    """``mean`` (d,), ``covariance`` (d, d) and ``spread`` = trace / d of the background's z, and the held-back rows.

    ``held_back`` (m, d) float64 z stay out of mean and covariance, for calibration and false-alarm rates.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    spread: float
    held_back: NDArray[np.float64]

    @classmethod
    def from_embeddings(cls, embeddings: NDArray[np.int8], spec: EmbeddingSpec, held_back: int) -> Background:
        """(n, d) int8 background embeddings, of which the last ``held_back`` rows stay out of the statistics."""
        z = on_grid(transform(embeddings, spec))
        used = z[: len(z) - held_back]
        mean = used.mean(axis=0)
        centred = used - mean
        covariance = centred.T @ centred / len(used)
        return cls(mean, covariance, float(np.trace(covariance)) / spec.size, z[len(used) :])

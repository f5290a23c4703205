"""How much quantising costs: cosine between FP32 and INT8 embeddings, and few-shot accuracy of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.types import Preprocessing
from trainer.data import concept_folders, embed_all, pictures

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parity:
    """Accuracies in [0, 1], mean over sets and seeds; ``None`` without labelled pictures."""

    images: int
    cosine_mean: float
    cosine_min: float
    float_accuracy: float | None
    int8_accuracy: float | None
    shots: int
    seeds: int

    @property
    def loss_points(self) -> float | None:
        """Percentage points that INT8 loses (negative: gains)."""
        if self.float_accuracy is None or self.int8_accuracy is None:
            return None
        return 100 * (self.float_accuracy - self.int8_accuracy)


def cosines(a: Float, b: Float) -> Float:
    """(n,) cosine of corresponding rows."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.einsum("nd,nd->n", a, b) / np.maximum(norms, 1e-12))


def few_shot(x: Float, y: NDArray[np.int64], shots: int, seed: int) -> float:
    """Accuracy of shrunk linear discriminant analysis on root embeddings from ``shots`` pictures per concept.

    The same small classifier for FP32 and INT8 embeddings, so that only the embeddings differ.
    """
    z = np.sqrt(np.maximum(x, 0))
    z /= np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    generator = np.random.Generator(np.random.PCG64(seed))
    train = np.concatenate([generator.permutation(np.flatnonzero(y == k))[:shots] for k in range(y.max() + 1)])
    test = np.setdiff1d(np.arange(len(y)), train)
    means = np.stack([z[train][y[train] == k].mean(axis=0) for k in range(y.max() + 1)])
    centred = z[train] - means[y[train]]
    scatter = centred.T @ centred
    spread = 2 * np.trace(scatter) / len(scatter)
    weights = np.linalg.solve(scatter + spread * np.eye(len(scatter)), means.T)
    guess = (z[test] @ weights - np.einsum("kd,dk->k", means, weights) / 2).argmax(axis=1)
    return float((guess == y[test]).mean())


def measure(
    representative: list[Path],
    labelled: list[Path],
    preprocessing: Preprocessing,
    float_embed: Callable[[NDArray[np.uint8]], NDArray[Any]],
    int8_embed: Callable[[NDArray[np.uint8]], NDArray[Any]],
    *,
    shots: int = 10,
    seeds: int = 5,
) -> Parity:
    """Compare both on representative pictures and on folders of concepts. ``int8_embed`` gives q - zero_point."""
    one = embed_all(representative, preprocessing, float_embed, "float embeddings").astype(np.float64)
    two = embed_all(representative, preprocessing, int8_embed, "INT8 embeddings").astype(np.float64)
    cosine = cosines(one, two)
    accuracies = []
    for folder in labelled:
        folders = concept_folders(folder)
        paths = [path for concept in folders for path in pictures(concept)]
        y = np.concatenate([np.full(len(pictures(concept)), k) for k, concept in enumerate(folders)])
        both = [embed_all(paths, preprocessing, e, folder.name).astype(np.float64) for e in (float_embed, int8_embed)]
        accuracies.append([np.mean([few_shot(x, y, shots, seed) for seed in range(seeds)]) for x in both])
    means = np.mean(accuracies, axis=0) if accuracies else (None, None)
    return Parity(
        len(cosine), float(cosine.mean()), float(cosine.min()),
        None if means[0] is None else float(means[0]), None if means[1] is None else float(means[1]), shots, seeds,
    )  # fmt: skip

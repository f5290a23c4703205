"""How much quantising costs: cosine between FP32 and INT8 embeddings, and few-shot accuracy of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import InvalidArgument
from edge.types import Preprocessing
from trainer.data import concept_folders, embed_all, pictures

Float = NDArray[np.float64]
Embed = Callable[[NDArray[np.uint8]], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Parity:
    """Accuracies in [0, 1], mean over sets and draws; ``None`` without labelled pictures.

    ``loss_error``: standard error of the loss over the draws, in percentage points; FP32 and INT8 see the same draws.
    """

    images: int
    cosine_mean: float
    cosine_min: float
    float_accuracy: float | None
    int8_accuracy: float | None
    loss_error: float | None
    sets: tuple[str, ...]
    shots: int
    seeds: int

    @property
    def loss_points(self) -> float | None:
        """Percentage points that INT8 loses (negative: gains)."""
        if self.float_accuracy is None or self.int8_accuracy is None:
            return None
        return 100 * (self.float_accuracy - self.int8_accuracy)


def cosines(a: Float, b: Float) -> Float:
    """(n,) cosine of corresponding rows; 0 where one is all zeros."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.einsum("nd,nd->n", a, b) / np.maximum(norms, 1e-12))


def few_shot(z: Float, y: NDArray[np.int64], shots: int, seed: int) -> float:
    """Accuracy of shrunk linear discriminant analysis from ``shots`` pictures per concept.

    The same small classifier for FP32 and INT8 embeddings, so that only the embeddings differ. ``z`` (n, d) as the head
    sees it, ``y`` (n,) in 0..K-1. Raises InvalidArgument when no picture is left to be judged on.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    train = np.concatenate([generator.permutation(np.flatnonzero(y == k))[:shots] for k in range(y.max() + 1)])
    test = np.setdiff1d(np.arange(len(y)), train)
    if len(test) == 0:
        raise InvalidArgument(f"no picture is left beside the {shots} per concept to learn from; add pictures")
    means = np.stack([z[train][y[train] == k].mean(axis=0) for k in range(y.max() + 1)])
    weights = _discriminant(means, z[train] - means[y[train]])
    guess = (z[test] @ weights - np.einsum("kd,dk->k", means, weights) / 2).argmax(axis=1)
    return float((guess == y[test]).mean())


def _discriminant(means: Float, centred: Float) -> Float:
    """(d, K) solution of (S + 2 tr(S)/d I) w = mean, S the scatter of the n rows of ``centred``; n << d."""
    ridge = max(2 * float(np.einsum("nd,nd->", centred, centred)) / centred.shape[1], 1e-12)
    inner = np.linalg.solve(centred @ centred.T + ridge * np.eye(len(centred)), centred @ means.T)
    return np.asarray((means.T - centred.T @ inner) / ridge)  # Woodbury: n equations instead of d


def measure(
    representative: list[Path],
    labelled: list[Path],
    preprocessing: Preprocessing,
    float_embed: Embed,
    int8_embed: Embed,
    *,
    shots: int = 10,
    seeds: int = 20,
) -> Parity:
    """Compare both on representative pictures and on folders of concepts. Both give z, as the head sees it."""
    one = embed_all(representative, preprocessing, float_embed, "float embeddings").astype(np.float64)
    two = embed_all(representative, preprocessing, int8_embed, "INT8 embeddings").astype(np.float64)
    cosine = cosines(one, two)
    both = [_accuracies(folder, preprocessing, (float_embed, int8_embed), shots, seeds) for folder in labelled]
    means = np.mean(both, axis=0) if both else None  # (2, seeds)
    return Parity(
        images=len(cosine),
        cosine_mean=float(cosine.mean()),
        cosine_min=float(cosine.min()),
        float_accuracy=None if means is None else float(means[0].mean()),
        int8_accuracy=None if means is None else float(means[1].mean()),
        loss_error=None if means is None else _standard_error(100 * (means[0] - means[1])),
        sets=tuple(folder.name for folder in labelled),
        shots=shots,
        seeds=seeds,
    )


def _accuracies(folder: Path, preprocessing: Preprocessing, embeds: tuple[Embed, ...], shots: int, seeds: int) -> Float:
    """(len(embeds), seeds) accuracies on one folder of concepts."""
    lists = [pictures(concept) for concept in concept_folders(folder)]
    paths = [path for one in lists for path in one]
    y = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    rows = [embed_all(paths, preprocessing, embed, folder.name).astype(np.float64) for embed in embeds]
    return np.array([[few_shot(x, y, shots, seed) for seed in range(seeds)] for x in rows])


def _standard_error(differences: Float) -> float:
    return float(differences.std(ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else 0.0

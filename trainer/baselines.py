"""What our head is measured beside: the classifiers that other products use, on the same embeddings and splits."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from edge.types import EmbeddingPart
from trainer.network import trainer_packages

Float = NDArray[np.float64]
Labels = NDArray[np.int64]


def plain(embeddings: NDArray[np.int8], part: EmbeddingPart) -> Float:
    """(n, d) int8 -> the real numbers of the first part, (n, part.size): the backbone's last layer as it is."""
    return part.scale * (embeddings[:, : part.size].astype(np.float64) - part.zero_point)


def logistic_regression(x: Float, y: Labels, test: Float, folds: int = 3, *, balanced: bool = False) -> Float:
    """(m, K) probabilities of scikit-learn's logistic regression, C chosen by cross-validation of the accuracy.

    Of the choices tried (raw, unit-length and standardised embeddings) raw ones served it best. ``balanced``: every
    concept weighs the same, however many pictures it has. Where no concept has ``folds`` pictures there are fewer
    folds; one picture each cannot be cross-validated, and C is scikit-learn's default.
    """
    with trainer_packages():
        from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

    folds = min(folds, int(np.bincount(y).max()))
    given = {"max_iter": 200, "tol": 1e-3, "class_weight": "balanced" if balanced else None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converging at the largest C, which cross-validation then avoids
        if folds < 2:
            model = LogisticRegression(**given).fit(x, y)
        else:
            model = LogisticRegressionCV(Cs=np.logspace(-5, 2, 8), cv=folds, **given).fit(x, y)
        return np.asarray(model.predict_proba(test), dtype=np.float64)


def cosine_prototypes(x: Float, y: Labels, test: Float) -> Float:
    """(m, K) cosines with each concept's mean: Coral's weight imprinting (Qi, Brown & Lowe 2018)."""
    x, test = _unit(x), _unit(test)
    return np.asarray(test @ _unit(np.stack([x[y == k].mean(axis=0) for k in range(int(y.max()) + 1)])).T)


def nearest_neighbours(x: Float, y: Labels, test: Float, count: int = 5) -> Float:
    """(m, K) votes of the ``count`` nearest pictures by cosine, as Teachable Machine v1 does; near ones break ties."""
    similarity = _unit(test) @ _unit(x).T
    nearest = np.argsort(-similarity, axis=1)[:, :count]
    votes = np.zeros((len(test), int(y.max()) + 1))
    for rank in range(nearest.shape[1]):
        votes[np.arange(len(test)), y[nearest[:, rank]]] += 1 + 0.01 * (count - rank)
    return votes


def _unit(x: Float) -> Float:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))

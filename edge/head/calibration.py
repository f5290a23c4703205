"""Scores to honest probabilities, fitted on leave-one-out scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Gaussian prior on (log slope, offset): with ten pictures the data alone cannot fix two numbers. Chosen over seven
# sets, with equal and unequal numbers of pictures, with and without annotated negatives.
_PRIOR_MEAN = np.array([-2.0, 0.0])
_PRIOR_WEIGHT = np.array([3.0, 1.0])
# The same on the log slope of softmax(slope * scores): (mean, weight)
_TEMPERATURE_PRIOR = (-3.8, 4.0)
_STEPS = 40


@dataclass(frozen=True, slots=True)
class Calibrator:
    """p = sigmoid(slope * score + offset) per concept, or softmax(slope * scores); ``slope``, ``offset`` (K,)."""

    slope: Array
    offset: Array
    exclusive: bool

    def values(self, scores: Array) -> Array:
        """(n, K) scores -> (n, K) values in [0, 1]."""
        x = scores * self.slope + self.offset
        return softmax(x) if self.exclusive else sigmoid(x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, e) / (1 + e))


def softmax(x: Array) -> Array:
    """Along the last axis, without overflow."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def fit_platts(
    scores: Array, positive: NDArray[np.bool_], weights: Array, start: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """Slopes and offsets (K,) of many concepts by maximum a posteriori (Platt 1999; Lin, Lin & Weng 2007).

    (n, K) each; ``weights`` count each row, 0 leaves it out. Both sides then weigh the same, together as many pictures
    as there are rows. All concepts take their Newton steps together, from ``start`` where somebody knows better.
    """
    scores, positive, weights = _used(scores, positive, weights)
    sides = np.stack([(weights * positive).sum(axis=0), (weights * ~positive).sum(axis=0)])
    share = sides.sum(axis=0) / np.maximum((sides > 0).sum(axis=0), 1)
    w = weights * np.where(positive, *(share / np.maximum(sides, 1e-12)))
    target = np.where(positive, (sides[0] + 1) / (sides[0] + 2), 1 / (sides[1] + 2))
    theta = _start(scores, positive, weights) if start is None else np.stack([np.log(start[0]), start[1]], axis=1)
    moving = np.arange(len(theta))
    for _ in range(_STEPS if len(scores) else 0):
        step = _newton_step(theta[moving], scores, w, target)
        largest = np.abs(step).max(axis=1)
        theta[moving] -= step / np.maximum(largest, 1.0)[:, np.newaxis]
        still = largest >= 1e-7  # far below what a value shows
        if not still.any():
            break
        if not still.all():
            moving, scores, w, target = moving[still], scores[:, still], w[:, still], target[:, still]
    return np.exp(theta[:, 0]), theta[:, 1]


def _start(scores: Array, positive: NDArray[np.bool_], weights: Array) -> Array:
    """(K, 2): the prior's slope, and the threshold half way between the sides, near which the scores say something."""
    theta = np.tile(_PRIOR_MEAN, (scores.shape[1], 1))
    middle = np.zeros(scores.shape[1])
    for side in (positive, ~positive):
        part = weights * side
        middle += (part * scores).sum(axis=0) / np.maximum(part.sum(axis=0), 1e-12) / 2
    theta[:, 1] = -np.exp(theta[:, 0]) * middle
    return theta


def _newton_step(theta: Array, scores: Array, w: Array, target: Array) -> Array:
    """(K, 2) step in (log slope, offset): Gauss-Newton, and what it leaves out where that bends further.

    Positive definite thanks to the prior, so it goes downhill; without the rest it would swing around the minimum.
    """
    along = np.exp(theta[:, 0]) * scores
    p = sigmoid(along + theta[:, 1])
    error = w * (p - target)
    slope, offset = (along * error).sum(axis=0), error.sum(axis=0)
    gradient = np.stack([slope, offset], axis=1)
    gradient += _PRIOR_WEIGHT * (theta - _PRIOR_MEAN)
    bend = w * np.maximum(p * (1 - p), 1e-4)
    sloped = along * bend
    aa, ab, bb = (along * sloped).sum(axis=0) + np.maximum(slope, 0), sloped.sum(axis=0), bend.sum(axis=0)
    curvature = np.stack([aa, ab, ab, bb], axis=1).reshape(-1, 2, 2) + np.diag(_PRIOR_WEIGHT)
    return np.asarray(np.linalg.solve(curvature, gradient[:, :, np.newaxis])[:, :, 0])


def _used(scores: Array, positive: NDArray[np.bool_], weights: Array) -> tuple[Array, NDArray[np.bool_], Array]:
    """The rows that count for each concept, moved to the top: with hundreds of concepts that is few of all."""
    count = int((weights > 0).sum(axis=0).max(initial=0))
    if 2 * count > len(scores):
        return scores, positive, weights
    order = np.argsort(weights <= 0, axis=0, kind="stable")[:count]
    every = np.arange(scores.shape[1])
    return scores[order, every], positive[order, every], weights[order, every]


def fit_temperature(scores: Array, correct: NDArray[np.intp], weights: Array) -> float:
    """The slope of softmax(slope * scores) by maximum a posteriori (Guo et al. 2017).

    ``scores`` (n, K); ``correct`` (n,) columns; ``weights`` (n,) count each row.
    """
    log_slope, weight = _TEMPERATURE_PRIOR
    each = np.arange(len(scores))
    for _ in range(_STEPS if len(scores) else 0):
        slope = np.exp(log_slope)
        p = softmax(slope * scores)
        expected = (p * scores).sum(axis=1)
        variance = weights @ ((p * scores**2).sum(axis=1) - expected**2)
        gradient = slope * (weights @ (expected - scores[each, correct])) + weight * (log_slope - _TEMPERATURE_PRIOR[0])
        step = gradient / (slope**2 * max(float(variance), 1e-9) + weight)
        log_slope -= float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-9:
            break
    return float(np.exp(log_slope))

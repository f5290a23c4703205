"""The scatter matrix both kinds of model share: inputs, background and the prior that keeps it invertible."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge.head.background import Background
from edge.head.statistics import Statistics

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Constants:
    """``background_weight`` (beta): what the background counts, in pictures. ``prior_share`` (nu / N): strength of the
    isotropic prior per picture. ``spread``: its size t without a background."""

    background_weight: float = 20.0
    prior_share: float = 1.0
    spread: float = 5e-4


@dataclass(frozen=True, eq=False)
class Pooled:
    """A = scatter + nu t I over N inputs plus beta background pictures (``weight`` = N + beta, ``prior`` = nu).

    (A / (weight + prior)) is the MAP covariance under an inverse-Wishart prior (Gelman et al., BDA 3, ch. 3;
    regularised discriminant analysis, Friedman 1989). nu is a constant while inputs are left out, so leaving one out
    is a rank-one change.
    """

    matrix: Array
    mean: Array
    weight: float
    prior: float
    beta: float
    background_mean: Array

    def solve(self, right: Array) -> Array:
        """A^-1 right for (d, m) ``right``; A is inverted once, however often this is called."""
        return np.asarray(self._inverse @ right)

    @cached_property
    def _inverse(self) -> Array:
        return np.asarray(np.linalg.inv(self.matrix), dtype=np.float64)

    def without_between(self, means: Array, counts: Array) -> Pooled:
        """The within-group version: total scatter about the mean becomes scatter about each group's mean."""
        about_zero = self.matrix + self.weight * np.outer(self.mean, self.mean)
        return replace(self, matrix=about_zero - (means.T * counts) @ means)


def pooled(statistics: Statistics, background: Background | None, constants: Constants) -> Pooled:
    """Total scatter of a model's inputs with the background's weight; ``background`` None is a closed environment."""
    size = statistics.spec.size
    beta = constants.background_weight if background is not None else 0.0
    mean, covariance = np.zeros(size), np.zeros((size, size))
    spread = constants.spread
    if background is not None:
        mean, covariance, spread = background.mean, background.covariance, background.spread
    weight = statistics.n + beta
    prior = constants.prior_share * max(statistics.n, 1)
    centre = (statistics.total + beta * mean) / weight
    about_zero = statistics.scatter + beta * (covariance + np.outer(mean, mean))
    matrix = about_zero - weight * np.outer(centre, centre)
    matrix[np.diag_indices(size)] += prior * spread
    return Pooled(matrix, centre, weight, prior, beta, mean)

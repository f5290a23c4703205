"""The scatter matrix both kinds of model share: inputs, background and the prior that keeps it invertible."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge.head.background import Background
from edge.head.statistics import Statistics

Array = NDArray[np.float64]
_BLOCK = 128


@dataclass(frozen=True, slots=True)
class Constants:
    """``background_weight`` (beta): what the background counts, in pictures. ``prior_share`` (nu / N): strength of the
    isotropic prior per picture. ``spread``: its size t without a background. ``shrinkage``: pictures that would have to
    be at the mean of everything, for concepts that exclude each other."""

    background_weight: float = 20.0
    prior_share: float = 1.0
    spread: float = 5e-4
    shrinkage: float = 2.0


@dataclass(frozen=True, eq=False)
class Pooled:
    """A = scatter + nu t I over N inputs plus beta background pictures (``weight`` = N + beta, ``prior`` = nu,
    ``ridge`` = nu t).

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
    ridge: float = 0.0

    def solve(self, rows: Array) -> Array:
        """A^-1 of each row of (m, d) ``rows``; A is factorised once, however often this is called."""
        lower, blocks = self._factor
        out = self.whiten(rows)
        for start, inverse in reversed(blocks):
            stop = start + len(inverse)
            out[:, start:stop] = (out[:, start:stop] - out[:, stop:] @ lower[stop:, start:stop]) @ inverse
        return out

    def whiten(self, rows: Array) -> Array:
        """L^-1 of each row of (m, d) ``rows``, A = LL': then a'A^-1 b is the inner product of whitened a and b."""
        lower, blocks = self._factor
        out = np.array(rows, order="C")
        for start, inverse in blocks:
            stop = start + len(inverse)
            out[:, start:stop] = (out[:, start:stop] - out[:, :start] @ lower[start:stop, :start].T) @ inverse.T
        return out

    @cached_property
    def _factor(self) -> tuple[Array, list[tuple[int, Array]]]:
        """L, and (start, inverse) of its diagonal blocks: numpy has no triangular solver, and by blocks nearly all of
        one is matrix products (Golub & Van Loan, 4th ed., 3.1.4)."""
        lower = np.asarray(np.linalg.cholesky(self.matrix), dtype=np.float64)
        starts = range(0, len(lower), _BLOCK)
        blocks = [(start, lower[start : start + _BLOCK, start : start + _BLOCK]) for start in starts]
        return lower, [(start, np.tril(np.linalg.inv(block))) for start, block in blocks]

    def without_between(self, means: Array, counts: Array) -> Pooled:
        """The within-group version: total scatter about the mean becomes scatter about each group's mean."""
        left = np.concatenate([means.T * -counts, self.weight * self.mean[:, np.newaxis]], axis=1)
        matrix = left @ np.concatenate([means, self.mean[np.newaxis]])
        matrix += self.matrix
        return replace(self, matrix=matrix)


def pooled(statistics: Statistics, background: Background | None, constants: Constants) -> Pooled:
    """Total scatter of a model's inputs with the background's weight; ``background`` None is a closed environment."""
    size = statistics.spec.size
    beta = constants.background_weight if background is not None else 0.0
    mean, spread = np.zeros(size), constants.spread
    if background is not None:
        mean, spread = background.mean, background.spread
    weight = statistics.n + beta
    prior = constants.prior_share * max(statistics.n, 1)
    centre = (statistics.total + beta * mean) / weight
    # in place where it can be: at 1 280 dimensions every copy is 13 MB
    matrix = np.stack([beta * mean, -weight * centre], axis=1) @ np.stack([mean, centre])
    matrix += statistics.scatter
    if background is not None:
        matrix += beta * background.covariance
    matrix[np.diag_indices(size)] += prior * spread
    return Pooled(matrix, centre, weight, prior, beta, mean, prior * spread)

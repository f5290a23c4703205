"""Mutually exclusive concepts: linear discriminant analysis with equal priors (Rao 1948; ESL 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.head.familiarity import left_out_distances
from edge.head.pooled import Pooled

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Exclusive:
    """Scores g_k(z) = (N + nu)(v_k'z - m_k'v_k / 2), v_k = A^-1 m_k, over the K taught concepts.

    ``means`` (G, d) and ``counts`` (G,): the concepts', then "none of these" when it has any weight.
    """

    base: Pooled
    weights: Array
    bias: Array
    means: Array
    counts: Array

    def scores(self, z: Array) -> Array:
        """(n, d) -> (n, K) scores before calibration."""
        return z @ self.weights.T + self.bias

    def leave_one_out(
        self, z: Array, groups: NDArray[np.int64], white: Array | None = None
    ) -> tuple[Array, NDArray[np.bool_]]:
        """(n, K) scores without the input itself, and (n,) which rows have them.

        ``groups`` (n, G) membership. Scores of a left-out row are -D_k / 2, the same up to a constant per row. A row
        without a group takes no part in the fit and keeps its plain score; the only row of its group is not evaluable.
        ``white`` = z whitened by the fit's scatter, (n, d), where somebody has it already.
        """
        scores = self.scores(z)
        member = groups.any(axis=1)
        alone = member & (self.counts[np.minimum(groups.argmax(axis=1), len(self.counts) - 1)] <= 1)
        rows = np.flatnonzero(member & ~alone)
        if len(rows):
            white = self.base.whiten(z[rows]) if white is None else white[rows]
            scores[rows] = -0.5 * self.left_out_distances(white, groups[rows], self.means[: len(self.weights)])
        return scores, ~alone

    def left_out_distances(self, white: Array, groups: NDArray[np.int64], points: Array) -> Array:
        """(n, P) distances of rows, each with a group that has another row, to (P, d) ``points``, themselves left out.

        ``white`` (n, d): the rows whitened. ``points`` begin with the concepts' means; those after them do not move
        when a row is left out.
        """
        kind = groups.argmax(axis=1)
        concepts = len(self.weights)
        counts = np.full(len(points), 2.0)
        counts[:concepts] = self.counts[:concepts]
        own = np.zeros((len(white), len(points)), dtype=bool)
        own[:, :concepts] = groups[:, :concepts] == 1
        eta = self.counts[kind] / (self.counts[kind] - 1)
        return left_out_distances(
            self.base, white, points=points, own=own, counts=counts, centres=self.means, centre=kind, eta=eta
        )


def fit_exclusive(base: Pooled, counts: Array, sums: Array) -> Exclusive:
    """Fit from (K + 1,) counts and (K + 1, d) sums; the last group is "none" and gets the background."""
    counts, sums = counts.copy(), sums.copy()
    counts[-1] += base.beta
    sums[-1] += base.beta * base.background_mean
    if counts[-1] == 0:
        counts, sums = counts[:-1], sums[:-1]
        concepts = len(counts)
    else:
        concepts = len(counts) - 1
    means = sums / counts[:, np.newaxis]
    within = base.without_between(means, counts)
    v = within.solve(means[:concepts])
    scale = within.weight + within.prior
    bias = -scale * np.einsum("kd,kd->k", v, means[:concepts]) / 2
    return Exclusive(within, scale * v, bias, means, counts)

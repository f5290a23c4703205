"""Mutually exclusive concepts: linear discriminant analysis with equal priors (Rao 1948; ESL 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.head.familiarity import left_out_distances
from edge.head.moments import Downdate, shared, without
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
        self, z: Array, groups: NDArray[np.int64], white: Array | None = None, moment: NDArray[np.intp] | None = None
    ) -> tuple[Array, NDArray[np.bool_]]:
        """(n, K) scores without the input itself, and (n,) which rows may be judged by them.

        ``groups`` (n, G) membership. ``moment`` (n,): rows of one moment are left out together. Scores of a left-out
        row are -D_k / 2, the same up to a constant per row. A row without a group takes no part in the fit and keeps
        its plain score, unless one of its moment does; where a group would lose its last row, it is not evaluable.
        ``white`` = z whitened by the fit's scatter, (n, d), where somebody has it already.
        """
        white = self.base.whiten(z) if white is None else white
        distances, left_out, evaluable = self.left_out_distances(white, groups, self.means[: len(self.weights)], moment)
        return self.left_out_scores(z, distances, left_out), evaluable

    def left_out_scores(self, z: Array, distances: Array, left_out: NDArray[np.bool_]) -> Array:
        """(n, K) scores from ``left_out_distances``."""
        scores = self.scores(z)
        scores[left_out] = -0.5 * distances[left_out, : len(self.weights)]
        return scores

    def left_out_distances(
        self, white: Array, groups: NDArray[np.int64], points: Array, moment: NDArray[np.intp] | None = None
    ) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
        """(n, P) distances of rows to (P, d) ``points``, themselves left out; (n,) where they are; (n,) evaluable.

        ``white`` (n, d): the rows whitened. ``points`` begin with the concepts' means; those after them do not move
        when a row is left out. Rows whose moment is all that a group has are left out one by one, and not evaluable.
        """
        member = np.asarray(groups.any(axis=1))
        kind = groups.argmax(axis=1)
        evaluable = ~(member & (self.counts[np.minimum(kind, len(self.counts) - 1)] <= 1))
        left_out = member & evaluable
        distances = np.zeros((len(white), len(points)))
        if left_out.any():
            distances[left_out] = self._without_one(white[left_out], groups[left_out], points)
        centres, points = self.base.whiten(self.means), self.base.whiten(points)
        for rows in [] if moment is None else shared(moment):
            leaving = rows[member[rows]]
            if len(leaving) and not self._keeps_all(groups[leaving]):
                evaluable[rows] = False
            elif len(leaving):
                left_out[rows] = True
                distances[rows] = self._without_moment(white[rows], white[leaving], groups[leaving], centres, points)
        return distances, left_out, evaluable

    def _keeps_all(self, leaving: NDArray[np.int64]) -> bool:
        """Whether every group that rows leave still has others."""
        count = leaving.sum(axis=0)[: len(self.counts)]
        return bool((self.counts[count > 0] - count[count > 0] > 1e-9).all())

    def _without_one(self, white: Array, groups: NDArray[np.int64], points: Array) -> Array:
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

    def _without_moment(
        self, white: Array, leaving: Array, groups: NDArray[np.int64], centres: Array, points: Array
    ) -> Array:
        """Distances of (m, d) rows to (P, d) points without the (l, d) ``leaving``, of ``groups``; all whitened."""
        concepts = len(self.weights)
        change = Downdate.of(leaving, groups.argmax(axis=1), centres, self.counts)
        points = points.copy()
        points[:concepts] = without(points[:concepts], self.counts[:concepts], leaving, groups[:, :concepts] == 1)[0]
        return (self.base.weight - len(leaving) + self.base.prior) * change.distances(white, points)


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

"""Mutually exclusive concepts: linear discriminant analysis with equal priors (Rao 1948; ESL 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

    def leave_one_out(self, z: Array, groups: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
        """(n, K) scores without the input itself, and (n,) which rows have them.

        ``groups`` (n, G) membership. Scores of a left-out row are -D_k / 2, the same up to a constant per row. A row
        without a group takes no part in the fit and keeps its plain score; the only row of its group is not evaluable.
        """
        scores = self.scores(z)
        kind = groups.argmax(axis=1)
        member = groups.any(axis=1)
        alone = member & (self.counts[np.minimum(kind, len(self.counts) - 1)] <= 1)
        rows = np.flatnonzero(member & ~alone)
        if len(rows):
            scores[rows] = self._left_out(z[rows], kind[rows])
        return scores, ~alone

    def _left_out(self, z: Array, kind: NDArray[np.intp]) -> Array:
        base, concepts = self.base, len(self.weights)
        white_means, white = base.whiten(self.means), base.whiten(z)
        among, with_z = white_means @ white_means.T, white @ white_means.T
        own = np.einsum("nd,nd->n", white, white)
        each = np.arange(len(z))
        count = self.counts[kind]
        eta = count / (count - 1)
        to_own = with_z[each, kind][:, np.newaxis]
        h = own - 2 * to_own[:, 0] + among[kind, kind]
        # v = z - m_k, r = z - m_c: the brackets <v, v> and <v, r>
        vv = own[:, np.newaxis] - 2 * with_z + np.diag(among)
        vr = own[:, np.newaxis] - to_own - with_z + among[kind]
        distance = vv + (eta / (1 - eta * h))[:, np.newaxis] * vr**2
        distance[each, kind] = eta**2 * h / (1 - eta * h)
        return np.asarray(-(base.weight - 1 + base.prior) / 2 * distance[:, :concepts])


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

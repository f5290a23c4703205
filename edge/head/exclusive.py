"""Mutually exclusive concepts: linear discriminant analysis with equal priors (Rao 1948; ESL 4.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.head.familiarity import Shrunk, left_out_distances
from edge.head.moments import Downdate, shared, without
from edge.head.pooled import Pooled

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What a fit says of its own rows without them.

    ``distances`` (n, P): to the concepts' points and to fixed ones; ``counts`` (n, K): the pictures then behind each
    concept; ``own`` (n,): distance to the plain mean of the rest of its concept, NaN where there is none;
    ``left_out`` (n,): a row that took part and could be left out; ``evaluable`` (n,): and may be judged by it.
    """

    distances: Array
    counts: Array
    own: Array
    left_out: NDArray[np.bool_]
    evaluable: NDArray[np.bool_]

    def noise(self, kind: NDArray[np.intp], shares: Array) -> float:
        """What a mean of one picture adds to distances: a picture is noise (1 + 1/n) from the mean of n others.

        ``kind`` (n,): the concept of each row that has one. ``shares`` (n,) weigh the rows. 0 where no row can tell.
        """
        rows = np.flatnonzero(np.isfinite(self.own))
        if not len(rows):
            return 0.0
        others = self.counts[rows, kind[rows]]
        return float(np.average(self.own[rows] / (1 + 1 / others), weights=shares[rows]))


@dataclass(frozen=True, eq=False)
class Exclusive:
    """Scores of the K taught concepts from distances D_k to points p_k: g_k(z) = -(D_k(z) - s_k^2 noise / n_k) / 2,
    less the |z|^2 that all share: linear in z.

    p_k = c + s_k (m_k - c), s_k = n_k / (n_k + ``shrinkage``), c the mean of everything: means of few pictures are
    pulled in (empirical Bayes: James & Stein 1961; Efron & Morris 1973), and are excused for the distance that their
    own uncertainty adds, which would favour concepts with more pictures. ``means`` (G, d), ``counts`` (G,): the
    concepts', then "none of these" when it has any weight. c and noise, like the prior, are constants while inputs are
    left out.
    """

    base: Pooled
    weights: Array
    bias: Array
    means: Array
    counts: Array
    shrinkage: float
    noise: float = 0.0

    @property
    def points(self) -> Array:
        """(K, d) p_k."""
        return _pulled(self.means[: len(self.weights)], self.base.mean, self._share(self._counts))

    def excess(self, counts: Array) -> Array:
        """(..., K) what the uncertainty of points behind ``counts`` (..., K) pictures adds to distances."""
        return np.asarray(self._share(counts) ** 2 * self.noise / np.maximum(counts, 1e-12))

    def scores(self, z: Array) -> Array:
        """(n, d) -> (n, K) scores before calibration."""
        return np.asarray(z @ self.weights.T + self.bias)

    def with_noise(self, noise: float) -> Exclusive:
        """The same with another ``noise``."""
        other = replace(self, noise=noise)
        return replace(other, bias=self.bias + (other.excess(self._counts) - self.excess(self._counts)) / 2)

    def leave_one_out(
        self, z: Array, groups: NDArray[np.int64], moment: NDArray[np.intp] | None = None
    ) -> tuple[Array, NDArray[np.bool_]]:
        """(n, K) scores without the input itself, and (n,) which rows may be judged by them: see ``leave_out``."""
        out = self.leave_out(self.base.whiten(z), groups, moment=moment)
        return self.left_out_scores(z, out), out.evaluable

    def left_out_scores(self, z: Array, out: LeftOut) -> Array:
        """(n, K) scores of rows that are left out, the same up to a constant per row; plain ones of the others."""
        scores = self.scores(z)
        distances = out.distances[:, : len(self.weights)] - self.excess(out.counts)
        scores[out.left_out] = -0.5 * distances[out.left_out]
        return scores

    def leave_out(
        self,
        white: Array,
        groups: NDArray[np.int64],
        fixed: Array | None = None,
        moment: NDArray[np.intp] | None = None,
    ) -> LeftOut:
        """Leave every row out in turn (Lachenbruch & Mickey 1968), rows of one moment together.

        ``white`` (n, d): the rows whitened; ``groups`` (n, G) membership; ``fixed`` (F, d): points that do not move, to
        measure distances to; ``moment`` (n,). A row without a group takes no part, unless one of its moment does.
        Where a group would lose its last row, its rows are not evaluable: left out one by one when it has several.
        """
        member = np.asarray(groups.any(axis=1))
        kind = groups.argmax(axis=1)
        concepts = len(self.weights)
        left_out = member & (self.counts[np.minimum(kind, len(self.counts) - 1)] > 1)
        fixed = np.empty((0, white.shape[1])) if fixed is None else fixed
        distances = np.zeros((len(white), concepts + len(fixed)))
        counts = self._counts - (groups[:, :concepts] == 1)
        own = np.full(len(white), np.nan)
        if left_out.any():
            distances[left_out], own[left_out] = self._without_one(white[left_out], groups[left_out], fixed)
        evaluable = ~member | left_out
        together = [] if moment is None else list(shared(moment))
        whitened = self._whitened(fixed) if together else None
        for rows in together:
            leaving = rows[member[rows]]
            if len(leaving) and not self._keeps_all(groups[leaving]):
                evaluable[rows] = False
            elif len(leaving) and whitened is not None:
                left_out[rows] = True
                found = self._without_moment(white[rows], white[leaving], groups[leaving], *whitened)
                distances[rows], counts[rows], to_means = found
                own[rows] = to_means[np.arange(len(rows)), np.minimum(kind[rows], concepts - 1)]
        own[~groups[:, :concepts].any(axis=1)] = np.nan
        return LeftOut(distances, counts, own, left_out, evaluable)

    @property
    def _counts(self) -> Array:
        return self.counts[: len(self.weights)]

    def _share(self, counts: Array) -> Array:
        return _share(counts, self.shrinkage)

    def _keeps_all(self, leaving: NDArray[np.int64]) -> bool:
        """Whether every group that rows leave still has others."""
        count = leaving.sum(axis=0)[: len(self.counts)]
        return bool((self.counts[count > 0] - count[count > 0] > 1e-9).all())

    def _without_one(self, white: Array, groups: NDArray[np.int64], fixed: Array) -> tuple[Array, Array]:
        """(m, P) distances of rows without themselves, and (m,) to the plain mean of the rest of their concept."""
        kind, concepts = groups.argmax(axis=1), len(self.weights)
        still = np.ones(len(fixed))
        counts = np.concatenate([self._counts, 2 * still])
        own = np.zeros((len(white), len(counts)), dtype=bool)
        own[:, :concepts] = groups[:, :concepts] == 1
        share, share_left = self._share(self._counts), self._share(np.maximum(self._counts - 1, 0))
        eta = self.counts[kind] / (self.counts[kind] - 1)
        found = left_out_distances(
            self.base,
            white,
            points=np.concatenate([self.means[:concepts], fixed]),
            own=own,
            counts=counts,
            centres=self.means,
            centre=kind,
            eta=eta,
            shrunk=Shrunk(self.base.mean, np.concatenate([share, still]), np.concatenate([share_left, still])),
        )
        residuals = white - self.base.whiten(self.means)[kind]
        h = np.einsum("nd,nd->n", residuals, residuals)
        return found, (self.base.weight - 1 + self.base.prior) * eta**2 * h / (1 - eta * h)

    def _whitened(self, fixed: Array) -> tuple[Array, Array, Array]:
        """The means, c (1, d) and the ``fixed`` points, whitened."""
        return self.base.whiten(self.means), self.base.whiten(self.base.mean[np.newaxis]), self.base.whiten(fixed)

    def _without_moment(
        self, white: Array, leaving: Array, groups: NDArray[np.int64], means: Array, centre: Array, fixed: Array
    ) -> tuple[Array, Array, Array]:
        """Of (m, d) rows without the (l, d) ``leaving``, of ``groups``: (m, P) distances, (K,) counts, (m, K) distances
        to plain means. All whitened."""
        concepts = len(self.weights)
        change = Downdate.of(leaving, groups.argmax(axis=1), means, self.counts)
        moved, counts = without(means[:concepts], self._counts, leaving, groups[:, :concepts] == 1)
        points = _pulled(moved, centre, self._share(counts))
        scale = self.base.weight - len(leaving) + self.base.prior
        found = scale * change.distances(white, np.concatenate([points, fixed]))
        return found, counts, scale * change.distances(white, moved)


def fit_exclusive(base: Pooled, counts: Array, sums: Array, shrinkage: float = 0.0) -> Exclusive:
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
    points = _pulled(means[:concepts], within.mean, _share(counts[:concepts], shrinkage))
    v = within.solve(points)
    scale = within.weight + within.prior
    bias = -scale * np.einsum("kd,kd->k", v, points) / 2
    return Exclusive(within, scale * v, bias, means, counts, shrinkage)


def _share(counts: Array, shrinkage: float) -> Array:
    """s = n / (n + shrinkage)."""
    return np.asarray(counts / (counts + shrinkage)) if shrinkage else np.ones(counts.shape)


def _pulled(means: Array, centre: Array, share: Array) -> Array:
    """c + s (m - c) of (K, d) means."""
    return np.asarray(centre + share[:, np.newaxis] * (means - centre))

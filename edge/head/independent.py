"""Independent concepts: one two-class linear discriminant each, all from one scatter matrix (Fisher 1936)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.head.familiarity import left_out_distances
from edge.head.moments import Downdate, shared, without
from edge.head.pooled import Pooled
from edge.types import NOT_SHOWN, SHOWN

Array = NDArray[np.float64]
_PAIRS = 4096


@dataclass(frozen=True, eq=False)
class Brackets:
    """<a, b> = a'A^-1 b. ``own`` (n,): of each z with itself; ``with_means`` (n, M): of each z with each of m+, m- of
    every concept and m; ``among`` (M, M): of those with each other."""

    own: Array
    with_means: Array
    among: Array


@dataclass(frozen=True, eq=False)
class _Without:
    """What is left when a moment leaves: the change of A, N, nu and beta, (d,) whitened mean of all, (2K, d) whitened
    means and (2K,) counts."""

    change: Downdate
    weight: float
    prior: float
    beta: float
    mean: Array
    means: Array
    counts: Array

    @property
    def scale(self) -> float:
        return self.weight + self.prior

    @property
    def shows(self) -> NDArray[np.bool_]:
        """(K,) concepts that still have pictures."""
        return self.counts[: len(self.counts) // 2] > 0

    @property
    def exists(self) -> NDArray[np.bool_]:
        """(K,) concepts that still have both sides."""
        return self.shows & (self.counts[len(self.counts) // 2 :] > 0)

    def scores(self, white: Array) -> Array:
        """(n, d) whitened rows -> (n, K) log odds, meant where the concept ``exists``."""
        concepts = len(self.counts) // 2
        shown, not_shown = self.means[:concepts], self.means[concepts:]
        difference, middle = shown - not_shown, (shown + not_shown) / 2
        n_shown, n_not = self.counts[:concepts], self.counts[concepts:]
        total = np.where(self.exists, n_shown + n_not, 1.0)
        share = np.where(self.exists, n_shown * n_not / total, 0.0)
        pairs = self.change.products_of_pairs
        projection = self.change.products(white, difference) - pairs(middle, difference)
        spread = pairs(difference, difference)
        loose = np.where(self.exists, _loose(self.weight, n_shown, n_not, self.beta), 0.0)
        if loose.any():
            apart = (
                self.mean - (n_shown[:, np.newaxis] * shown + n_not[:, np.newaxis] * not_shown) / total[:, np.newaxis]
            )
            tilt = pairs(difference, apart)
            tilt, across = loose * tilt / (1 - loose * pairs(apart, apart)), tilt
            projection += tilt * (self.change.products(white, apart) - pairs(middle, apart))
            spread += tilt * across
        return self.scale * projection / (1 - share * spread)

    def distances(self, white: Array, fixed: Array) -> Array:
        """(n, d) whitened rows -> (n, P) distances to the concepts and to whitened points that do not move; infinite
        where a concept has no picture left."""
        concepts = len(self.counts) // 2
        points = np.concatenate([self.means[:concepts], fixed])
        found = self.scale * self.change.distances(white, points)
        found[:, np.flatnonzero(~self.shows)] = np.inf
        return found


@dataclass(frozen=True, eq=False)
class Independent:
    """Log odds f_c(z) = (N + nu) u'(z - (m+ + m-)/2) / (1 - k D'u) with D = m+ - m-, u = (A - l F F')^-1 D.

    The scatter between what shows the concept, what does not and what is unknown is taken out of the total scatter by
    Sherman and Morrison's formula, twice: k D D' between the first two, l F F' between both of them and the unknown,
    F = m - (their mean). If that stayed in, unknown pictures that show the concept would make its own direction look
    like noise, and "not known" would act like a weak "not shown".

    ``weights`` (K, d) and ``bias`` (K,): f = weights z + bias. ``shown``, ``not_shown``: (K, d) means;
    ``n_shown``, ``n_not``: (K,) counts, the latter with the background's weight.
    """

    base: Pooled
    weights: Array
    bias: Array
    shown: Array
    not_shown: Array
    n_shown: Array
    n_not: Array

    def scores(self, z: Array) -> Array:
        """(n, d) -> (n, K) log odds before calibration."""
        return z @ self.weights.T + self.bias

    def leave_one_out(
        self, z: Array, labels: NDArray[np.int8], white: Array | None = None, moment: NDArray[np.intp] | None = None
    ) -> tuple[Array, NDArray[np.bool_]]:
        """(n, K) scores each input would get from a head trained without it, and which of them exist.

        Exact for the labels known (Lachenbruch & Mickey 1968; Woodbury); a row and concept with an unknown label, or
        whose concept would lose its last picture, is not evaluable and gets the plain score. ``moment`` (n,): rows of
        one moment are left out together; where that leaves a concept without pictures on one side, each is left out
        alone, and not evaluable. ``white`` = z whitened by the fit's scatter, (n, d), where somebody has it
        already.
        """
        scores = self.scores(z)
        evaluable = self.not_alone(labels)
        white = self.base.whiten(z) if white is None else white
        rows, columns = np.nonzero(evaluable)
        if len(rows):
            brackets = self._brackets(white)
            for start in range(0, len(rows), _PAIRS):
                part = slice(start, start + _PAIRS)
                scores[rows[part], columns[part]] = self._left_out(brackets, labels, rows[part], columns[part])
        for rows, rest in self._moments(white, labels, moment):
            evaluable[rows] = (labels[rows] != -1) & rest.exists
            scores[rows] = np.where(evaluable[rows], rest.scores(white[rows]), scores[rows])
        return scores, evaluable

    def not_alone(self, labels: NDArray[np.int8]) -> NDArray[np.bool_]:
        """(n, K) where a row is annotated and not the only one on its side."""
        return np.asarray((labels != -1) & (np.where(labels == SHOWN, self.n_shown, self.n_not) - 1 > 1e-9))

    def left_out_distances(
        self, white: Array, labels: NDArray[np.int8], points: Array, moment: NDArray[np.intp] | None = None
    ) -> tuple[Array, NDArray[np.bool_]]:
        """(n, P) distances of rows to (P, d) ``points``, themselves left out, and (n,) where that leaves pictures of
        something that they show. Rows whose moment is all there is of it are left out one by one.

        ``white`` (n, d): the rows whitened. ``points`` begin with the means of what shows each concept; those after
        them do not move.
        """
        concepts = len(self.shown)
        counts = np.full(len(points), 2.0)
        counts[:concepts] = self.n_shown
        own = np.zeros((len(white), len(points)), dtype=bool)
        own[:, :concepts] = labels == SHOWN
        distances = left_out_distances(
            self.base,
            white,
            points=points,
            own=own,
            counts=counts,
            centres=self.base.mean[np.newaxis],
            centre=np.zeros(len(white), dtype=np.intp),
            eta=np.full(len(white), self.base.weight / (self.base.weight - 1)),
        )
        rest = ((labels == SHOWN) & (self.n_shown > 1)).any(axis=1)
        fixed = self.base.whiten(points[concepts:])
        for rows, left in self._moments(white, labels, moment):
            kept = ((labels[rows] == SHOWN) & left.shows).any(axis=1)
            distances[rows[kept]] = left.distances(white[rows[kept]], fixed)
        return distances, rest

    def _moments(
        self, white: Array, labels: NDArray[np.int8], moment: NDArray[np.intp] | None
    ) -> Iterator[tuple[NDArray[np.intp], _Without]]:
        """Rows of each moment with several, and what is left without them."""
        if moment is None or len(np.unique(moment)) == len(moment):
            return
        means = self.base.whiten(np.concatenate([self.shown, self.not_shown]))
        centre = self.base.whiten(self.base.mean[np.newaxis])
        counts = np.concatenate([self.n_shown, self.n_not])
        for rows in shared(moment):
            leaving = rows[(labels[rows] != -1).any(axis=1)]
            member = np.concatenate([labels[leaving] == SHOWN, labels[leaving] == NOT_SHOWN], axis=1)
            kinds = np.zeros(len(leaving), dtype=np.int64)
            change = Downdate.of(white[leaving], kinds, centre, np.array([self.base.weight]))
            weight = self.base.weight - len(leaving)
            mean = (self.base.weight * centre[0] - white[leaving].sum(axis=0)) / max(weight, 1e-12)
            left = without(means, counts, white[leaving], member)
            yield rows, _Without(change, weight, self.base.prior, self.base.beta, mean, *left)

    def _left_out(
        self, brackets: Brackets, labels: NDArray[np.int8], rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> Array:
        """Scores of (row, concept) pairs: all vectors are combinations of z, m+, m- and m, so a 4 x 4 Gram matrix."""
        base = self.base
        gram = _gram(brackets, rows, columns)
        shown = labels[rows, columns] == SHOWN
        n_shown, n_not = self.n_shown[columns], self.n_not[columns]
        plus, minus = np.zeros((len(rows), 4)), np.zeros((len(rows), 4))
        plus[:, 1] = np.where(shown, n_shown / np.maximum(n_shown - 1, 1e-12), 1.0)
        plus[:, 0] = np.where(shown, -1.0 / np.maximum(n_shown - 1, 1e-12), 0.0)
        minus[:, 2] = np.where(shown, 1.0, n_not / np.maximum(n_not - 1, 1e-12))
        minus[:, 0] = np.where(shown, 0.0, -1.0 / np.maximum(n_not - 1, 1e-12))
        n_shown, n_not = np.where(shown, n_shown - 1, n_shown), np.where(shown, n_not, n_not - 1)

        residual = np.tile(np.array([1.0, 0.0, 0.0, -1.0]), (len(rows), 1))
        eta = base.weight / (base.weight - 1)
        factor = eta / (1 - eta * _bracket(residual, gram, residual))
        difference, offset = plus - minus, -(plus + minus) / 2
        offset[:, 0] += 1
        known = n_shown + n_not
        apart = -(n_shown[:, np.newaxis] * plus + n_not[:, np.newaxis] * minus) / known[:, np.newaxis]
        apart += np.array([-1.0, 0.0, 0.0, base.weight]) / (base.weight - 1)

        def left(a: Array, b: Array) -> Array:
            across = _bracket(a, gram, residual) * _bracket(b, gram, residual)
            return np.asarray(_bracket(a, gram, b) + factor * across)

        loose = _loose(base.weight - 1, n_shown, n_not, base.beta)
        tilt = loose * left(difference, apart) / (1 - loose * left(apart, apart))
        spread = left(difference, difference) + tilt * left(difference, apart)
        projection = left(difference, offset) + tilt * left(apart, offset)
        share = n_shown * n_not / known
        return np.asarray((base.weight - 1 + base.prior) * projection / (1 - share * spread))

    def _brackets(self, white: Array) -> Brackets:
        means = np.concatenate([self.shown, self.not_shown, self.base.mean[np.newaxis]])
        white_means = self.base.whiten(means)
        return Brackets(np.einsum("nd,nd->n", white, white), white @ white_means.T, white_means @ white_means.T)


def _gram(brackets: Brackets, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Array:
    """(P, 4, 4) brackets over z, m+, m-, m of each (row, concept) pair."""
    means = len(brackets.among)
    index = np.stack([columns, columns + means // 2, np.full_like(columns, means - 1)], axis=1)
    gram = np.empty((len(rows), 4, 4))
    gram[:, 0, 0] = brackets.own[rows]
    gram[:, 0, 1:] = gram[:, 1:, 0] = brackets.with_means[rows[:, np.newaxis], index]
    gram[:, 1:, 1:] = brackets.among[index[:, :, np.newaxis], index[:, np.newaxis, :]]
    return gram


def _bracket(a: Array, gram: Array, b: Array) -> Array:
    return np.asarray(np.einsum("pa,pab,pb->p", a, gram, b, optimize=True))


def fit_independent(base: Pooled, counts: Array, sums: Array) -> Independent:
    """Fit from (2K,) counts and (2K, d) sums of shown and not shown; each concept has both, the background counted."""
    concepts = len(counts) // 2
    n_shown, n_not = counts[:concepts], counts[concepts:] + base.beta
    shown = sums[:concepts] / n_shown[:, np.newaxis]
    not_shown = (sums[concepts:] + base.beta * base.background_mean) / n_not[:, np.newaxis]
    difference, known = shown - not_shown, n_shown + n_not
    loose = _loose(base.weight, n_shown, n_not, base.beta)
    some = np.flatnonzero(loose)
    apart = (
        base.mean - (sums[some] + sums[concepts + some] + base.beta * base.background_mean) / known[some, np.newaxis]
    )
    u = base.solve(np.concatenate([difference, apart]))
    u, v = u[:concepts], u[concepts:]
    tilt = loose[some] * np.einsum("kd,kd->k", difference[some], v)
    u[some] += (tilt / (1 - loose[some] * np.einsum("kd,kd->k", apart, v)))[:, np.newaxis] * v
    gain = np.einsum("kd,kd->k", difference, u)
    share = n_shown * n_not / known
    weights = (base.weight + base.prior) * u / (1 - share * gain)[:, np.newaxis]
    bias = -np.einsum("kd,kd->k", weights, (shown + not_shown) / 2)
    return Independent(base, weights, bias, shown, not_shown, n_shown, n_not)


def _loose(weight: float, n_shown: Array, n_not: Array, beta: float) -> Array:
    """(K,) l of ``Independent``: 0 where all of the ``weight`` pictures are known to show the concept or not.

    And 0 where nothing but the background does not show it: then the unknown pictures alone say what the concept's
    surroundings look like, and without their scatter it would be told by those. All of l from half as many annotated
    ones as show it, or as the background counts, whatever is more.
    """
    known, annotated = n_shown + n_not, n_not - beta
    rest = weight - known
    share = np.clip(2 * annotated / np.maximum(np.maximum(n_shown, beta), 1e-12), 0.0, 1.0)
    return np.where(rest > 0.5, share * known * weight / np.maximum(rest, 0.5), 0.0)

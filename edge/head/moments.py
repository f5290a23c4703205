"""Pictures of one moment: which they are, and what a head says of them that has seen none of them.

Ten frames of one scene vouch for each other when only one of them is left out. Leaving out all of them is a change of
low rank, so it needs no refit either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

NEAR = 0.05
"""1 - cosine up to which two pictures may be of one moment: shaken, reframed and recompressed frames of a photograph
are below it, different photographs of one thing above it (``scripts/bench moments`` counts both)."""
_OF_TYPICAL = 1 / 3
"""And this much of the median over all pairs: before a camera that never moves everything is alike, and frames of one
moment are still more so."""
_ROUNDING = 1e-5  # of float32: copies of one picture are always of one moment
_CHUNK = 512
_PROBES = 256


def moments(z: Array) -> Indices:
    """(n, d) embeddings -> (n,) moment of each, numbered in the order they come; n^2 bytes, so some thousands.

    Single linkage: whoever is near enough to one of a moment belongs to it. A row of zeros is a moment of its own.
    """
    unit = (z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    alike = 1 - max(_ROUNDING, min(NEAR, _OF_TYPICAL * _typical(unit)))
    close = np.empty((len(z), len(z)), dtype=bool)
    for start in range(0, len(z), _CHUNK):
        stop = start + _CHUNK  # each pair once: against the rows up to the chunk's end
        close[start:stop, :stop] = unit[start:stop] @ unit[:stop].T >= alike
        close[:stop, start:stop] = close[start:stop, :stop].T
    moment = np.full(len(z), -1, dtype=np.intp)
    for row in np.flatnonzero(close.sum(axis=1) > 1):
        if moment[row] < 0:
            moment[_linked(close, row)] = row
    moment[moment < 0] = np.flatnonzero(moment < 0)
    return np.asarray(np.unique(moment, return_inverse=True)[1].reshape(-1), dtype=np.intp)


def _typical(unit: NDArray[np.float32]) -> float:
    """Median 1 - cosine over pairs of at most ``_PROBES`` evenly drawn rows."""
    probes = unit[:: -(-len(unit) // _PROBES) or 1]
    pairs = (probes @ probes.T)[np.triu_indices(len(probes), 1)]
    return max(0.0, 1 - float(np.median(pairs))) if len(pairs) else 0.0


def _linked(close: NDArray[np.bool_], row: np.intp) -> NDArray[np.bool_]:
    """(n,) who can be reached from ``row`` by steps between close ones."""
    reached = np.zeros(len(close), dtype=bool)
    reached[row] = True
    frontier = reached
    while frontier.any():
        frontier = close[frontier].any(axis=0) & ~reached
        reached |= frontier
    return reached


def shared(moment: Indices) -> Iterator[Indices]:
    """The rows of each moment that has more than one."""
    order = np.argsort(moment, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(moment[order])) + 1):
        if len(rows) > 1:
            yield rows


@dataclass(frozen=True, eq=False)
class Downdate:
    """A^-1 after taking U U' from A, everything whitened by A (Woodbury: Golub & Van Loan, 4th ed., 2.1.4).

    ``columns`` (q, d): U' whitened; ``core`` (q, q): (I - U'A^-1 U)^-1.
    """

    columns: Array
    core: Array

    @classmethod
    def of(cls, rows: Array, kinds: NDArray[np.int64], centres: Array, counts: Array) -> Downdate:
        """Rows leave a scatter that is taken about centres, and the centres follow.

        ``rows`` (m, d) whitened; ``kinds`` (m,) centre of each; ``centres`` (c, d) whitened means over ``counts`` (c,).
        """
        residuals = rows - centres[kinds]
        columns = [residuals]
        for kind in np.unique(kinds):
            left = counts[kind] - (kinds == kind).sum()
            if left > 1e-9:  # residuals of a whole group add up to nothing
                columns.append(residuals[kinds == kind].sum(axis=0, keepdims=True) / np.sqrt(left))
        u = np.concatenate(columns)
        return cls(u, np.asarray(np.linalg.inv(np.eye(len(u)) - u @ u.T), dtype=np.float64))

    def products(self, a: Array, b: Array) -> Array:
        """(n, d) and (m, d) whitened rows -> (n, m) a'A^-1 b after the change."""
        return np.asarray(a @ b.T + (a @ self.columns.T) @ self.core @ (b @ self.columns.T).T)

    def products_of_pairs(self, a: Array, b: Array) -> Array:
        """(n, d) and (n, d) whitened rows -> (n,) a'A^-1 b after the change."""
        across = np.einsum("np,pq,nq->n", a @ self.columns.T, self.core, b @ self.columns.T, optimize=True)
        return np.asarray(np.einsum("nd,nd->n", a, b) + across)

    def distances(self, rows: Array, points: Array) -> Array:
        """(n, d) whitened rows, (P, d) whitened points -> (n, P) squared lengths of their differences."""
        own, theirs = self.products_of_pairs(rows, rows), self.products_of_pairs(points, points)
        return np.asarray(own[:, np.newaxis] - 2 * self.products(rows, points) + theirs)


def without(means: Array, counts: Array, rows: Array, member: NDArray[np.bool_]) -> tuple[Array, Array]:
    """(G, d) means and (G,) counts after (m, d) ``rows`` left them, ``member`` (m, G) saying whom; any linear space.

    A mean that loses all its rows stays where it was, with a count of 0.
    """
    leaving = member.sum(axis=0)
    counts_left = counts - leaving
    touched = np.flatnonzero((leaving > 0) & (counts_left > 1e-9))
    moved = means.copy()
    if len(touched):
        sums = member[:, touched].T.astype(np.float64) @ rows
        moved[touched] = (means[touched] * counts[touched, np.newaxis] - sums) / counts_left[touched, np.newaxis]
    return moved, np.where(counts_left > 1e-9, counts_left, 0.0)

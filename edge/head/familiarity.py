"""Does a picture resemble anything taught? Distances under the shared scatter, and how to combine them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from edge.head.pooled import Pooled

Array = NDArray[np.float64]

RANK = 64
_OVERSAMPLE = 16
_ITERATIONS = 3
_SHIFT = 0.95  # all of the ridge would leave nothing of most directions, and columns that depend on each other
# Far strangers are told by the distance to the nearest concept; near ones by how much farther the second nearest is,
# and by how much nearer the concept is than the background. Chosen by scripts/bench novelty.
_SECOND_WEIGHT = 1.0
_BACKGROUND_WEIGHT = 0.5


@dataclass(frozen=True, eq=False)
class Distances:
    """Squared Mahalanobis distances to the concepts' means (Lee et al. 2018), and to the background's mean if any.

    D_k(z) = Q(z) - rows_k z + offset_k with Q(z) = base |z|^2 - |basis z|^2: the scatter's largest ``RANK`` directions
    are kept and the rest is taken as isotropic (Tipping & Bishop 1999), which a board computes in a tenth of a
    millisecond. ``rows`` (G, d), ``offset`` (G,), ``basis`` (r, d) float32; G = K, and one more with a background.
    """

    rows: NDArray[np.float32]
    offset: NDArray[np.float32]
    basis: NDArray[np.float32]
    base: float


def distances(pooled: Pooled, means: Array, background: Array | None, less: Array | float = 0.0) -> Distances:
    """Distances to (K, d) ``means``, ``less`` (K,) of each, and, unless None, to the (d,) ``background`` mean."""
    points = means if background is None else np.concatenate([means, background[np.newaxis]])
    scale = pooled.weight + pooled.prior
    solved = pooled.solve(points)
    values, vectors, rest = _largest(pooled.matrix, pooled.ridge)
    gain = np.sqrt(scale * np.maximum(1 / rest - 1 / values, 0.0))
    offset = scale * np.einsum("gd,gd->g", points, solved)
    offset[: len(means)] -= less
    return Distances(
        rows=(2 * scale * solved).astype(np.float32),
        offset=offset.astype(np.float32),
        basis=(vectors * gain).T.astype(np.float32),
        base=float(scale / rest),
    )


def _largest(matrix: Array, ridge: float) -> tuple[Array, Array, float]:
    """The largest eigenvalues (r,), their vectors (d, r), and the mean of the others (the least where there are none).

    By subspace iteration from a fixed start (Halko, Martinsson & Tropp 2011), on the matrix less most of its
    ``ridge``: with few pictures little else lies outside the span of the largest, and it converges at once.
    """
    size = len(matrix)
    count = min(RANK, size)
    generator = np.random.Generator(np.random.PCG64(0))
    q = _orthonormal(generator.standard_normal((size, min(size, count + _OVERSAMPLE))))
    for _ in range(_ITERATIONS):
        q = _orthonormal(matrix @ q - _SHIFT * ridge * q)
    values, inner = np.linalg.eigh(q.T @ matrix @ q)
    values, vectors = values[::-1][:count], (q @ inner)[:, ::-1][:, :count]
    if count == size:
        return values, vectors, float(values[-1])
    return values, vectors, (float(np.trace(matrix)) - float(values.sum())) / (size - count)


def _orthonormal(columns: Array) -> Array:
    """Columns of the same span by Cholesky QR: matrix products only, where LAPACK's QR took seconds on two busy
    cores."""
    triangle = np.linalg.cholesky(columns.T @ columns)
    return np.asarray(np.linalg.solve(triangle, columns.T).T)


@dataclass(frozen=True, eq=False)
class Shrunk:
    """Points c + share (m - c): means pulled towards an anchor c, the more the fewer pictures they have.

    ``anchor`` (d,); ``share`` (P,) and, with a picture less, ``share_left`` (P,).
    """

    anchor: Array
    share: Array
    share_left: Array


def left_out_distances(
    pooled: Pooled,
    white: Array,
    *,
    points: Array,
    own: NDArray[np.bool_],
    counts: Array,
    centres: Array,
    centre: NDArray[np.intp],
    eta: Array,
    shrunk: Shrunk | None = None,
) -> Array:
    """(n, P) distances each row would have from a head trained without it; exact (Woodbury).

    ``white`` (n, d) whitened z. ``points`` (P, d) means, ``shrunk`` unless None; ``own`` (n, P) where the row is one
    of the ``counts`` (P,) pictures of that mean. Leaving row i out takes ``eta``_i r r' from A,
    r = z - ``centres``[``centre``_i].
    """
    if shrunk is None:
        shrunk = Shrunk(np.zeros(white.shape[1]), np.ones(len(points)), np.ones(len(points)))
    anchor = pooled.whiten(shrunk.anchor[np.newaxis])
    x, a, b = white - anchor, pooled.whiten(points) - anchor, pooled.whiten(centres) - anchor
    # a left-out picture moves its own mean m to (n m - z) / (n - 1), so z - point = alpha (z - c) - gamma (m - c)
    rest = np.maximum(counts - 1, 1e-12)
    alpha = np.where(own, 1 + shrunk.share_left / rest, 1.0)
    gamma = np.where(own, shrunk.share_left * counts / rest, shrunk.share)
    xx, xa, aa = np.einsum("nd,nd->n", x, x), x @ a.T, np.einsum("pd,pd->p", a, a)
    xb, bb = (x @ b.T)[np.arange(len(x)), centre], np.einsum("cd,cd->c", b, b)[centre]
    h = xx - 2 * xb + bb
    vv = alpha**2 * xx[:, np.newaxis] - 2 * alpha * gamma * xa + gamma**2 * aa
    vr = alpha * (xx - xb)[:, np.newaxis] - gamma * (xa - (b @ a.T)[centre])
    factor = (eta / (1 - eta * h))[:, np.newaxis]
    return np.asarray((pooled.weight - 1 + pooled.prior) * (vv + factor * vr**2))


def combined(
    to_concepts: NDArray[np.floating], to_background: NDArray[np.floating] | None, *, exclusive: bool
) -> Array:
    """(n, K) and (n,) distances -> (n,) familiarity, larger for what resembles the taught.

    The second nearest concept counts only where concepts exclude each other.
    """
    nearest = to_concepts.min(axis=1)
    familiarity = -nearest.astype(np.float64)
    if exclusive:
        familiarity += _SECOND_WEIGHT * (np.partition(to_concepts, 1, axis=1)[:, 1] - nearest)
    if to_background is not None:
        familiarity += _BACKGROUND_WEIGHT * (to_background - nearest)
    return np.asarray(familiarity)

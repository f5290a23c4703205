"""The scatter matrix: solved by blocks, the same as solved whole."""

import numpy as np
import pytest

from edge.head.pooled import Pooled


def pooled(size):
    rows = np.random.default_rng(size).standard_normal((2 * size, size))
    matrix = rows.T @ rows + np.eye(size)
    return Pooled(matrix, rows.mean(axis=0), weight=2.0 * size, prior=1.0, beta=0.0, background_mean=np.zeros(size))


@pytest.mark.parametrize("size", [1, 7, 127, 128, 129, 300])
def test_solving_by_blocks_is_solving(size):
    base = pooled(size)
    right = np.random.default_rng(1).standard_normal((5, size))

    assert np.allclose(base.solve(right), np.linalg.solve(base.matrix, right.T).T, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [1, 128, 300])
def test_inner_products_of_whitened_rows_are_those_under_the_inverse(size):
    base = pooled(size)
    one, other = np.random.default_rng(2).standard_normal((2, 4, size))

    found = base.whiten(one) @ base.whiten(other).T

    assert np.allclose(found, one @ np.linalg.inv(base.matrix) @ other.T, rtol=1e-9, atol=1e-12)


def test_what_is_solved_for_stays_as_it_was():
    base = pooled(130)
    right = np.ones((2, 130))

    base.solve(right)

    assert (right == 1).all()


def test_the_scatter_within_groups_is_the_total_less_what_is_between_them():
    rng = np.random.default_rng(3)
    groups = [rng.standard_normal((count, 4)) + shift for count, shift in ((5, 0.0), (9, 3.0))]
    every = np.concatenate(groups)
    centred = every - every.mean(axis=0)
    base = Pooled(centred.T @ centred, every.mean(axis=0), 14.0, 1.0, 0.0, np.zeros(4))

    within = base.without_between(np.stack([group.mean(axis=0) for group in groups]), np.array([5.0, 9.0]))

    wanted = sum((group - group.mean(axis=0)).T @ (group - group.mean(axis=0)) for group in groups)
    assert np.allclose(within.matrix, wanted)

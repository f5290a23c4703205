"""Which pictures to label first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.head.choosing import _greedy, choose, uncertainty


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clusters(sizes, seed=0, spread=0.05, dimensions=12):
    """Rows around one axis each, so many of each kind."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(np.eye(dimensions)[: len(sizes)], sizes, axis=0)
    return unit(centres + spread * generator.normal(size=centres.shape))


nothing = np.empty((0, 12), dtype=np.float32)


def test_two_concepts_that_exclude_each_other_are_uncertain_where_they_are_close():
    found = uncertainty(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.6, 0.1, 0.3]]), mutually_exclusive=True)
    np.testing.assert_allclose(found, [1.0, 0.0, 0.7])


def test_an_independent_concept_is_uncertain_where_shown_and_not_are_close():
    found = uncertainty(np.array([[0.5, 0.99], [1.0, 1.0], [0.0, 0.9]]), mutually_exclusive=False)
    np.testing.assert_allclose(found, [1.0, 0.0, 0.2])


def test_one_concept_has_an_uncertainty():
    np.testing.assert_allclose(uncertainty(np.array([[0.25]]), mutually_exclusive=False), [0.5])


def test_each_kind_is_asked_for_once_before_any_is_asked_for_again():
    z = clusters([30, 20, 10])
    kinds = np.repeat([0, 1, 2], [30, 20, 10])
    assert kinds[choose(z, nothing, np.ones(60), 3).rows].tolist() == [0, 1, 2]  # and the largest first


def test_what_resembles_the_labelled_comes_last():
    z = clusters([30, 20, 10])
    taught = clusters([5], seed=1)
    assert choose(z, taught, np.ones(60), 2).rows.min() >= 30


def test_what_the_head_is_unsure_about_comes_before_what_it_is_sure_about():
    z = clusters([20, 20])
    unsure = np.repeat([0.05, 0.9], 20)
    assert choose(z, nothing, unsure, 1).rows[0] >= 20


def test_an_outlier_waits_for_what_many_resemble():
    z = np.concatenate([clusters([20, 20]), unit(np.eye(12)[7:8])])
    assert 40 not in choose(z, nothing, np.append(np.full(40, 0.5), 1.0), 2).rows


def test_pictures_alike_are_counted():
    z = unit(np.repeat(np.eye(12)[:2], [4, 1], axis=0))
    chosen = choose(z, nothing, np.ones(5), 5)
    assert chosen.rows[0] == 0
    assert chosen.alike[0] == 3
    assert chosen.alike[list(chosen.rows).index(4)] == 0


def test_copies_are_all_listed_once_each_the_first_chosen_first():
    z = unit(np.ones((6, 12)))
    chosen = choose(z, z[:2], np.array([0.1, 0.9, 0.2, 0.3, 0.4, 0.5]), 6)
    assert chosen.rows.tolist() == [1, 5, 4, 3, 2, 0]


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_any_number_of_pictures_is_ordered_whole(count):
    z = clusters([4, 3])[:count]
    assert sorted(choose(z, nothing, np.full(count, 0.5), 100).rows.tolist()) == list(range(count))


def test_no_pictures_are_chosen_when_none_are_wanted():
    assert len(choose(clusters([3]), nothing, np.ones(3), 0).rows) == 0


def test_pictures_without_a_direction_do_no_harm():
    z = np.concatenate([clusters([5]), np.zeros((2, 12), dtype=np.float32)])
    chosen = choose(z, z[:1], np.zeros(7), 7)
    assert sorted(chosen.rows.tolist()) == list(range(7))
    assert (chosen.alike >= 0).all()


def test_the_order_of_a_longer_list_begins_with_the_shorter():
    z = clusters([9, 8, 7, 6], spread=0.3)
    unsure = np.random.default_rng(3).random(30)
    np.testing.assert_array_equal(choose(z, z[:3], unsure, 5).rows, choose(z, z[:3], unsure, 30).rows[:5])


@given(seed=st.integers(0, 10_000), count=st.integers(1, 25))
def test_skipping_gains_that_cannot_win_changes_nothing(seed, count):
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(count, 3))
    kernel = np.exp(-((points[:, np.newaxis] - points) ** 2).sum(axis=2)).astype(np.float32)
    weights = generator.random(count).astype(np.float32)
    covered = np.full(count, 0.2, dtype=np.float32)
    found = _greedy(kernel, covered.copy(), weights, min(5, count))
    for row in found:
        gains = np.maximum(kernel - covered, 0) @ weights
        assert gains[row] >= gains.max() - 1e-5
        covered = np.maximum(covered, kernel[row])

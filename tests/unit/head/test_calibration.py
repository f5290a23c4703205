"""Scores become probabilities that can be trusted a little with few pictures and fully with many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.head.calibration import Calibrator, fit_platts, fit_temperature, sigmoid, softmax

scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)
labelled = st.lists(st.tuples(st.floats(-50, 50), st.booleans()), min_size=1, max_size=30)


def platt(pairs, weights=None):
    x, y = np.array([one for one, _ in pairs]), np.array([one for _, one in pairs])
    return one_concept(x, y, np.ones(len(x)) if weights is None else np.asarray(weights, float))


def one_concept(scores, positive, weights):
    """(slope, offset) of a single column."""
    slope, offset = fit_platts(*(column[:, np.newaxis] for column in (scores, positive, weights)))
    return float(slope[0]), float(offset[0])


@given(scores)
def test_the_squashing_functions_neither_overflow_nor_leave_their_range(values):
    x = np.array(values)
    with np.errstate(all="raise", under="ignore"):
        assert ((sigmoid(x) >= 0) & (sigmoid(x) <= 1)).all()
        assert softmax(x).sum() == pytest.approx(1)
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1)


@given(labelled)
def test_a_higher_score_never_gets_a_lower_value(pairs):
    slope, offset = platt(pairs)
    assert slope > 0
    assert np.isfinite([slope, offset]).all()
    x = np.linspace(-60, 60, 50)[:, np.newaxis]
    values = Calibrator(np.array([slope]), np.array([offset]), exclusive=False).values(x)
    assert (np.diff(values[:, 0]) >= 0).all()


@given(labelled)
def test_calling_shown_not_shown_mirrors_the_values(pairs):
    slope, offset = platt(pairs)
    mirrored_slope, mirrored_offset = platt([(-score, not shown) for score, shown in pairs])
    assert mirrored_slope == pytest.approx(slope, rel=1e-4)
    assert mirrored_offset == pytest.approx(-offset, abs=1e-4)


@given(labelled)
def test_the_order_of_pictures_does_not_matter(pairs):
    assert platt(pairs[::-1]) == pytest.approx(platt(pairs), rel=1e-4, abs=1e-4)


def test_a_picture_of_weight_two_counts_like_two():
    rng = np.random.default_rng(0)
    pairs = [(float(x), bool(x + rng.normal() > 0)) for x in rng.normal(0, 2, 30)]
    weights = rng.integers(1, 4, 30)
    repeated = [pair for pair, count in zip(pairs, weights, strict=True) for _ in range(count)]
    assert platt(pairs, weights) == pytest.approx(platt(repeated), rel=1e-4)


def test_no_scores_at_all_still_give_a_calibration():
    slope, offset = one_concept(np.empty(0), np.empty(0, bool), np.empty(0))
    assert 0 < slope < np.inf
    assert np.isfinite(offset)
    assert 0 < fit_temperature(np.empty((0, 3)), np.empty(0, int), np.empty(0)) < np.inf


def test_two_pictures_do_not_make_certain():
    slope, offset = platt([(5.0, True), (-5.0, False)])
    assert 0.5 < sigmoid(np.array(slope * 2 + offset)) < 0.999


def test_many_scores_are_calibrated_to_what_made_them():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 3, 40_000)
    y = rng.random(len(x)) < sigmoid(0.7 * x)
    slope, offset = one_concept(x, y, np.ones(len(x)))
    assert slope == pytest.approx(0.7, abs=0.03)
    assert offset == pytest.approx(0.0, abs=0.05)


def test_overconfident_scores_are_cooled():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (5_000, 4))
    correct = np.array([rng.choice(4, p=one) for one in softmax(logits)])
    assert fit_temperature(logits * 5, correct, np.ones(len(correct))) == pytest.approx(0.2, rel=0.1)
    assert fit_temperature(logits / 5, correct, np.ones(len(correct))) == pytest.approx(5.0, rel=0.15)


@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(2, 5), st.floats(1e-3, 1e4))
def test_a_temperature_is_always_a_positive_number(seed, inputs, concepts, scale):
    rng = np.random.default_rng(seed)
    found = fit_temperature(
        rng.normal(0, scale, (inputs, concepts)), rng.integers(0, concepts, inputs), np.ones(inputs)
    )
    assert 0 < found < np.inf


@given(st.integers(0, 10**6), st.integers(2, 5))
def test_exclusive_values_add_up_to_one_and_keep_the_order(seed, concepts):
    x = np.random.default_rng(seed).normal(0, 30, (6, concepts))
    values = Calibrator(np.full(concepts, 0.3), np.zeros(concepts), exclusive=True).values(x)
    assert values.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(values.argmax(axis=1), x.argmax(axis=1))


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_concepts_that_use_few_of_the_rows_are_calibrated_as_if_the_others_were_not_there(seed, concepts):
    rng = np.random.default_rng(seed)
    scores, positive = rng.normal(0, 3, (30, concepts)), rng.random((30, concepts)) < 0.5
    weights = (rng.random((30, concepts)) < 0.2).astype(float)
    slopes, offsets = fit_platts(scores, positive, weights)
    for column in range(concepts):
        use = weights[:, column] > 0
        slope, offset = one_concept(scores[use, column], positive[use, column], weights[use, column])
        assert slope == pytest.approx(slopes[column], rel=1e-6)
        assert offset == pytest.approx(offsets[column], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("centre", "scale"), [(-125, 19), (0, 300), (40, 0.5)])
def test_scores_that_say_nothing_promise_nothing_wherever_they_lie(centre, scale):
    rng = np.random.default_rng(3)
    scores = rng.normal(centre, scale, (2000, 3))
    positive = np.arange(2000)[:, np.newaxis] % 100 == np.zeros(3)
    slope, offset = fit_platts(scores, positive, np.ones(scores.shape))
    values = Calibrator(slope, offset, exclusive=False).values(scores)
    assert values.mean(axis=0) == pytest.approx(0.5, abs=0.05)
    assert np.abs(values - 0.5).max() < 0.3


def test_a_fit_from_another_start_ends_where_it_would_have():
    rng = np.random.default_rng(5)
    positive = rng.random((200, 4)) < 0.3
    scores = rng.normal(-20, 8, (200, 4)) + 15 * positive
    plain = fit_platts(scores, positive, np.ones(scores.shape))
    again = fit_platts(scores, positive, np.ones(scores.shape), (plain[0] * 3, plain[1] - 2))
    assert again[0] == pytest.approx(plain[0], rel=1e-5)
    assert again[1] == pytest.approx(plain[1], rel=1e-5)

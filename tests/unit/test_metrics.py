"""Every figure against its definition, written out in loops."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.metrics import Scored, average_precision, calibration_error, evaluate, wilson

CONCEPTS = ("a", "b", "c")
pairs = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])), min_size=1, max_size=14)


def split(pairs):
    return np.array([one for one, _ in pairs], bool), np.array([value for _, value in pairs])


def scored(labels, values, *, exclusive=False, evaluable=None, known=None, is_known=None, behind=None):
    labels, values = np.array(labels, np.int8), np.array(values, float)
    count = len(labels)
    return Scored(
        CONCEPTS[: labels.shape[1]],
        exclusive,
        labels,
        values,
        np.ones(labels.shape, bool) if evaluable is None else np.array(evaluable, bool),
        np.full(count, np.nan) if known is None else np.array(known, float),
        np.zeros(count, bool) if is_known is None else np.array(is_known, bool),
        None if behind is None else np.array(behind, float),
    )


@st.composite
def tables(draw, exclusive=False):
    concepts = draw(st.integers(2 if exclusive else 1, 3))
    count = draw(st.integers(1, 10))
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    values = (
        rng.choice([0.0, 0.2, 0.5, 0.6, 1.0], (count, concepts))
        if draw(st.booleans())
        else rng.random((count, concepts))
    )
    if exclusive:
        values = values + 0.01
        values /= values.sum(axis=1, keepdims=True)
    labels = rng.integers(-1, 2, (count, concepts))
    return scored(labels, values, exclusive=exclusive, evaluable=rng.random((count, concepts)) < 0.8)


# --- average precision -------------------------------------------------------------------------------------------


@given(pairs)
def test_average_precision_is_the_sum_over_thresholds(pairs):
    positive, values = split(pairs)
    found = average_precision(positive, values)
    if positive.all() or not positive.any():
        assert found is None
        return
    wanted, before = 0.0, 0.0
    for threshold in sorted(set(values), reverse=True):
        taken = values >= threshold
        precision, recall = positive[taken].mean(), positive[taken].sum() / positive.sum()
        wanted += (recall - before) * precision
        before = recall
    assert found == pytest.approx(wanted)


@given(pairs, st.randoms())
def test_the_order_of_tied_pictures_does_not_matter(pairs, random):
    mixed = list(pairs)
    random.shuffle(mixed)
    one, other = average_precision(*split(pairs)), average_precision(*split(mixed))
    assert one == (None if other is None else pytest.approx(other))


def test_a_perfect_ranking_is_one_and_a_constant_one_is_the_share_of_positives():
    positive = np.array([True, True, False, False, False])
    assert average_precision(positive, np.array([0.9, 0.8, 0.3, 0.2, 0.1])) == 1
    assert average_precision(positive, np.full(5, 0.5)) == pytest.approx(0.4)


# --- intervals and calibration -----------------------------------------------------------------------------------


@given(st.integers(1, 500), st.data())
def test_wilsons_interval_solves_its_equation(count, data):
    successes = data.draw(st.integers(0, count))
    low, high = wilson(successes / count, count)
    share = successes / count
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    for bound in (low, high):
        if 1e-9 < bound < 1:
            assert abs(share - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / count), abs=1e-5)


def test_wilson_gives_the_published_interval():
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, method 3
    assert wilson(0.0, 20) == pytest.approx((0, 0.1611), abs=1e-4)


@given(pairs)
def test_the_calibration_error_is_a_weighted_gap(pairs):
    right, confidence = split(pairs)
    order = sorted(range(len(pairs)), key=lambda index: confidence[index])
    bins = min(10, len(pairs))
    sizes = [len(pairs) // bins + (number < len(pairs) % bins) for number in range(bins)]
    wanted, start = 0.0, 0
    for size in sizes:
        part = order[start : start + size]
        start += size
        gap = sum(confidence[part]) / size - sum(right[part]) / size
        wanted += size / len(pairs) * abs(gap)
    assert calibration_error(confidence, right) == pytest.approx(wanted)


def test_honest_probabilities_have_a_small_calibration_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 20_000)
    right = rng.random(20_000) < confidence
    assert calibration_error(confidence, right) < 0.02
    assert calibration_error(np.ones(20_000), right) == pytest.approx(0.25, abs=0.02)


# --- independent models ------------------------------------------------------------------------------------------


@given(tables())
def test_an_independent_models_figures_count_known_annotations(one):
    found = evaluate(one, "held-out")
    rows = [(r, c) for r in range(len(one.labels)) for c in range(len(one.concepts))]
    use = [(one.labels[at] == 1, one.values[at]) for at in rows if one.labels[at] != -1 and one.evaluable[at]]
    if not use or len({shown for shown, _ in use}) < 2:
        assert found.accuracy is found.accuracy_interval is found.log_loss is found.calibration_error is None
        return
    right = [(value >= 0.5) == shown for shown, value in use]
    assert found.accuracy == pytest.approx(sum(right) / len(right))
    # several values of one picture are not several pictures
    pictures = len({at[0] for at in rows if one.labels[at] != -1 and one.evaluable[at]})
    assert found.accuracy_interval == pytest.approx(wilson(sum(right) / len(right), pictures))
    losses = [-math.log(max(value if shown else 1 - value, 1e-12)) for shown, value in use]
    assert found.log_loss == pytest.approx(sum(losses) / len(losses))
    assert found.confusion is None


def test_frames_of_one_moment_are_one_piece_of_evidence():
    labels = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.int8)
    nothing = np.full(4, np.nan), np.zeros(4, bool)
    apart = Scored(("a", "b"), True, labels, labels.astype(float), np.ones((4, 2), bool), *nothing)
    together = replace(apart, moment=np.array([0, 0, 0, 1]))
    assert evaluate(apart, "held-out").accuracy_interval == pytest.approx(wilson(1.0, 4))
    assert evaluate(together, "held-out").accuracy_interval == pytest.approx(wilson(1.0, 2))


@given(tables(), st.data())
def test_an_unknown_annotation_changes_nothing_whatever_its_value(one, data):
    unknown = [tuple(at) for at in np.argwhere(one.labels == -1)]
    if unknown:
        other = one.values.copy()
        other[data.draw(st.sampled_from(unknown))] = data.draw(st.floats(0, 1))
        changed = scored(one.labels, other, evaluable=one.evaluable)
        assert evaluate(changed, "held-out") == evaluate(one, "held-out")


@given(st.one_of(tables(), tables(exclusive=True)))
def test_precision_and_recall_of_each_concept_are_counts(one):
    for column, found in enumerate(evaluate(one, "held-out").concepts):
        assert found.id == one.concepts[column]
        assert found.positives == sum(one.labels[:, column] == 1)
        assert found.negatives == sum(one.labels[:, column] == 0)
        use = [r for r in range(len(one.labels)) if one.evaluable[r, column] and one.labels[r, column] != -1]
        shown = {r for r in use if one.labels[r, column] == 1}
        if one.mutually_exclusive:
            fired = {r for r in use if one.values[r].argmax() == column}
        else:
            fired = {r for r in use if one.values[r, column] >= 0.5}
        hits = len(shown & fired)
        assert found.recall == (pytest.approx(hits / len(shown)) if shown else None)
        determined = fired and len(shown) < len(use)
        assert found.precision == (pytest.approx(hits / len(fired)) if determined else None)


def test_positives_only_give_recall_and_false_alarms_but_no_precision():
    found = evaluate(scored([[1], [1], [1], [1]], [[0.9], [0.8], [0.6], [0.2]], behind=[[0.7], [0.1]]), "leave-one-out")
    (concept,) = found.concepts
    assert (concept.precision, concept.average_precision) == (None, None)
    assert concept.recall == 0.75
    assert concept.false_alarm_rate == 0.5
    assert found.accuracy is found.log_loss is found.mean_average_precision is None


def test_half_is_on_the_side_of_shown():
    found = evaluate(scored([[1], [0]], [[0.5], [0.5]]), "held-out")
    assert found.accuracy == 0.5
    assert found.concepts[0].recall == 1


def test_mean_average_precision_is_over_the_concepts_that_have_one():
    found = evaluate(scored([[1, 1], [0, 1], [1, -1]], [[0.9, 0.1], [0.95, 0.2], [0.2, 0.3]]), "held-out")
    assert [one.average_precision for one in found.concepts] == [pytest.approx((1 / 2 + 2 / 3) / 2), None]
    assert found.mean_average_precision == found.concepts[0].average_precision


# --- exclusive models --------------------------------------------------------------------------------------------


@given(tables(exclusive=True))
def test_an_exclusive_models_accuracy_is_the_share_of_right_highest_concepts(one):
    found = evaluate(one, "held-out")
    truth = {}
    for row, labels in enumerate(one.labels.tolist()):
        if labels.count(1) == 1 and one.evaluable[row, labels.index(1)]:
            truth[row] = labels.index(1)
    given_ = {row: int(one.values[row].argmax()) for row in truth}
    cells = [
        [sum(truth[r] == i and given_[r] == j for r in truth) for j in range(len(one.concepts))]
        for i in range(len(one.concepts))
    ]
    assert found.confusion.labels == one.concepts
    assert [list(row) for row in found.confusion.rows] == cells
    if not truth:
        assert found.accuracy is None
        return
    assert found.accuracy == pytest.approx(sum(cells[i][i] for i in range(len(cells))) / len(truth))
    losses = [-math.log(max(one.values[row, column], 1e-12)) for row, column in truth.items()]
    assert found.log_loss == pytest.approx(sum(losses) / len(losses))


def test_abstaining_is_not_mixed_into_accuracy():
    labels, values = [[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]]
    sure = evaluate(scored(labels, values, exclusive=True, known=[0.5, 0.5], is_known=[True, True]), "held-out")
    unsure = evaluate(scored(labels, values, exclusive=True, known=[0.5, 0.0], is_known=[True, False]), "held-out")
    assert sure.accuracy == unsure.accuracy == 1
    assert (sure.known_rate, unsure.known_rate) == (1, 0.5)


def test_pictures_that_resemble_nothing_taught_are_not_in_the_known_rate():
    found = evaluate(scored([[1], [0]], [[0.9], [0.1]], known=[0.8, np.nan], is_known=[True, False]), "held-out")
    assert found.known_rate == 1


def test_values_that_add_up_to_one_raise_no_false_alarms():
    found = evaluate(scored([[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]], exclusive=True, behind=[[1, 0]]), "held-out")
    assert [one.false_alarm_rate for one in found.concepts] == [None, None]


# --- counts ------------------------------------------------------------------------------------------------------


@given(st.one_of(tables(), tables(exclusive=True)))
def test_every_labelled_picture_is_evaluated_or_said_not_to_be(one):
    found = evaluate(one, "leave-one-out", ("a note",))
    assert found.inputs + found.not_evaluable == (one.labels != -1).any(axis=1).sum()
    assert (found.method, found.notes) == ("leave-one-out", ("a note",))


def test_nothing_to_judge_leaves_every_figure_undetermined():
    for exclusive in (False, True):
        empty = scored(np.empty((0, 2)), np.empty((0, 2)), exclusive=exclusive)
        found = evaluate(empty, "leave-one-out")
        assert (found.inputs, found.not_evaluable) == (0, 0)
        assert found.accuracy is found.mean_average_precision is found.known_rate is found.log_loss is None
        assert all(one.precision is one.recall is one.average_precision is None for one in found.concepts)


@given(st.one_of(tables(), tables(exclusive=True)))
def test_figures_are_plain_python_numbers(one):
    found = evaluate(one, "held-out")
    values = [found.accuracy, found.mean_average_precision, found.calibration_error, found.log_loss]
    values += [figure for concept in found.concepts for figure in (concept.precision, concept.recall)]
    assert all(value is None or type(value) is float for value in values)
    assert all(value is None or math.isfinite(value) for value in values)

"""From labelled embeddings to a calibrated head that knows how good it is, whatever the labels are like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import CannotTrain
from edge.head.background import Background
from edge.head.statistics import Statistics
from edge.head.training import Rows, evaluation_sample, train
from edge.types import EmbeddingSpec

SPEC = EmbeddingSpec.single(8, -128, 0.05)


def background(seed=1, rows=30, spec=SPEC):
    embeddings = np.random.default_rng(seed).integers(-128, 128, (rows, spec.size)).astype(np.int8)
    return Background.from_embeddings(embeddings, spec, rows // 3)


def taught(labels, *, embeddings=None, exclusive=False, closed=False, behind=None, names=None, spec=SPEC):
    labels = np.array(labels, np.int8)
    if embeddings is None:
        embeddings = np.random.default_rng(0).integers(-128, 128, (len(labels), spec.size)).astype(np.int8)
    names = names or [f"c{number}" for number in range(labels.shape[1])]
    statistics = Statistics(names, spec, mutually_exclusive=exclusive, closed_environment=closed)
    statistics.update(embeddings, None, labels)
    return train(statistics, behind, Rows([f"id{n}" for n in range(len(labels))], embeddings, labels))


def finite(training):
    head = training.head
    arrays = (
        head.weights,
        head.bias,
        head.distances.rows,
        head.distances.offset,
        head.distances.basis,
        head.familiar,
        training.values,
    )
    behind = training.background_values
    return all(np.isfinite(one).all() for one in arrays) and (behind is None or np.isfinite(behind).all())


@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(1, 4), st.booleans(), st.booleans(), st.booleans())
def test_whatever_the_labels_it_trains_without_nan_or_says_why_not(
    seed, inputs, concepts, exclusive, closed, is_repeated
):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 2, (inputs, concepts))
    embeddings = rng.integers(-128, 128, (inputs, SPEC.size)).astype(np.int8)
    if is_repeated:
        embeddings[:] = embeddings[0]
    behind = None if closed else background()
    try:
        found = taught(labels, embeddings=embeddings, exclusive=exclusive, closed=closed, behind=behind)
    except CannotTrain as error:
        assert "; add" in str(error)
        return
    assert finite(found)
    assert ((found.values >= 0) & (found.values <= 1)).all()
    assert found.values.shape == found.evaluable.shape == labels.shape
    values, known = found.head.predict(embeddings)
    assert np.isfinite(values).all()
    assert ((known >= 0) & (known <= 1)).all()
    assert not found.is_known[np.isnan(found.known)].any()


@pytest.mark.parametrize("name", ["sqrt", "signed-sqrt", "l2"])
def test_one_picture_and_the_background_are_enough(name):
    spec = EmbeddingSpec.single(8, 0, 0.05, name)
    found = taught([[1]], behind=background(spec=spec), spec=spec)
    assert finite(found)
    assert not found.evaluable.any()
    assert found.head.predict(np.zeros((1, 8), np.int8))[1] == 0


def test_a_picture_like_the_only_one_scores_higher_than_the_background():
    embeddings = np.random.default_rng(0).integers(-128, 128, (1, SPEC.size)).astype(np.int8)
    found = taught([[1]], embeddings=embeddings, behind=background())
    assert found.head.predict(embeddings)[0][0, 0] > found.background_values.max()


@pytest.mark.parametrize(("concepts", "exclusive"), [(500, True), (60, False)])
def test_many_concepts_train(concepts, exclusive):
    embeddings = np.random.default_rng(0).integers(-128, 128, (2 * concepts, 8)).astype(np.int8)
    labels = np.tile(np.eye(concepts, dtype=np.int8), (2, 1))
    found = taught(labels, embeddings=embeddings, exclusive=exclusive, closed=True)
    assert found.head.weights.shape == (concepts, 8)
    assert finite(found)


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        ([[0], [0]], {"behind": background()}, "no picture shows 'c0'; add some with --concept c0"),
        ([[1, -1]], {"behind": background()}, "no picture shows 'c1'"),
        ([[1], [1]], {"closed": True}, "every picture shows 'c0' and the environment is closed; add pictures that do"),
        ([[1], [-1]], {"closed": True}, "every picture shows 'c0'"),
        ([[1]], {"exclusive": True, "behind": background()}, "a mutually exclusive model needs two concepts; add one"),
        ([[1, 0]], {"exclusive": True, "closed": True}, "no picture shows 'c1'"),
        ([[1, 1], [1, 1]], {"exclusive": True, "behind": background()}, "no picture shows 'c0'"),
        (np.empty((0, 1)), {"behind": background()}, "no picture shows 'c0'"),
    ],
    ids=str,
)
def test_labels_that_determine_nothing_are_refused_with_what_to_add(labels, options, said):
    with pytest.raises(CannotTrain, match=said):
        taught(labels, **options)


def test_without_a_background_the_environment_need_not_be_closed():
    found = taught([[1], [1], [0], [0]], closed=True)
    assert found.background_values is None
    assert finite(found)


def test_positives_only_are_judged_against_the_held_back_background():
    rng = np.random.default_rng(0)
    near = (rng.integers(-100, 100, SPEC.size) + rng.normal(0, 8, (10, SPEC.size))).clip(-128, 127).astype(np.int8)
    found = taught(np.ones((10, 1)), embeddings=near, behind=background(rows=90))
    assert found.background_values.shape == (30, 1)
    assert np.median(found.values) > np.median(found.background_values)


def test_values_of_an_exclusive_model_add_up_to_one():
    found = taught(np.eye(4)[np.arange(20) % 4], exclusive=True, behind=background())
    assert found.values.sum(axis=1) == pytest.approx(1)
    assert found.head.predict(np.zeros((1, 8), np.int8))[0].sum() == pytest.approx(1)


def test_a_row_is_not_judged_by_a_calibration_that_has_seen_it():
    """Cross-fitting: moving one row's label moves other rows' values, never through its own calibrator."""
    labels = np.array([[1], [0]] * 10)
    first, second = taught(labels, behind=background()), taught(labels, behind=background())
    assert np.array_equal(first.values, second.values)
    plain = first.head.predict(np.random.default_rng(0).integers(-128, 128, (20, 8)).astype(np.int8))[0]
    assert np.abs(first.values - plain).max() > 0.01


def test_a_mean_score_of_random_labels_promises_nothing():
    """Leave-one-out on noise must look like noise; values of the trained head on its own rows do not."""
    rng = np.random.default_rng(0)
    embeddings = rng.integers(-128, 128, (60, 24)).astype(np.int8)
    labels = rng.integers(0, 2, (60, 1))
    spec = EmbeddingSpec.single(24, -128, 0.05)
    found = taught(labels, embeddings=embeddings, closed=True, spec=spec)
    own = ((found.head.predict(embeddings)[0] >= 0.5) == labels).mean()
    honest = ((found.values >= 0.5) == labels).mean()
    assert own > 0.7
    assert honest < 0.65


def test_copies_of_a_picture_do_not_depend_on_their_ids():
    labels = np.array([[1], [0]] * 8)
    embeddings = np.random.default_rng(0).integers(-128, 128, (16, 8)).astype(np.int8)
    statistics = Statistics(["a"], SPEC, mutually_exclusive=False)
    statistics.update(embeddings, None, labels.astype(np.int8))
    heads = [
        train(statistics, None, Rows([f"{prefix}{n}" for n in range(16)], embeddings, labels.astype(np.int8))).head
        for prefix in "xy"
    ]
    assert np.array_equal(heads[0].weights, heads[1].weights)
    assert np.array_equal(heads[0].bias, heads[1].bias)


# --- known -------------------------------------------------------------------------------------------------------


def test_strangers_are_less_known_than_taught_kinds():
    rng = np.random.default_rng(0)
    centres = rng.integers(-128, 128, (2, SPEC.size))
    kind = np.repeat([0, 1], 15)
    near = (centres[kind] + rng.normal(0, 6, (30, SPEC.size))).clip(-128, 127).astype(np.int8)
    found = taught(np.eye(2)[kind], embeddings=near, behind=background())
    again = (centres[kind] + rng.normal(0, 6, (30, SPEC.size))).clip(-128, 127).astype(np.int8)
    strangers = rng.integers(-128, 128, (200, SPEC.size)).astype(np.int8)
    assert (found.head.predict(again)[1] > found.head.threshold).mean() > 0.8
    assert (found.head.predict(strangers)[1] > found.head.threshold).mean() < 0.2
    assert found.is_known.mean() > 0.8


def test_pictures_that_show_nothing_taught_have_no_known():
    found = taught([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0]], behind=background())
    assert np.isnan(found.known[4:]).all()
    assert not found.is_known[4:].any()
    assert np.isfinite(found.known[:4]).all()


# --- the sample --------------------------------------------------------------------------------------------------


@given(st.integers(1, 400), st.integers(1, 150), st.integers(1, 3))
def test_the_sample_is_stable_sorted_and_no_larger_than_asked(inputs, limit, concepts):
    labels = np.random.default_rng(inputs).integers(-1, 2, (inputs, concepts)).astype(np.int8)
    ids = [f"id{n}" for n in range(inputs)]
    found = evaluation_sample(ids, labels, limit)
    assert len(found) == min(inputs, limit)
    assert (np.diff(found) > 0).all()
    assert np.array_equal(found, evaluation_sample(ids, labels, limit))


def test_the_sample_does_not_depend_on_the_order_of_the_store():
    labels = np.random.default_rng(0).integers(0, 2, (300, 2)).astype(np.int8)
    ids, order = np.array([f"id{n}" for n in range(300)]), np.random.default_rng(1).permutation(300)
    one = set(ids[evaluation_sample(list(ids), labels, 50)])
    assert one == set(ids[order][evaluation_sample(list(ids[order]), labels[order], 50)])


def test_rare_labels_are_in_the_sample():
    labels = np.zeros((1000, 1), np.int8)
    labels[:5] = 1
    found = evaluation_sample([f"id{n}" for n in range(1000)], labels, 40)
    assert (labels[found] == 1).sum() == 5


def unequal(seed, counts):
    """Clusters in 120 dimensions, of so many rows each, and their one-hot labels."""
    spec = EmbeddingSpec.single(120, -128, 0.05)
    centres = np.random.default_rng(99).normal(0, 20, (len(counts), spec.size))
    kind = np.repeat(np.arange(len(counts)), counts)
    noise = np.random.default_rng(seed).normal(0, 40, (len(kind), spec.size))
    return spec, (centres[kind] + noise).clip(-128, 127).astype(np.int8), np.eye(len(counts), dtype=np.int8)[kind]


@pytest.mark.parametrize("seed", range(4))
def test_a_concept_with_two_pictures_is_found_as_well_as_those_with_twenty(seed):
    spec, embeddings, labels = unequal(seed, (2, 20, 20))
    statistics = Statistics("abc", spec, mutually_exclusive=True)
    statistics.update(embeddings, None, labels)
    head = train(statistics, None, Rows([str(n) for n in range(42)], embeddings, labels)).head
    _, others, truth = unequal(seed + 100, (200, 200, 200))
    right = head.predict(others)[0].argmax(axis=1) == truth.argmax(axis=1)
    assert (right.reshape(3, 200).mean(axis=1) > 0.93).all()


def test_one_picture_of_each_says_nothing_of_noise_and_trains():
    spec, embeddings, labels = unequal(0, (1, 1, 1))
    statistics = Statistics("abc", spec, mutually_exclusive=True)
    statistics.update(embeddings, None, labels)
    found = train(statistics, None, Rows(["a", "b", "c"], embeddings, labels))
    assert np.isfinite(found.head.predict(embeddings)[0]).all()
    assert not found.evaluable.any()

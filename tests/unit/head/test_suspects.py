"""Wrong labels come first in the list, right ones last, and nothing ever makes it stumble."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import CannotTrain
from edge.head.background import Background
from edge.head.statistics import Statistics
from edge.head.suspects import SUSPICIOUS, suspects
from edge.head.training import Rows, train
from edge.types import EmbeddingSpec

SPEC = EmbeddingSpec.single(24, 0, 0.05, "l2")


def background():
    rows = np.random.default_rng(9).integers(-128, 128, (30, SPEC.size)).astype(np.int8)
    return Background.from_embeddings(rows, SPEC, 10)


def clusters(per_concept, concepts=3, spread=40.0, seed=0):
    """(n, d) embeddings around one centre per concept, in the order of the concepts."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.integers(-90, 90, (concepts, SPEC.size)), per_concept, axis=0)
    return (centres + rng.normal(0, spread, centres.shape)).clip(-128, 127).astype(np.int8)


def ranked(embeddings, labels, *, exclusive, closed=False):
    labels = np.array(labels, np.int8)
    names = [f"c{number}" for number in range(labels.shape[1])]
    statistics = Statistics(names, SPEC, mutually_exclusive=exclusive, closed_environment=closed)
    statistics.update(embeddings, None, labels)
    behind = None if closed else background()
    rows = Rows([f"id{number}" for number in range(len(labels))], embeddings, labels)
    return suspects(statistics, behind, rows, train(statistics, behind, rows)), statistics


def only_positives(concepts, columns):
    labels = np.full((len(columns), concepts), -1)
    labels[np.arange(len(columns)), columns] = 1
    return labels


def test_a_wrong_concept_is_first_and_names_the_one_it_looks_like():
    columns = np.repeat([0, 1, 2], 10)
    columns[3] = 2
    found, _ = ranked(clusters(10), only_positives(3, columns), exclusive=True)
    assert (found.rows[0], found.columns[0], found.rival[0]) == (3, 2, 0)
    assert found.suspicious[0]
    assert found.value[0] < 0.5
    assert found.score[0] > SUSPICIOUS


def test_a_picture_said_to_show_the_wrong_one_of_several_concepts_heads_the_list_with_both_annotations():
    labels = np.eye(3, dtype=int)[np.repeat([0, 1, 2], 10)]
    labels[13] = [0, 0, 1]
    found, _ = ranked(clusters(10), labels, exclusive=False)
    assert {(13, 1), (13, 2)} == set(zip(found.rows[:2].tolist(), found.columns[:2].tolist(), strict=True))
    assert (found.rival == -1).all()


def test_a_single_annotation_that_is_wrong_is_first():
    labels = np.eye(3, dtype=int)[np.repeat([0, 1, 2], 10)]
    labels[7, 1] = 1
    found, _ = ranked(clusters(10), labels, exclusive=False)
    assert (found.rows[0], found.columns[0]) == (7, 1)


def test_right_labels_of_concepts_far_apart_are_not_suspicious():
    found, _ = ranked(clusters(10, spread=25.0), only_positives(3, np.repeat([0, 1, 2], 10)), exclusive=True)
    assert len(found.rows) == 30
    assert not found.suspicious.any()


def test_two_concepts_that_exclude_each_other_and_were_both_given_come_before_everything():
    labels = only_positives(3, np.repeat([0, 1, 2], 10))
    labels[4, 1] = 1
    labels[20] = [1, -1, -1]
    found, _ = ranked(clusters(10), labels, exclusive=True)
    assert found.rows[:2].tolist() == [4, 20]
    assert (found.columns[0], found.rival[0]) == (1, 0)
    assert found.conflicting.tolist() == [True] + [False] * 29


def test_nearly_the_same_pictures_that_were_said_to_show_different_things_accuse_the_one_outvoted():
    embeddings = clusters(10)
    embeddings[[25, 26, 27]] = embeddings[5]  # of one moment, in the middle between nothing and nothing
    columns = np.repeat([0, 1, 2], 10)
    columns[[25, 26]] = 0
    found, _ = ranked(embeddings, only_positives(3, columns), exclusive=True)
    assert found.rows[0] == 27


def test_wrong_labels_that_vouch_for_each_other_are_found_together():
    columns = np.repeat([0, 1, 2], 34)
    wrong = [2, 9, 30]
    columns[wrong] = 1
    found, _ = ranked(clusters(34), only_positives(3, columns), exclusive=True)
    assert set(found.rows[:3].tolist()) == set(wrong)


@pytest.mark.parametrize("exclusive", [True, False])
def test_statistics_are_bit_for_bit_what_they_were(exclusive):
    columns = np.repeat([0, 1, 2], 10)
    columns[3] = 2
    labels = np.eye(3, dtype=np.int8)[columns]
    _, statistics = ranked(clusters(10), labels, exclusive=exclusive)
    again = Statistics(statistics.concepts, SPEC, mutually_exclusive=exclusive)
    again.update(clusters(10), None, labels)
    assert (again.scatter == statistics.scatter).all()
    assert (again.sums == statistics.sums).all()
    assert again.n == statistics.n


def test_what_was_never_said_is_no_annotation():
    labels = np.full((20, 2), -1)
    labels[:10, 0], labels[10:, 0], labels[5:15, 1], labels[15:, 1] = 1, 0, 1, 0
    found, _ = ranked(clusters(10, concepts=2), labels, exclusive=False)
    assert (labels[found.rows, found.columns] != -1).all()
    assert len(found.rows) == (labels != -1).sum()


@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 4), st.booleans(), st.booleans(), st.booleans())
def test_whatever_the_labels_scores_are_finite_and_in_order(seed, inputs, concepts, exclusive, closed, is_repeated):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 2, (inputs, concepts))
    embeddings = rng.integers(-128, 128, (inputs, SPEC.size)).astype(np.int8)
    if is_repeated:
        embeddings[:] = embeddings[0]
    try:
        found, _ = ranked(embeddings, labels, exclusive=exclusive, closed=closed)
    except CannotTrain:
        return
    assert np.isfinite(found.score).all()
    assert ((found.value >= 0) & (found.value <= 1)).all()
    rest = found.score[~found.conflicting]
    assert (np.diff(rest) <= 0).all()
    pairs = set(zip(found.rows.tolist(), found.columns.tolist(), strict=True))
    assert len(pairs) == len(found.rows)
    assert (labels[found.rows, found.columns] != -1).all() or (exclusive and closed)

"""Learning from unlabelled pictures, and only where it helps."""

import numpy as np
import pytest

from edge.errors import CannotTrain
from edge.head import unlabelled
from edge.head.statistics import Statistics
from edge.head.training import Rows, train
from edge.head.unlabelled import SURE, sure_labels, train_with
from edge.types import EmbeddingSpec

SPEC = EmbeddingSpec.single(16, zero_point=-128, scale=0.1)
CONCEPTS = ("a", "b", "c")


def pictures(kinds, seed=0, spread=14.0):
    """int8 embeddings around one direction per kind, and labels that say nothing but the kind."""
    generator = np.random.default_rng(seed)
    centres = np.full((8, 16), -100.0)
    centres[np.arange(8), np.arange(8)] = 20.0
    centres[np.arange(8), np.arange(8) + 8] = -20.0
    rows = centres[kinds] + generator.normal(0, spread, (len(kinds), 16))
    return rows.clip(-128, 127).astype(np.int8)


def one_hot(kinds):
    labels = np.full((len(kinds), 3), -1, dtype=np.int8)
    labels[np.arange(len(kinds)), kinds] = 1
    return labels


def material(kinds, seed=0, *, exclusive=True, spread=14.0):
    embeddings, labels = pictures(kinds, seed, spread), one_hot(kinds)
    statistics = Statistics(CONCEPTS, SPEC, mutually_exclusive=exclusive)
    statistics.update(embeddings, None, labels)
    return statistics, Rows([f"{seed}-{i}" for i in range(len(kinds))], embeddings, labels)


few = np.repeat([0, 1, 2], 4)
nothing = np.empty((0, 16), dtype=np.int8)


def test_unlabelled_pictures_show_what_all_kinds_vary_in_and_held_out_ones_are_told_better():
    generator = np.random.default_rng(2)
    centres, nuisance = np.full((3, 64), -60.0), generator.normal(size=(8, 64))
    for kind in range(3):
        centres[kind, 6 * kind : 6 * kind + 6] = 20.0

    def some(kinds):
        rows = centres[kinds] + 14 * generator.normal(size=(len(kinds), 8)) @ nuisance
        return (rows + generator.normal(0, 15, rows.shape)).clip(-128, 127).astype(np.int8)

    kinds, many = np.repeat([0, 1, 2], 3), np.tile([0, 1, 2], 60)
    statistics = Statistics(CONCEPTS, EmbeddingSpec.single(64, zero_point=-128, scale=0.1), mutually_exclusive=True)
    embeddings, labels = some(kinds), one_hot(kinds)
    statistics.update(embeddings, None, labels)
    helped = train_with(statistics, None, Rows([str(i) for i in range(9)], embeddings, labels), some(many))
    held = some(many)
    right = [(one.head.predict(held)[0].argmax(axis=1) == many).mean() for one in (helped.alone, helped.training)]
    assert helped.used
    assert right[1] > right[0] + 0.05


def test_they_take_part_only_where_leave_one_out_improves_by_a_standard_error():
    for seed in range(6):
        statistics, rows = material(few, seed, spread=30.0)
        helped = train_with(statistics, None, rows, pictures(np.tile([0, 1, 2], 30), 100 + seed, 30.0))
        assert helped.used == (helped.gain > helped.error)
        chosen = helped.together if helped.used else helped.alone
        assert helped.training.head is chosen.head


def test_the_statistics_never_hold_them():
    statistics, rows = material(few)
    before = statistics.to_bytes(watermark=1, backbone_sha256="x")
    train_with(statistics, None, rows, pictures(np.tile([0, 1, 2], 20), 1))
    assert statistics.to_bytes(watermark=1, backbone_sha256="x") == before


def test_the_notes_say_how_many_took_part_and_that_leave_one_out_is_approximate(monkeypatch):
    statistics, rows = material(few)
    monkeypatch.setattr(unlabelled, "_gain", lambda *_: (0.2, 0.1))
    helped = train_with(statistics, None, rows, pictures(np.tile([0, 1, 2], 20), 1))
    assert helped.used
    assert 0 < helped.took_part <= 60
    assert f"{helped.took_part} of 60 unlabelled pictures took part" in helped.training.notes[-1]
    assert "approximate" in helped.training.notes[-1]
    assert helped.training.head is helped.together.head
    assert not np.array_equal(helped.training.values, helped.together.values)  # those would flatter it


def test_without_unlabelled_pictures_it_is_the_plain_training():
    statistics, rows = material(few)
    helped = train_with(statistics, None, rows, nothing)
    assert not helped.used
    assert helped.training.head.to_bytes() == train(statistics, None, rows).head.to_bytes()
    assert helped.training.notes[-1] == "there are no unlabelled pictures to learn from"


def test_pictures_that_are_all_strangers_take_no_part():
    statistics, rows = material(np.repeat([0, 1, 2], 8))
    strangers = np.full((30, 16), -128, dtype=np.int8)
    strangers[:, 7] = strangers[:, 15] = 127
    helped = train_with(statistics, None, rows, strangers)
    assert (helped.used, helped.took_part) == (False, 0)
    assert "took no part" in helped.training.notes[-1]


@pytest.mark.parametrize("count", [1, 40])
def test_identical_unlabelled_pictures_do_no_harm(count):
    statistics, rows = material(few)
    helped = train_with(statistics, None, rows, np.repeat(pictures([0], 3), count, axis=0))
    values, known = helped.together.head.predict(pictures(few, 4))
    assert np.isfinite(values).all()
    assert np.isfinite(known).all()


def test_a_concept_of_one_picture_is_no_obstacle():
    statistics, rows = material(np.array([0, 0, 0, 1, 1, 1, 2]))
    helped = train_with(statistics, None, rows, pictures(np.tile([0, 1, 2], 10), 1))
    assert np.isfinite(helped.gain)


def test_independent_concepts_are_refused():
    statistics, rows = material(few, exclusive=False)
    with pytest.raises(ValueError, match="exclude each other"):
        train_with(statistics, None, rows, pictures(few, 1))


def test_what_cannot_be_trained_still_cannot():
    statistics, rows = material(np.array([0, 0, 1, 1]))
    with pytest.raises(CannotTrain, match="'c'"):
        train_with(statistics, None, rows, pictures(few, 1))


def test_only_what_the_head_is_sure_of_and_knows_gets_a_label():
    statistics, rows = material(np.repeat([0, 1, 2], 8))
    head = train(statistics, None, rows).head
    some = pictures(np.tile(np.arange(8), 5), 5, 40.0)
    values, known = head.predict(some)
    labels = sure_labels(head, some)
    taken = (labels == 1).any(axis=1)
    np.testing.assert_array_equal(taken, (values.max(axis=1) >= SURE) & (known > head.threshold))
    assert taken.any() and not taken.all()
    assert (labels != 0).all()
    np.testing.assert_array_equal(labels[taken].argmax(axis=1), values[taken].argmax(axis=1))


def test_what_is_known_stays_what_the_labelled_pictures_say():
    statistics, rows = material(few)
    helped = train_with(statistics, None, rows, pictures(np.tile([0, 1, 2], 20), 1))
    some = pictures(np.tile(np.arange(8), 5), 5, 40.0)
    values, known = zip(*(one.head.predict(some) for one in (helped.alone, helped.together)), strict=True)
    np.testing.assert_array_equal(*known)
    assert helped.alone.head.threshold == helped.together.head.threshold
    assert not np.allclose(*values)

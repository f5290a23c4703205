"""What an evaluation reads of a store that is larger than it may read."""

import numpy as np
import pytest


@pytest.fixture
def filled(store, new):
    """``filled(count)``: so many inputs that show or do not show "a", every tenth one "rare" too."""

    def fill(count: int, start: int = 0) -> None:
        some = range(start, start + count)
        store.inputs.add(
            [new(b"%d" % n, {"a": n % 2, **({"rare": 1} if n % 10 == 0 else {})}) for n in some], by="user"
        )

    return fill


def plans(store, call):
    """How SQLite goes about every query of ``call``."""
    connection, seen = store._database.connection, []
    connection.set_trace_callback(seen.append)
    call()
    connection.set_trace_callback(None)
    rows = [connection.execute(f"EXPLAIN QUERY PLAN {text}") for text in seen if text.startswith("SELECT")]
    return [row[3] for plan in rows for row in plan]


def test_a_small_store_is_its_own_sample(store, filled):
    filled(30)
    numbers, ids, labels = store.inputs.sample(["rare", "a"], 30)
    every = store.inputs.labels(["rare", "a"])
    assert (numbers, ids) == every[:2]
    assert np.array_equal(labels, every[2])


def test_a_large_store_gives_at_least_what_was_asked_for_and_not_much_more(store, filled):
    filled(300)
    numbers, ids, labels = store.inputs.sample(["a"], 40)
    assert 40 <= len(numbers) == len(ids) == len(labels) <= 90


def test_every_concept_and_value_has_its_share(store, filled):
    filled(300)
    _, _, labels = store.inputs.sample(["a", "rare"], 60)
    assert (labels[:, 1] == 1).sum() >= 30
    assert min((labels[:, 0] == 1).sum(), (labels[:, 0] == 0).sum()) >= 30


def test_labels_of_a_sample_are_those_of_its_inputs(store, filled):
    filled(300)
    every = dict(zip(*[store.inputs.labels(["a", "rare"])[part] for part in (0, 2)], strict=True))
    numbers, ids, labels = store.inputs.sample(["a", "rare"], 20)
    assert labels.tolist() == [every[number].tolist() for number in numbers]
    assert ids == [store.inputs.by_number([number])[number].id for number in numbers]


def test_a_sample_stays_nearly_the_same_while_the_store_grows(store, filled):
    filled(300)
    before = set(store.inputs.sample(["a"], 40)[0])
    filled(10, start=300)
    after = set(store.inputs.sample(["a"], 40)[0])
    assert len(before & after) >= 0.8 * len(before)


def test_a_sample_is_taken_from_the_whole_time_the_store_was_filled(store, filled):
    filled(300)
    numbers = np.array(store.inputs.sample(["a"], 40)[0])
    thirds = np.histogram(numbers, bins=3, range=(1, 300))[0]
    assert thirds.min() >= len(numbers) / 4


def test_removed_inputs_are_in_no_sample(store, filled):
    filled(60)
    gone = [one.id for one in store.inputs.page()[::2]]
    store.inputs.remove(gone, by="user")
    _, ids, _ = store.inputs.sample(["a"], 20)
    assert len(ids) >= 20
    assert not set(ids) & set(gone)


def test_concepts_nobody_annotated_are_unknown_everywhere(store, filled):
    filled(30)
    assert (store.inputs.sample(["never", "a"], 10)[2][:, 0] == -1).all()
    assert store.inputs.sample(["never"], 10)[0] == []


def test_a_sample_is_looked_up_and_never_sorted_or_searched_for(store, filled):
    filled(300)
    found = plans(store, lambda: store.inputs.sample(["a", "rare"], 40))
    assert any("annotations_drawn" in one for one in found)
    assert not [one for one in found if "TEMP B-TREE" in one or one.startswith(("SCAN annotations", "SCAN inputs"))]

"""The log of changes, cut anywhere, gives the difference of the states at its two ends."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.store import LabelChange, NewInput, Store

CONCEPTS = ("a", "b", "c")
IDS = [hashlib.sha256(bytes([number])).hexdigest()[:32] for number in range(3)]

values = st.dictionaries(st.sampled_from(CONCEPTS), st.sampled_from([0, 1, None]), max_size=3)
verbs = st.lists(
    st.tuples(st.sampled_from(["annotate", "confirm", "remove", "restore", "add"]), st.integers(0, 2), values),
    max_size=14,
)


def _new(number: int, said: dict[str, int | None]) -> NewInput:
    known = {name: value for name, value in said.items() if value is not None}
    return NewInput(bytes([number]), "image/png", 1, 1, "x", b"1", "0" * 64, known)


def _state(store: Store) -> dict[int, tuple[int, ...]]:
    numbers, _, labels = store.inputs.labels(CONCEPTS)
    return dict(zip(numbers, map(tuple, labels.tolist()), strict=True))


def _do(store: Store, verb: str, number: int, said: dict[str, int | None]) -> None:
    if verb == "add":
        store.inputs.add([_new(number, said)], by="user")
    elif verb == "restore":
        store.inputs.restore([IDS[number]], by="user")
    elif store.inputs.visible(number + 1):
        if verb == "remove":
            store.inputs.remove([IDS[number]], by="user")
        else:
            store.inputs.annotate(IDS[number], said, by="user", confirm=verb == "confirm")


@given(verbs, st.data())
@settings(max_examples=40)
def test_net_changes_between_any_two_moments_are_the_difference_of_the_states(done, data):
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "store", clock=lambda: datetime.now(UTC)) as store,
    ):
        store.inputs.add([_new(number, {}) for number in range(3)], by="user")
        moments = [(store.inputs.last_change(), _state(store))]
        for verb, number, said in done:
            _do(store, verb, number, said)
            moments.append((store.inputs.last_change(), _state(store)))
        first = data.draw(st.integers(0, len(moments) - 1))
        last = data.draw(st.integers(first, len(moments) - 1))
        (since, before), (until, after) = moments[first], moments[last]
        nothing = (-1,) * len(CONCEPTS)
        expected = {
            number: (before.get(number, nothing), after.get(number, nothing))
            for number in before.keys() | after.keys()
            if before.get(number, nothing) != after.get(number, nothing)
        }
        found = store.inputs.label_changes(since, until, CONCEPTS)
        assert {one.input: (one.before, one.after) for one in found} == expected
        assert len(found) == len(expected)


def test_concepts_nobody_has_named_are_unknown_in_every_change(store, new):
    store.inputs.add([new(b"1", {"b": 1})], by="user")
    found = store.inputs.label_changes(0, store.inputs.last_change(), ["nobody", "b", "never"])
    assert found == [LabelChange(1, (-1, -1, -1), (-1, 1, -1))]


def test_an_input_that_is_in_the_end_what_it_was_has_not_changed(store, new):
    ((one, _),) = store.inputs.add([new(b"1", {"b": 1})], by="user")
    since = store.inputs.last_change()
    store.inputs.annotate(one.id, {"b": 0}, by="user")
    store.inputs.annotate(one.id, {"b": 1}, by="user")
    assert store.inputs.label_changes(since, store.inputs.last_change(), ["b"]) == []

"""What is seen, after smoothing: tables, and properties over random looks."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import InvalidArgument
from edge.types import ConceptScore, Prediction
from edge.watch.decision import Decider, Rules

THREE = Rules(smoothing=3, on=0.7, off=0.5)


def look(value, known=1.0):
    return Prediction("m", "v1", (ConceptScore("ripe", value),), known, known > 0.5)


def changes(rules, looks, step=1.0):
    """The number of the look and whether it came or went, of each change."""
    decider = Decider(rules)
    return [
        (number, change.on)
        for number, one in enumerate(looks)
        for change in decider.update(one if isinstance(one, Prediction) else look(one), number * step)
    ]


@pytest.mark.parametrize(
    ("rules", "looks", "expected"),
    [
        (THREE, [0.9, 0.9, 0.9], [(2, True)]),
        (THREE, [0.9, 0.9, 0.1, 0.9, 0.9], []),
        (THREE, [0.9] * 3 + [0.1] * 3, [(2, True), (5, False)]),
        (THREE, [0.9] * 3 + [0.1, 0.1, 0.9, 0.1, 0.1], [(2, True)]),
        (THREE, [0.7] * 3, [(2, True)]),
        (THREE, [0.69] * 9, []),
        (THREE, [0.9] * 3 + [0.5] * 9, [(2, True)]),
        (THREE, [0.9] * 3 + [0.6, 0.4] * 9, [(2, True)]),
        (Rules(smoothing=1), [0.9, 0.1, 0.9], [(0, True), (1, False), (2, True)]),
        (Rules(smoothing=1, hold=3), [0.9, 0.1, 0.1, 0.1, 0.9], [(0, True), (3, False)]),
        (Rules(smoothing=1, hold=2), [0.9, 0.1, 0.1, 0.9, 0.9], [(0, True), (2, False), (4, True)]),
        (THREE, [look(0.9, known=0.2)] * 9, []),
        (THREE, [0.9] * 3 + [look(0.9, known=0.2)] * 3, [(2, True), (5, False)]),
        (Rules(smoothing=1, known=0.1), [look(0.9, known=0.2)], [(0, True)]),
        (Rules(smoothing=1, known=0.95), [look(0.9, known=0.9)], []),
    ],
)
def test_changes_come_when_they_have_been_seen_often_enough(rules, looks, expected):
    assert changes(rules, looks) == expected


def test_a_concept_that_the_model_no_longer_has_goes_at_once_and_is_forgotten():
    decider = Decider(THREE)
    for number in range(3):
        decider.update(look(0.9), number)
    other = Prediction("m", "v2", (ConceptScore("green", 0.1),), 1.0, True)
    (gone,) = decider.update(other, 3.0)
    assert (gone.concept, gone.on, decider.active) == ("ripe", False, ())
    assert decider.update(look(0.9), 4.0) == ()
    assert decider.update(look(0.9), 5.0) == ()
    assert len(decider.update(look(0.9), 6.0)) == 1


def test_concepts_do_not_disturb_each_other():
    decider = Decider(Rules(smoothing=2))
    both = Prediction("m", "v1", (ConceptScore("a", 0.9), ConceptScore("b", 0.1)), 1.0, True)
    decider.update(both, 0.0)
    assert [one.concept for one in decider.update(both, 1.0)] == ["a"]
    assert decider.active == ("a",)


def test_a_concept_may_have_rules_of_its_own_by_name_or_id():
    for key in ("b", "bee"):
        decider = Decider(Rules(smoothing=2), {key: Rules(smoothing=3, on=0.95)})
        both = Prediction("m", "v1", (ConceptScore("a", 0.9), ConceptScore("b", 0.9, "bee")), 1.0, True)
        surer = Prediction("m", "v1", (ConceptScore("a", 0.9), ConceptScore("b", 0.96, "bee")), 1.0, True)
        found = [
            [one.concept for one in decider.update(look, now)] for now, look in enumerate([both] * 3 + [surer] * 3)
        ]
        assert found == [[], ["a"], [], [], [], ["b"]]


def test_other_rules_after_a_restart_hold_from_the_first_look():
    before, after = Decider(Rules(smoothing=5)), Decider(Rules(smoothing=2))
    for now in range(4):
        before.update(look(0.9), now)
    after.resume(before.state(4.0), 4.0)
    assert len(after.update(look(0.9), 4.0)) == 1


@pytest.mark.parametrize(
    "wrong", [{"smoothing": 0}, {"smoothing": 101}, {"on": 0.4, "off": 0.5}, {"on": 1.1}, {"off": -0.1}, {"known": 2}]
)
def test_rules_that_can_never_work_are_refused(wrong):
    with pytest.raises(InvalidArgument):
        Rules(**wrong)


# --- properties ------------------------------------------------------------------------------------------------------

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=60)
RULES = st.builds(
    lambda smoothing, ends, hold: Rules(smoothing=smoothing, on=max(ends), off=min(ends), hold=hold),
    st.integers(1, 5),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.floats(0, 5),
)


@given(RULES, VALUES)
def test_every_change_was_held_by_as_many_looks_as_are_asked_for(rules, values):
    for number, on in changes(rules, values):
        last = values[max(0, number - rules.smoothing + 1) : number + 1]
        assert len(last) == rules.smoothing
        assert all(value >= rules.on if on else value < rules.off for value in last)


@given(RULES, VALUES)
def test_a_concept_comes_and_goes_in_turn_and_stays_as_long_as_asked(rules, values):
    found = changes(rules, values)
    assert [on for _, on in found] == [place % 2 == 0 for place in range(len(found))]
    assert all(after[0] - before[0] >= rules.hold for before, after in pairwise(found))


@given(st.integers(2, 6), st.lists(st.booleans(), max_size=60))
def test_a_flicker_never_fires(smoothing, high):
    values, run = [], 0
    for one in high:  # never as many in a row as are asked for
        run = run + 1 if one and run < smoothing - 1 else 0
        values.append(0.99 if run else 0.0)
    assert changes(Rules(smoothing=smoothing), values) == []


@given(RULES, VALUES, st.integers(0, 60))
def test_a_restart_in_between_changes_nothing(rules, values, cut):
    whole, before, after = Decider(rules), Decider(rules), Decider(rules)
    for number, value in enumerate(values):
        value = round(value, 4)  # as it is kept
        now = float(number)
        if number == cut:
            after.resume(json.loads(json.dumps(before.state(now))), now)
        half = before if number < cut else after
        assert half.update(look(value), now) == whole.update(look(value), now)


@pytest.mark.parametrize("state", [{}, {"on": []}, {"on": {"a": "x"}, "off": {}, "last": {}}])
def test_a_state_that_was_never_written_is_refused_and_changes_nothing(state):
    decider = Decider(Rules(smoothing=1))
    decider.update(look(0.9), 0.0)
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        decider.resume(state, 1.0)
    assert decider.active == ("ripe",)

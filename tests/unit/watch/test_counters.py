"""Counters and latencies that do not grow."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.watch.counters import Counters, Latencies


@given(st.lists(st.floats(2e-4, 100), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_is_right_to_five_per_cent(seconds, share):
    found = Latencies()
    for one in seconds:
        found.add(one)
    exact = float(np.quantile(seconds, share, method="inverted_cdf"))
    assert found.percentile(share) == pytest.approx(exact, rel=0.05)


def test_nothing_has_no_percentile_and_extremes_have_their_places():
    found = Latencies()
    assert found.percentile(0.5) is None
    for one in (-1.0, 0.0, 1e9):
        found.add(one)
    assert sum(found.document().values()) == 3


def test_counters_are_the_same_after_a_restart():
    before = Counters(captures=5, triggers=4, predictions=3, actions=2, drops=1, failures=6)
    before.latencies.add(0.02)
    after = Counters.restored(json.loads(json.dumps(before.kept())))
    assert after.document() == before.document()
    assert after.document()["p50_ms"] == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize(
    "table",
    [{}, {"captures": -1}, {"captures": "7"}, {"captures": True}, {"latencies": 3}, {"latencies": {"0": "x"}},
     {"latencies": {"-3": 1, "999": 1, "x": 1}}, {"other": 1}],
)  # fmt: skip
def test_what_was_never_kept_counts_from_nothing(table):
    found = Counters.restored(table)
    assert found.document() == Counters().document()

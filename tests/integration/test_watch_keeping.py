"""Captures that loops keep in a real store: bounded at every moment, and none that a person has annotated is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from edge.engine.watching import Kept
from edge.errors import StoreUnavailable
from edge.watch.context import Quota

SOURCE = "watch/gate"


@pytest.fixture
def keep(taught, blob):
    """``keep(12)``: so many captures, as a loop keeps them; ``keep.most``: the most that were there at once."""
    kept = Kept(taught)
    prediction = taught.model("colours").predict(blob("red", 99))
    seeds = iter(range(1000, 9000))

    def some(count, quota):
        for _ in range(count):
            kept.keep(blob("red", next(seeds)), SOURCE, prediction)
            kept.tidy(SOURCE, quota)
            some.most = max(some.most, len(there(taught)))

    some.most, some.kept = 0, kept
    return some


def there(engine):
    return [one for one in engine.inputs() if one.source == SOURCE]


@pytest.mark.parametrize("count", [3, 100])
def test_no_more_are_there_than_was_asked_for_at_any_moment(keep, taught, count):
    keep(count + 12, Quota(count=count))
    assert keep.most == count if count == 3 else count - 2 <= keep.most <= count
    newest = max(one.added_at for one in taught.inputs())
    assert there(taught)[-1].added_at == newest


def test_bytes_are_bounded_alike(keep, taught):
    keep(1, Quota())
    size = there(taught)[0].size
    keep(20, Quota(bytes=5 * size + size // 2))
    assert sum(one.size for one in there(taught)) <= 5 * size + size // 2


def test_what_somebody_annotated_stays_and_does_not_count(keep, taught):
    keep(3, Quota(count=3))
    mine = there(taught)[0].id
    taught.annotate(mine, concepts=["red"])
    keep(10, Quota(count=3))
    assert mine in [one.id for one in there(taught)]
    assert len(there(taught)) == 4


def test_what_is_too_old_goes_once_in_a_while(keep, taught, monkeypatch):
    keep(3, Quota(age=86400))
    now = taught.store.now()
    monkeypatch.setattr(taught.store, "_clock", lambda: now + timedelta(days=2))
    assert keep.kept.tidy(SOURCE, Quota(age=86400)) == 3
    assert there(taught) == []


@pytest.fixture
def passes(taught, monkeypatch):
    """A list with an entry for each pass over the store."""
    calls = []
    discard = taught.store.discard
    monkeypatch.setattr(taught.store, "discard", lambda *args, **more: calls.append(1) or discard(*args, **more))
    return calls


def test_the_store_is_not_gone_through_for_every_capture(keep, passes):
    keep(60, Quota(count=1000))
    assert len(passes) <= 3


def test_a_store_that_is_full_is_tidied_though_it_was_a_moment_ago(keep, passes, taught, monkeypatch, blob):
    quota = Quota(count=1000)
    keep(5, quota)
    before = len(passes)

    def full(*args, **more):  # noqa: ARG001
        raise StoreUnavailable("the disk is full; make room")

    prediction = taught.model("colours").predict(blob("red", 99))
    with monkeypatch.context() as patch:
        patch.setattr(taught.store.inputs, "add", full)
        with pytest.raises(StoreUnavailable):
            keep.kept.keep(blob("red", 7), SOURCE, prediction)
    keep.kept.tidy(SOURCE, quota)
    keep.kept.tidy(SOURCE, quota)
    assert len(passes) == before + 1

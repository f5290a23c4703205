"""Looking through a store: filters, pages that go on where the last one ended, where pictures came from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edge.errors import InvalidArgument, NotFound
from edge.store.browsing import Filter


@pytest.fixture
def shelf(store, new):
    """Five inputs by a word: two in a folder, one from a camera, one nobody said anything of, one removed."""
    found = {}
    for word, source, said in (
        ("cat", "home/pets/1.png", {"cat": 1, "dog": 0}),
        ("dog", "home/pets/2.png", {"cat": 0, "dog": 1}),
        ("camera", "camera", {"cat": 1}),
        ("silent", "upload/%_.png", {}),
        ("gone", "camera", {"cat": 1}),
    ):
        ((one, _),) = store.inputs.add([new(word.encode(), said, source=source)], by="user")
        found[word] = one.id
    store.inputs.remove([found["gone"]], by="user")
    return found


def words(shelf, found):
    names = {id: word for word, id in shelf.items()}
    return [names[one.id] for one in found[0]]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), ["silent", "camera", "dog", "cat"]),
        (Filter(state="labelled"), ["camera", "dog", "cat"]),
        (Filter(state="unlabelled"), ["silent"]),
        (Filter(state="removed"), ["gone"]),
        (Filter("cat"), ["camera", "dog", "cat"]),
        (Filter("cat", "shown"), ["camera", "cat"]),
        (Filter("cat", "not-shown"), ["dog"]),
        (Filter("dog", "unlabelled"), ["silent", "camera"]),
        (Filter("bird"), []),
        (Filter(state="not-shown"), ["dog", "cat"]),
        (Filter(source="home/pets"), ["dog", "cat"]),
        (Filter(source="camera"), ["camera"]),
        (Filter("cat", "shown", "home/pets"), ["cat"]),
    ],
)
def test_a_filter_leaves_what_it_says_newest_first(store, shelf, wanted, expected):
    found = store.inputs.browse(wanted)
    assert words(shelf, found) == expected
    assert found[1] == len(expected)


def test_a_renamed_concept_is_found_by_either_name(store, shelf):
    store.inputs.rename_concept("cat", "Katze")
    for name in ("cat", "Katze"):
        assert words(shelf, store.inputs.browse(Filter(name, "shown"))) == ["camera", "cat"]


def test_pages_go_on_behind_the_last_one_although_newer_inputs_came_in(store, shelf, new):
    first, total = store.inputs.browse(Filter(), limit=2)
    store.inputs.add([new(b"newer")], by="user")
    rest, _ = store.inputs.browse(Filter(), after=first[-1].id, limit=9)
    assert words(shelf, (first + rest, total)) == ["silent", "camera", "dog", "cat"]


def test_the_day_an_input_came_on_limits_what_is_found(store, shelf):
    day = store.inputs.get(shelf["cat"]).added_at.replace(hour=0, minute=0, second=0, microsecond=0)
    assert store.inputs.browse(Filter(since=day, until=day + timedelta(days=1)))[1] == 4
    assert store.inputs.browse(Filter(since=day + timedelta(days=1)))[1] == 0
    assert store.inputs.browse(Filter(until=datetime(1971, 1, 1, tzinfo=UTC)))[1] == 0


@pytest.mark.usefixtures("shelf")
def test_sources_are_folders_with_how_many_came_from_them(store):
    assert store.inputs.sources() == [("home/pets", 2), ("camera", 1), ("upload", 1)]


def test_a_state_there_is_not_is_refused(store):
    with pytest.raises(InvalidArgument, match="not-shown"):
        store.inputs.browse(Filter(state="1 OR 1"))


def test_annotating_many_inputs_answers_in_their_order(store, shelf, labels):
    changes = [(shelf["silent"], {"dog": 1}), (shelf["cat"], {"cat": None})]
    assert [one.id for one in store.inputs.annotate_many(changes, by="user")] == [shelf["silent"], shelf["cat"]]
    assert (labels(store, shelf["silent"]), labels(store, shelf["cat"])) == ({"dog": 1}, {"dog": 0})


def test_one_input_that_is_not_there_leaves_all_annotations_as_they_were(store, shelf, labels):
    before = store.inputs.last_change()
    with pytest.raises(NotFound):
        store.inputs.annotate_many([(shelf["silent"], {"dog": 1}), ("nothing", {"dog": 1})], by="user")
    assert (labels(store, shelf["silent"]), store.inputs.last_change()) == ({}, before)

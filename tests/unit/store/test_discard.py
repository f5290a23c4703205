"""Captures that a loop kept by itself are let go of within bounds, at once; what a person touched is not."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

SOURCE = "watch/gate"


@pytest.fixture
def kept(store, new):
    """``kept(b"1", b"2")``: captures of the loop, the oldest first; their ids."""
    return lambda *data, **more: [
        one.id for one, _ in store.inputs.add([new(each, source=SOURCE, **more) for each in data], by="watch")
    ]


def ids(store):
    return {one.id for one in store.inputs.page(limit=100)}


def blobs(tmp_path):
    return len(list((tmp_path / "store" / "blobs").glob("*/*")))


def test_the_oldest_go_and_their_bytes_with_them(store, kept, tmp_path):
    names = kept(b"1", b"2", b"3", b"4")
    assert store.discard(SOURCE, keep=2) == 2
    assert ids(store) == set(names[2:])
    assert blobs(tmp_path) == 2
    assert store.discard(SOURCE, keep=2) == 0


def test_what_is_kept_has_at_most_so_many_bytes(store, kept):
    names = kept(b"1" * 10, b"2" * 10, b"3" * 10)
    assert store.discard(SOURCE, most_bytes=25) == 1
    assert ids(store) == set(names[1:])


def test_what_was_kept_before_a_moment_goes(store, kept, clock):
    kept(b"old")
    clock.move(days=31)
    (new,) = kept(b"new")
    assert store.discard(SOURCE, since=clock.now - timedelta(days=30)) == 1
    assert ids(store) == {new}


@pytest.mark.parametrize("said", [{"cat": 1}, {"cat": 0}])
def test_what_somebody_annotated_stays(store, kept, said, tmp_path):
    names = kept(b"1", b"2", b"3")
    store.inputs.annotate(names[0], said, by="user")
    assert store.discard(SOURCE, keep=0) == 2
    assert ids(store) == {names[0]}
    assert blobs(tmp_path) == 1


def test_what_was_annotated_and_taken_back_stays_too(store, kept):
    names = kept(b"1", b"2")
    store.inputs.annotate(names[0], {"cat": 1}, by="user")
    store.inputs.annotate(names[0], {"cat": None}, by="user")
    store.discard(SOURCE, keep=0)
    assert ids(store) == {names[0]}


def test_what_came_from_elsewhere_stays(store, kept, new):
    kept(b"1")
    store.inputs.add([new(b"mine"), new(b"theirs", source="watch/door")], by="user")
    store.discard(SOURCE, keep=0)
    assert {one.source for one in store.inputs.page(limit=100)} == {"a.png", "watch/door"}


def test_what_was_removed_by_hand_costs_room_until_then(store, kept, tmp_path):
    names = kept(b"1", b"2", b"3")
    store.inputs.remove([names[0]], by="user")
    assert store.discard(SOURCE, keep=2) == 1
    assert blobs(tmp_path) == 2


def test_a_removal_that_others_have_to_hear_of_is_not_forgotten(store, kept):
    (name,) = kept(b"1")
    with store.writing() as connection:
        connection.execute("INSERT INTO devices (id) VALUES ('us')")
        connection.execute("UPDATE inputs SET device = (SELECT number FROM devices WHERE id = 'us')")
    store.inputs.remove([name], by="user")
    assert store.discard(SOURCE, keep=0, own="us") == 0


def test_bytes_that_another_input_needs_stay(store, kept, new):
    kept(b"same")
    ((other, _),) = store.inputs.add([new(b"same", id="mine")], by="user")
    store.discard(SOURCE, keep=0)
    assert store.inputs.read(other) == b"same"


def test_what_another_device_kept_under_the_same_name_is_not_ours_to_let_go(store, kept):
    theirs, ours, unsealed = kept(b"1", b"2", b"3")
    with store.writing() as connection:
        connection.execute("INSERT INTO devices (id) VALUES ('them'), ('us')")
        for device, id in (("them", theirs), ("us", ours)):
            connection.execute(
                "UPDATE inputs SET device = (SELECT number FROM devices WHERE id = ?) WHERE id = ?", (device, id)
            )
    assert store.discard(SOURCE, keep=0, own="us") == 2
    assert ids(store) == {theirs}
    assert unsealed not in ids(store)


def test_nobody_is_waited_for_who_adds_pictures_meanwhile(store, kept):
    kept(b"1", b"2")
    with store._blobs.adding(lambda _: set()):
        found = []
        thread = threading.Thread(target=lambda: found.append(store.discard(SOURCE, keep=0)))
        thread.start()
        thread.join(20)
        assert found == [0]
    assert store.discard(SOURCE, keep=0) == 2


def test_statistics_begin_anew_when_words_of_before_are_forgotten(store, kept):
    (name,) = kept(b"1")
    store.inputs.annotate(name, {"cat": 1}, by="user")
    store.inputs.annotate(name, {"cat": None}, by="user")
    with store.writing() as connection:  # a store of a time that remembered nothing that was taken back
        connection.execute("DELETE FROM cleared")
    assert store.setting("purged") is None
    assert store.discard(SOURCE, keep=0) == 1
    assert store.setting("purged") == str(store.inputs.last_change())

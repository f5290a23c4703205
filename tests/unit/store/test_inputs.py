from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from edge.errors import BackboneChanged, InvalidArgument, NotFound, StoreCorrupt

SHA = "0" * 64


def _add(store, *new):
    return [one for one, _ in store.inputs.add(new, by="user")]


# --- adding ----------------------------------------------------------------------------------------------------------


def test_an_input_is_named_after_its_bytes_and_keeps_them(store, new):
    (one,) = _add(store, new(b"picture"))
    assert one.id == hashlib.sha256(b"picture").hexdigest()[:32]
    assert store.inputs.read(one) == b"picture"
    assert (one.width, one.height, one.size, one.source) == (2, 3, 7, "a.png")


def test_the_same_bytes_again_are_the_same_input_and_annotations_merge(store, new, labels):
    first = store.inputs.add([new(b"picture", {"cat": 1, "dog": 0})], by="user")
    second = store.inputs.add([new(b"picture", {"dog": 1})], by="user")
    assert [created for _, created in first + second] == [True, False]
    assert labels(store, first[0][0].id) == {"cat": 1, "dog": 1}
    assert store.inputs.count() == 1


def test_the_same_bytes_twice_in_one_call_are_one_input(store, new):
    found = store.inputs.add([new(b"picture"), new(b"picture")], by="user")
    assert [created for _, created in found] == [True, False]
    assert found[0][0].id == found[1][0].id


def test_two_inputs_of_chosen_ids_share_one_blob(store, new, tmp_path):
    one, two = _add(store, new(b"picture", id="one"), new(b"picture", id="two"))
    assert {one.id, two.id} == {"one", "two"}
    assert len(list((tmp_path / "store" / "blobs").glob("*/*"))) == 1


def test_an_id_that_names_other_bytes_is_refused_and_nothing_stays(store, new, tmp_path):
    _add(store, new(b"picture", id="one"))
    with pytest.raises(InvalidArgument, match="other bytes"):
        _add(store, new(b"another"), new(b"others", id="one"))
    assert store.inputs.count() == 1
    assert len(list((tmp_path / "store" / "blobs").glob("*/*"))) == 1


@pytest.mark.parametrize(
    "wrong", [{"id": "a/b"}, {"annotations": {"": 1}}, {"annotations": {"cat": 2}}, {"metadata": {"a": float("nan")}}]
)
def test_what_a_row_would_refuse_is_refused_before_bytes_are_written(store, new, tmp_path, wrong):
    with pytest.raises(InvalidArgument):
        _add(store, replace(new(b"picture"), **wrong))
    assert not (tmp_path / "store" / "blobs").exists()


def test_a_damaged_picture_is_mended_by_adding_it_again(store, new):
    (one,) = _add(store, new(b"picture"))
    store.inputs.blob_path(one.sha256, one.media_type).write_bytes(b"PICTURE")
    with pytest.raises(StoreCorrupt, match="damaged"):
        store.inputs.read(one)
    _add(store, new(b"picture"))
    assert store.inputs.read(one) == b"picture"


def test_a_missing_picture_says_what_to_do(store, new):
    (one,) = _add(store, new(b"picture"))
    store.inputs.blob_path(one.sha256, one.media_type).unlink()
    with pytest.raises(StoreCorrupt, match="add the same file again"):
        store.inputs.read(one)


def test_an_embedding_that_statistics_may_have_counted_is_not_replaced(store, new):
    _add(store, new(b"picture"))
    _add(store, replace(new(b"picture"), embedding=b"\x01" * 8))
    found = store.inputs.embeddings([1], backbone_sha256=SHA, size=8)
    assert found.tolist() == [[7] * 8]


def test_a_picture_embedded_by_another_backbone_than_the_store_names_is_refused(store, new):
    store.set_settings(backbone_sha256="1" * 64)
    with pytest.raises(BackboneChanged):
        _add(store, new(b"picture"))


def test_a_store_names_another_backbone_only_when_every_visible_input_has_its_embedding(store, new):
    _add(store, new(b"one"), new(b"two"))
    store.inputs.remove([hashlib.sha256(b"two").hexdigest()[:32]], by="user")
    assert not store.use_backbone("other", "1" * 64, 8)
    assert store.inputs.missing_embeddings("1" * 64, 8) == [1, 2]
    store.inputs.set_embeddings([(1, b"12345678")], backbone_sha256="1" * 64)
    assert store.use_backbone("other", "1" * 64, 8)
    assert (store.setting("backbone"), store.setting("backbone_sha256")) == ("other", "1" * 64)


def test_an_embedding_of_the_wrong_size_is_missing_and_can_be_replaced(store, new):
    _add(store, replace(new(b"picture"), embedding=b"123"))
    assert store.inputs.missing_embeddings(SHA, 8) == [1]
    with pytest.raises(StoreCorrupt, match="wrong size"):
        store.inputs.embeddings([1], backbone_sha256=SHA, size=8)
    store.inputs.set_embeddings([(1, b"12345678")], backbone_sha256=SHA)
    assert store.inputs.missing_embeddings(SHA, 8) == []


# --- annotations -----------------------------------------------------------------------------------------------------


def test_an_annotation_is_shown_not_shown_or_not_known(store, new, labels):
    (one,) = _add(store, new(b"picture", {"cat": 1}))
    store.inputs.annotate(one.id, {"cat": 0, "dog": 1}, by="anna")
    assert labels(store, one.id) == {"cat": 0, "dog": 1}
    changed = store.inputs.annotate(one.id, {"cat": None}, by="anna")
    assert [(a.concept_id, a.value, a.by) for a in changed.annotations] == [("dog", 1, "anna")]


def test_one_bad_annotation_among_several_changes_nothing(store, new, labels):
    (one,) = _add(store, new(b"picture", {"cat": 1}))
    with pytest.raises(InvalidArgument):
        store.inputs.annotate(one.id, {"cat": 0, "dog": 7}, by="user")
    assert labels(store, one.id) == {"cat": 1}
    assert [concept.id for concept in store.inputs.concepts()] == ["cat"]


def test_saying_the_same_again_is_no_change(store, new):
    (one,) = _add(store, new(b"picture", {"cat": 1}))
    before = store.inputs.last_change()
    store.inputs.annotate(one.id, {"cat": 1, "dog": None}, by="user")
    assert store.inputs.last_change() == before


def test_counts_are_of_visible_inputs(store, new):
    one, _, _ = _add(store, new(b"1", {"cat": 1}), new(b"2", {"cat": 1}), new(b"3", {"cat": 0, "dog": 0}))
    store.inputs.remove([one.id], by="user")
    store.inputs.ensure_concepts(["empty"])
    assert store.inputs.concept_counts() == {"cat": (1, 1), "dog": (0, 1), "empty": (0, 0)}


def test_a_confirmation_is_a_word_of_its_own_and_changes_no_label(store, new, clock):
    (one,) = _add(store, new(b"1", {"cat": 1, "dog": 0}))
    clock.move(hours=1)
    found = store.inputs.annotate(one.id, {"cat": 1}, by="somebody", confirm=True)
    assert {said.concept_id: (said.value, said.by, said.at) for said in found.annotations} == {
        "cat": (1, "somebody", clock.now),
        "dog": (0, "user", one.annotations[1].at),
    }
    assert store.inputs.confirmed([one.id]) == {(one.id, "cat")}
    assert store.inputs.confirmed([]) == set()
    assert [finding.level for finding in store.check() if finding.check == "log"] == ["ok"]


def test_what_nobody_said_cannot_be_confirmed(store, new):
    (one,) = _add(store, new(b"1"))
    before = store.inputs.last_change()
    store.inputs.annotate(one.id, {"cat": None}, by="user", confirm=True)
    assert (store.inputs.last_change(), store.inputs.confirmed([one.id])) == (before, set())


@pytest.mark.parametrize("value", [0, None])
def test_a_confirmation_ends_when_the_label_changes(store, new, value):
    (one,) = _add(store, new(b"1", {"cat": 1}))
    store.inputs.annotate(one.id, {"cat": 1}, by="user", confirm=True)
    store.inputs.annotate(one.id, {"cat": value}, by="user")
    store.inputs.annotate(one.id, {"cat": 1}, by="user")
    assert store.inputs.confirmed([one.id]) == set()


# --- removing --------------------------------------------------------------------------------------------------------


def test_a_removed_input_is_hidden_and_comes_back_with_its_annotations(store, new, labels):
    (one,) = _add(store, new(b"picture", {"cat": 1}))
    assert store.inputs.remove([one.id], by="user") == 1
    assert store.inputs.page() == []
    with pytest.raises(NotFound):
        store.inputs.get(one.id)
    assert store.inputs.restore([one.id], by="user") == 1
    assert labels(store, one.id) == {"cat": 1}


def test_adding_a_removed_picture_brings_it_back(store, new, labels):
    (one,) = _add(store, new(b"picture", {"cat": 1}))
    store.inputs.remove([one.id], by="user")
    ((again, created),) = store.inputs.add([new(b"picture", {"dog": 0})], by="user")
    assert (again.id, created) == (one.id, True)
    assert labels(store, one.id) == {"cat": 1, "dog": 0}


def test_removing_an_input_named_twice_removes_it_once(store, new):
    (one,) = _add(store, new(b"picture"))
    assert store.inputs.remove([one.id, one.id[:8]], by="user") == 1


def test_removing_one_unknown_input_among_several_changes_nothing(store, new):
    (one,) = _add(store, new(b"picture"))
    with pytest.raises(NotFound):
        store.inputs.remove([one.id, "unknown"], by="user")
    assert store.inputs.count() == 1


def test_removed_bytes_go_after_thirty_days_and_not_before(store, new, clock):
    one, two = _add(store, new(b"picture", {"cat": 1}), new(b"another"))
    store.inputs.remove([one.id], by="user")
    clock.move(days=29)
    assert store.purge() == 0
    clock.move(days=2)
    assert store.purge() == 1
    assert not store.inputs.blob_path(one.sha256, one.media_type).exists()
    assert store.inputs.blob_path(two.sha256, two.media_type).exists()
    with pytest.raises(NotFound):
        store.inputs.restore([one.id], by="user")


def test_a_purge_keeps_bytes_another_input_shares(store, new, clock):
    one, two = _add(store, new(b"picture", id="one"), new(b"picture", id="two"))
    store.inputs.remove([one.id], by="user")
    clock.move(days=31)
    assert store.purge() == 1
    assert store.inputs.read(two) == b"picture"


def test_a_purged_number_never_comes_back(store, new, clock):
    (one,) = _add(store, new(b"picture", {"cat": 1}))
    store.inputs.remove([one.id], by="user")
    clock.move(days=31)
    store.purge()
    _add(store, new(b"another", {"cat": 1}))
    assert store.inputs.labels(["cat"])[0] == [2]


def test_thirty_days_do_not_pass_when_a_clock_without_a_battery_starts_in_1970(store, new, clock):
    (one,) = _add(store, new(b"picture", {"cat": 1}))
    now = clock.now
    clock.now = now.replace(year=1970)
    store.inputs.remove([one.id], by="user")
    clock.now = now
    assert store.purge() == 0
    assert store.inputs.restore([one.id], by="user") == 1


# --- looking up ------------------------------------------------------------------------------------------------------


def test_an_input_is_found_by_the_beginning_of_its_id(store, new):
    one, _ = _add(store, new(b"picture"), new(b"another"))
    assert store.inputs.get(one.id[:6]) == one
    with pytest.raises(NotFound):
        store.inputs.get(one.id[:5])


def test_a_beginning_that_several_ids_share_is_refused_unless_it_is_a_whole_id(store, new):
    _add(store, new(b"1", id="tomato"), new(b"2", id="tomato 2"), new(b"3", id="tomato 3"))
    assert store.inputs.get("tomato").id == "tomato"
    with pytest.raises(InvalidArgument, match="several"):
        store.inputs.get("tomato ")


@pytest.mark.parametrize("id", ["%_%_%_%", "'; DROP TABLE inputs; --", "\0\0\0\0\0\0\0", "*" * 5000])
def test_a_strange_id_is_simply_not_found(store, id):
    with pytest.raises(NotFound):
        store.inputs.get(id)


def test_an_id_that_is_no_unicode_is_refused(store):
    with pytest.raises(InvalidArgument):
        store.inputs.get("abc\udcff123")


def test_pages_come_in_the_order_of_adding_with_all_annotations(store, new):
    added = _add(store, *(new(b"%d" % number, {"cat": number % 2, "dog": 1}) for number in range(7)))
    assert store.inputs.page() == added
    assert store.inputs.page(limit=2, offset=3) == added[3:5]
    assert store.inputs.page(concept="cat") == added
    assert store.inputs.page(concept="nobody") == []


def test_unlabelled_inputs_are_those_without_any_annotation(store, new):
    one, _ = _add(store, new(b"1"), new(b"2", {"cat": 0}))
    assert store.inputs.page(unlabelled=True) == [one]


def test_a_page_reads_its_annotations_in_few_queries(store, new):
    _add(store, *(new(b"%d" % number, {"cat": 1}) for number in range(300)))
    seen = []
    store._database.connection.set_trace_callback(seen.append)
    assert len(store.inputs.page()) == 300
    store._database.connection.set_trace_callback(None)
    assert len(seen) < 6


def test_labels_are_arrays_of_what_is_known_about_visible_inputs(store, new):
    one, two, _, four = _add(
        store, new(b"1", {"a": 1}), new(b"2", {"b": 0, "a": 0}), new(b"3"), new(b"4", {"a": 1, "c": 1})
    )
    store.inputs.remove([four.id], by="user")
    numbers, ids, labels = store.inputs.labels(["b", "unknown", "a"])
    assert (numbers, ids) == ([1, 2], [one.id, two.id])
    assert labels.dtype == np.int8
    assert labels.tolist() == [[-1, -1, 1], [0, -1, 0]]


def test_labels_of_an_empty_store_are_empty(store):
    numbers, ids, labels = store.inputs.labels(["a", "b"])
    assert (numbers, ids, labels.shape) == ([], [], (0, 2))


def test_a_row_that_cannot_be_read_is_damage(store, new):
    (one,) = _add(store, new(b"picture"))
    with store._database.write() as connection:
        connection.execute("UPDATE inputs SET metadata = '{'")
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        store.inputs.get(one.id)

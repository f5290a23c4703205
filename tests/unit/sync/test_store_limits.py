"""Whatever a store takes, others take from it: what was acknowledged can always be synchronised."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cryptography")

from edge.errors import InvalidArgument
from edge.store.given import MOST_BY, MOST_METADATA, MOST_SOURCE
from edge.store.names import MOST_BYTES, MOST_CONCEPTS
from tests.devices import Device, Remote, converge


def heard(tmp_path, said):
    """What another device knows after one has said it."""
    one, other = Device(tmp_path / "one"), Device(tmp_path / "other")
    said(one)
    dumps = converge([one, other], Remote())
    assert dumps[0] == dumps[1]
    return dumps[1]


def test_metadata_at_its_limit_arrives(tmp_path):
    metadata = {"note": "é" * ((MOST_METADATA - 20) // 6)}

    def say(one):
        one.store.inputs.set_metadata(one.add("a"), metadata)

    [found] = heard(tmp_path, say)["inputs"]
    assert json.loads(found[4]) == metadata


def test_longer_metadata_is_refused_by_the_store_not_by_the_others(tmp_path):
    one = Device(tmp_path)
    id = one.add("a")
    with pytest.raises(InvalidArgument, match="64 KiB"):
        one.store.inputs.set_metadata(id, {"note": "x" * MOST_METADATA})


def test_who_says_it_may_have_a_name_as_long_as_its_limit_and_no_longer(tmp_path):
    assert heard(tmp_path, lambda one: one.add("a", {"ripe": 1}, by="é" * MOST_BY))["words"]
    one = Device(tmp_path / "third")
    with pytest.raises(InvalidArgument, match=f"{MOST_BY} characters"):
        one.add("a", {"ripe": 1}, by="é" * (MOST_BY + 1))
    with pytest.raises(InvalidArgument, match="no text"):
        one.add("a", {"ripe": 1}, by="\udcff")
    assert one.store.inputs.count() == 0


def test_a_source_may_be_as_long_as_its_limit_and_no_longer(tmp_path):
    assert heard(tmp_path, lambda one: one.add("a" * (MOST_SOURCE - 4)))["inputs"]
    with pytest.raises(InvalidArgument, match=f"{MOST_SOURCE} characters"):
        Device(tmp_path / "third").add("a" * MOST_SOURCE)


def test_the_largest_model_arrives_and_a_larger_one_is_refused(tmp_path):
    length = MOST_BYTES // MOST_CONCEPTS - 3
    concepts = [f"{number:0{length}}" for number in range(MOST_CONCEPTS)]

    def make(one):
        one.store.models.create("all", concepts, mutually_exclusive=False, closed_environment=False)

    [model] = heard(tmp_path, make)["models"]
    assert json.loads(model[1]) == concepts
    third = Device(tmp_path / "third")
    for more in ([*concepts, "one more"], ["ü" * 120 + str(number) for number in range(1000)]):
        with pytest.raises(InvalidArgument, match="several models"):
            third.store.models.create("all", more, mutually_exclusive=False, closed_environment=False)


TEXTS = st.text(st.characters(exclude_categories=()), min_size=1, max_size=140)


@settings(max_examples=60, deadline=None)
@given(id=TEXTS, concept=TEXTS, by=TEXTS, source=TEXTS, note=TEXTS)
def test_any_texts_are_refused_at_once_or_arrive(tmp_path_factory, id, concept, by, source, note):
    folder = tmp_path_factory.mktemp("said")
    one, other = Device(folder / "one"), Device(folder / "other")
    try:
        given = one.add(source, {concept: 1}, id=id, by=by)
        one.store.inputs.set_metadata(given, {"note": note})
    except InvalidArgument:
        pass
    dumps = converge([one, other], Remote())
    assert dumps[0] == dumps[1]

"""Concepts keep their ids whatever they are called, and models may gain and lose them."""

from __future__ import annotations

import sqlite3

import pytest

from edge.errors import Conflict, InvalidArgument, NotFound
from edge.store import Store
from edge.store.schema import APPLICATION_ID, MIGRATIONS, statements


@pytest.fixture
def cats(store, new):
    """A store with one input that shows a cat, and a model of cats and dogs."""
    store.inputs.add([new(b"1", {"cat": 1})], by="user")
    store.models.create("pets", ["cat", "dog"], mutually_exclusive=False, closed_environment=False)
    return store


# --- names ---------------------------------------------------------------------------------------------------------


def test_a_new_name_keeps_the_id_and_everything_that_refers_to_it(cats, labels):
    before, changes = cats.models.get("pets"), cats.inputs.last_change()
    renamed = cats.inputs.rename_concept("cat", "house cat")
    assert (renamed.id, renamed.name) == ("cat", "house cat")
    assert cats.models.get("pets") == before
    assert labels(cats, cats.inputs.page()[0].id) == {"cat": 1}
    assert cats.inputs.last_change() == changes
    assert cats.inputs.renamed() == {"cat": "house cat"}


@pytest.mark.parametrize("name", ["house cat", "cat"])
def test_both_the_new_name_and_the_first_one_mean_the_concept(cats, labels, name):
    cats.inputs.rename_concept("cat", "house cat")
    (one,) = cats.inputs.page()
    cats.inputs.annotate(one.id, {name: 0}, by="user")
    assert labels(cats, one.id) == {"cat": 0}
    assert cats.inputs.page(concept=name) == cats.inputs.page()
    assert cats.inputs.ensure_concepts([name]) == ("cat",)
    assert len(cats.inputs.concepts()) == 2


def test_a_name_in_between_is_free_again(cats):
    cats.inputs.rename_concept("cat", "house cat")
    cats.inputs.rename_concept("house cat", "tabby")
    assert cats.inputs.ensure_concepts(["house cat"]) == ("house cat",)
    with pytest.raises(Conflict):
        cats.inputs.rename_concept("tabby", "house cat")


def test_a_concept_can_have_its_first_name_back(cats):
    cats.inputs.rename_concept("cat", "house cat")
    assert cats.inputs.rename_concept("house cat", "cat").name == "cat"
    assert cats.inputs.renamed() == {}


@pytest.mark.parametrize(("name", "taken"), [("house cat", "dog"), ("dog", "house cat"), ("dog", "cat")])
def test_no_two_concepts_have_one_name(cats, name, taken):
    cats.inputs.rename_concept("cat", "house cat")
    with pytest.raises(Conflict, match=f"'{taken}' is a concept already; choose another name"):
        cats.inputs.rename_concept(name, taken)


def test_a_bad_name_and_an_unknown_concept_are_refused(cats):
    with pytest.raises(InvalidArgument):
        cats.inputs.rename_concept("cat", "a/b")
    with pytest.raises(NotFound, match="edge concepts"):
        cats.inputs.rename_concept("cow", "bull")


def test_two_names_of_one_concept_do_not_both_say_something(cats, labels):
    cats.inputs.rename_concept("cat", "house cat")
    (one,) = cats.inputs.page()
    with pytest.raises(InvalidArgument, match="another name"):
        cats.inputs.annotate(one.id, {"house cat": 0, "cat": 1}, by="user")
    assert labels(cats, one.id) == {"cat": 1}


def test_a_model_takes_names_and_holds_ids(cats):
    cats.inputs.rename_concept("cat", "house cat")
    made = cats.models.create("m", ["house cat", "cat", "cow"], mutually_exclusive=False, closed_environment=False)
    assert made.concepts == ("cat", "cow")


# --- concepts of a model -------------------------------------------------------------------------------------------


def test_concepts_are_added_at_the_end_and_removed(cats):
    assert cats.models.add_concepts("pets", ["cow", "hen"]).concepts == ("cat", "dog", "cow", "hen")
    assert cats.models.remove_concepts("pets", ["dog", "hen"]).concepts == ("cat", "cow")
    assert cats.models.get("pets").concepts == ("cat", "cow")
    assert {one.id for one in cats.inputs.concepts()} == {"cat", "dog", "cow", "hen"}


def test_adding_what_is_there_changes_nothing(cats):
    with pytest.raises(Conflict, match="has 'dog' already"):
        cats.models.add_concepts("pets", ["cow", "dog"])
    assert cats.models.get("pets").concepts == ("cat", "dog")
    assert {one.id for one in cats.inputs.concepts()} == {"cat", "dog"}


def test_removing_what_is_not_there_changes_nothing(cats):
    cats.inputs.rename_concept("cat", "house cat")
    with pytest.raises(NotFound, match="has no concept 'cow'; it has: house cat, dog"):
        cats.models.remove_concepts("pets", ["dog", "cow"])
    assert cats.models.get("pets").concepts == ("cat", "dog")


def test_a_model_keeps_as_many_concepts_as_it_needs(cats):
    cats.models.create("kinds", ["cat", "dog"], mutually_exclusive=True, closed_environment=False)
    with pytest.raises(InvalidArgument, match="at least one"):
        cats.models.remove_concepts("pets", ["cat", "dog"])
    with pytest.raises(InvalidArgument, match="at least two"):
        cats.models.remove_concepts("kinds", ["cat"])
    assert [one.concepts for one in cats.models.all()] == [("cat", "dog")] * 2


@pytest.mark.parametrize("verb", ["add_concepts", "remove_concepts"])
def test_a_change_of_nothing_or_of_no_model_is_refused(cats, verb):
    with pytest.raises(InvalidArgument, match="at least one"):
        getattr(cats.models, verb)("pets", [])
    with pytest.raises(NotFound, match="pets"):
        getattr(cats.models, verb)("cars", ["cat"])


# --- stores from before concepts had names ---------------------------------------------------------------------------


def test_a_store_of_the_first_schema_keeps_what_it_holds(tmp_path, clock):
    (tmp_path / "store").mkdir()
    with sqlite3.connect(tmp_path / "store" / "store.sqlite", isolation_level=None) as old:
        for statement in statements(MIGRATIONS[0]):
            old.execute(statement)
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("PRAGMA user_version = 1")
        old.execute("INSERT INTO concepts VALUES (1, 'cat', '2026-01-01'), (2, 'dog', '2026-01-01')")
        old.executemany(
            "INSERT INTO changes (input, concept, before, after, by, at) VALUES (1, ?, -1, 1, 'user', '2026')",
            [(1,), (2,)],
        )
    old.close()
    with Store.open(tmp_path / "store", clock=clock) as store:
        assert [(one.id, one.name) for one in store.inputs.concepts()] == [("cat", "cat"), ("dog", "dog")]
        assert store.inputs.last_change() == 2
        assert store.inputs.ensure_concepts(["cow"]) == ("cow",)

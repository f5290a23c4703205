"""What the service changes about models, versions and inputs that the command line does not."""

import pytest

from edge import Engine
from edge.errors import Conflict, InvalidArgument, NotFound


@pytest.fixture
def models(engine):
    return engine.store.models


def made(models, *concepts, exclusive=False):
    return models.create("m", concepts, mutually_exclusive=exclusive, closed_environment=False, may_be_empty=True)


def test_a_model_may_get_its_concepts_later(models):
    assert made(models).concepts == ()
    assert models.replace_concepts("m", ["b", "a", "b"]).concepts == ("b", "a")
    assert models.replace_concepts("m", ["a"]).concepts == ("a",)
    with pytest.raises(InvalidArgument):
        models.replace_concepts("m", [])
    with pytest.raises(NotFound):
        models.replace_concepts("x", ["a"])


def test_a_model_is_not_empty_by_accident(models):
    with pytest.raises(InvalidArgument):
        models.create("m", [], mutually_exclusive=False, closed_environment=False)


def test_a_model_without_concepts_cannot_be_trained(engine, models):
    made(models)
    version = engine.model("m").train().wait(60)
    assert version.status.value == "MODEL_TRAINING_FAILED"
    assert "no concept" in version.reason


def test_settings_change_one_at_a_time(taught):
    models = taught.store.models
    made(models, "red", "green")
    assert models.set_output("m", mutually_exclusive=True).mutually_exclusive
    assert models.set_output("m", closed_environment=True).mutually_exclusive


def with_negatives(engine):
    """Says of everything red that it is not green, and so on: what an independent model learns from."""
    for one in engine.inputs():
        shown = [each.concept_id for each in one.annotations if each.value]
        engine.annotate(one.id, shown, [name for name in ("red", "green") if name not in shown])


def test_settings_of_a_trained_model_count_from_its_next_training_on(taught, blob):
    model = taught.model("colours")
    before = model.predict(blob("red", 50))
    with_negatives(taught)
    model.set_output(mutually_exclusive=False)
    assert model.predict(blob("red", 50)) == before
    model.train().wait(60)
    assert not model.head()[1].mutually_exclusive


def test_a_model_of_one_concept_cannot_be_made_mutually_exclusive(taught):
    made(taught.store.models, "red")
    with pytest.raises(InvalidArgument, match="at least two"):
        taught.model("m").set_output(mutually_exclusive=True)


def test_changed_settings_survive_a_snapshot_of_the_old_kind(taught, monkeypatch):
    monkeypatch.setattr("edge.engine.learning.SNAPSHOT_EVERY", 1)
    model = taught.model("colours")
    with_negatives(taught)
    model.train().wait(60)
    model.set_output(mutually_exclusive=False)
    with Engine.open(taught.store.path, config=taught.config) as other:
        assert other.model("colours").train().wait(60).status.value == "MODEL_TRAINED"


def test_statistics_of_the_other_kind_are_not_gone_on_with(taught):
    """The learner keeps a model's statistics; after its kind changed they would be wrong."""
    models = taught.store.models
    made(models, "red", "green")
    taught.learner.material(taught.model("m").info)
    models.set_output("m", mutually_exclusive=True)
    assert taught.learner.material(taught.model("m").info).statistics.mutually_exclusive


def test_deleting_a_version_unpins_it_and_takes_its_head_away(taught):
    models, model = taught.store.models, taught.model("colours")
    model.train().wait(60)
    model.rollback("v1")
    models.delete_version("colours", "v1")
    assert model.info.pinned_version is None
    assert model.in_use.id == "v2"
    assert models.unreferenced() == []
    with pytest.raises(NotFound):
        models.delete_version("colours", "v1")


def test_a_version_that_trains_is_not_deleted(taught):
    models = taught.store.models
    with models.training():
        version = taught.model("colours").train()
        with pytest.raises(Conflict, match="wait"):
            models.delete_version("colours", version.id)
    version.wait(60)


def test_inputs_are_found_by_whole_ids_and_by_sources(engine, blob, saved):
    path = saved("a.png", blob("red"))
    (one,) = engine.add(path).inputs
    inputs = engine.store.inputs
    assert list(inputs.by_id([one.id, one.id[:8], "x"])) == [one.id]
    assert inputs.known_sources([str(path), "elsewhere"]) == {str(path)}
    assert len(inputs.numbers()) == len(inputs.numbers_of([one.id, "x"])) == 1
    engine.remove(one.id)
    assert (inputs.by_id([one.id]), inputs.known_sources([str(path)]), inputs.numbers()) == ({}, set(), [])


def test_metadata_is_replaced_and_has_to_be_json(engine, blob):
    (one,) = engine.add(blob("red")).inputs
    assert engine.store.inputs.set_metadata(one.id, {"a": [1]}).metadata == {"a": [1]}
    assert engine.input(one.id).metadata == {"a": [1]}
    with pytest.raises(InvalidArgument):
        engine.store.inputs.set_metadata(one.id, {"a": float("nan")})

"""Which inputs to label next, from a store."""

import numpy as np
import pytest

from edge.engine import choosing
from edge.errors import BackboneChanged, NotFound, NotTrained


@pytest.fixture
def pool(taught, blob):
    """``taught`` and unlabelled pictures of both colours, and of one that it was not taught."""
    for colour in ("red", "green", "blue"):
        taught.add([blob(colour, seed) for seed in range(20, 26)])
    return taught


def test_only_what_nothing_was_said_about_is_asked_for(pool):
    unlabelled = {one.id for one in pool.inputs(unlabelled=True)}
    found = pool.model("colours").uncertain(limit=100)
    assert {one.input.id for one in found.inputs} == unlabelled
    assert (found.model, found.version, found.unlabelled, found.considered) == ("colours", "v1", 18, 18)


def test_what_was_never_taught_is_asked_for_first(pool, blob):
    first = pool.model("colours").uncertain(limit=1).inputs[0]
    assert first.input.id in {one.id for one in pool.add([blob("blue", seed) for seed in range(20, 26)]).inputs}
    assert not first.is_known
    assert first.reason.startswith("resembles nothing taught")


def test_every_line_says_why(pool):
    for one in pool.model("colours").uncertain(limit=100).inputs:
        assert one.reason
        assert 0 <= one.uncertainty <= 1
        assert [score.id for score in one.concepts] in (["red", "green"], ["green", "red"])


def test_annotations_of_other_concepts_do_not_count(pool):
    one = pool.model("colours").uncertain(limit=1).inputs[0].input
    pool.annotate(one.id, ["large"])
    assert one.id in {each.input.id for each in pool.model("colours").uncertain(limit=100).inputs}
    pool.annotate(one.id, not_concepts=["red"])
    assert one.id not in {each.input.id for each in pool.model("colours").uncertain(limit=100).inputs}


def test_removed_inputs_are_not_asked_for(pool):
    one = pool.model("colours").uncertain(limit=1).inputs[0].input
    pool.remove(one.id)
    assert one.id not in {each.input.id for each in pool.model("colours").uncertain(limit=100).inputs}


def test_a_store_without_unlabelled_inputs_has_none_to_ask_for(taught):
    found = taught.model("colours").uncertain()
    assert (found.inputs, found.unlabelled) == ((), 0)


def test_identical_embeddings_are_all_listed(taught):
    taught.add([np.full((32, 32 + n, 3), 128, dtype=np.uint8) for n in range(5)])
    found = taught.model("colours").uncertain()
    assert len(found.inputs) == 5
    assert "4 more like it" in found.inputs[0].reason


def test_a_model_of_one_concept_is_asked_about_that(engine, blob):
    engine.add([blob("red", seed) for seed in range(4)], concepts=["red"])
    engine.add([blob("green", seed) for seed in range(4)], not_concepts=["red"])
    engine.create_model("warm", ["red"]).train().wait()
    engine.add([blob(colour, 30) for colour in ("red", "green", "yellow")])
    found = engine.model("warm").uncertain()
    assert len(found.inputs) == 3
    assert all([score.id for score in one.concepts] == ["red"] for one in found.inputs)


def test_an_untrained_model_has_to_be_trained_first(engine, blob):
    engine.add(blob("red"))
    model = engine.create_model("m", ["red"])
    with pytest.raises(NotTrained, match="edge train m"):
        model.uncertain()


def test_a_model_that_is_not_there_is_not_found(engine):
    with pytest.raises(NotFound):
        choosing.uncertain(engine, "m")


def test_a_version_of_another_backbone_is_refused(pool):
    pool.store._database.connection.execute("UPDATE versions SET backbone_sha256 = 'x', backbone = 'other'")
    with pytest.raises(BackboneChanged, match="edge train colours"):
        pool.model("colours").uncertain()


def test_embeddings_of_another_backbone_are_not_mixed_in(pool):
    pool.store._database.connection.execute("UPDATE embeddings SET backbone = 'x' WHERE input > 10")
    with pytest.raises(BackboneChanged, match="edge doctor --repair"):
        pool.model("colours").uncertain()


def test_of_too_many_inputs_always_the_same_are_considered(pool, monkeypatch):
    monkeypatch.setattr(choosing, "SAMPLE", 10)
    found = pool.model("colours").uncertain(limit=100)
    assert (len(found.inputs), found.considered, found.unlabelled) == (10, 10, 18)
    assert found == pool.model("colours").uncertain(limit=100)


def test_a_later_page_goes_on_where_the_first_ended(pool):
    whole = choosing.uncertain(pool, "colours", limit=6).inputs
    assert choosing.uncertain(pool, "colours", limit=3, offset=3).inputs == whole[3:]


def test_renamed_concepts_are_called_what_they_are_called_now(pool):
    pool.rename_concept("red", "crimson")
    found = pool.model("colours").uncertain(limit=100).inputs
    assert {score.name for one in found for score in one.concepts} == {"crimson", "green"}

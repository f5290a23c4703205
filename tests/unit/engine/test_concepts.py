"""Concepts of a model change while it is in use: versions keep their own, names are only names."""

from __future__ import annotations

import zipfile

import pytest

import edge
from edge.errors import NotFound


@pytest.fixture
def colours(engine, blob):
    """Six pictures of each of three colours, and a trained model of two of them."""
    names = ("red", "green", "blue")
    for name in names:
        others = [one for one in names if one != name]
        engine.add([blob(name, seed) for seed in range(6)], concepts=[name], not_concepts=others)
    model = engine.create_model("colours", ["red", "green"])
    model.train().wait()
    return model


def ids(prediction):
    return {one.id for one in prediction.concepts}


def test_a_version_answers_with_the_concepts_it_was_trained_on(colours, blob):
    colours.add_concepts("blue")
    assert ids(colours.predict(blob("red", 9))) == {"red", "green"}
    colours.train().wait()
    colours.remove_concepts(["red", "green"])
    assert ids(colours.predict(blob("red", 9))) == {"red", "green", "blue"}
    assert ids(colours.predict(blob("red", 9), version="v1")) == {"red", "green"}
    assert colours.version("v2").info.counts == {"red": (6, 12), "green": (6, 12), "blue": (6, 12)}


def test_what_was_said_before_a_concept_was_added_counts(colours, blob):
    colours.add_concepts(["blue"])
    colours.train().wait()
    assert colours.predict(blob("blue", 9)).concepts[0].id == "blue"
    assert colours.predict(blob("blue", 9)).concepts[0].value > 0.5


def test_removing_a_concept_leaves_its_annotations_to_other_models(colours, engine):
    other = engine.create_model("other", ["green", "blue"])
    colours.remove_concepts("green")
    assert other.train().wait().info.counts["green"] == (6, 12)


def test_a_training_that_is_queued_keeps_the_concepts_it_was_asked_for(colours):
    version = colours.train()
    colours.add_concepts("blue")
    assert set(version.wait().info.counts) == {"red", "green"}


def test_predictions_say_the_new_name_of_a_concept_at_once(colours, engine, blob):
    colours.predict(blob("red", 9))  # with its first name
    engine.rename_concept("red", "crimson")
    top = colours.predict(blob("red", 9)).concepts[0]
    assert (top.id, top.name) == ("red", "crimson")


@pytest.mark.parametrize("name", ["red", "crimson"])
def test_a_prediction_may_be_asked_for_either_name(colours, engine, blob, name):
    engine.rename_concept("red", "crimson")
    assert ids(colours.predict(blob("red", 9), select=name)) == {"red"}


def test_what_a_version_lacks_is_answered_with_the_names_it_has(colours, engine, blob):
    engine.rename_concept("red", "crimson")
    with pytest.raises(NotFound, match="colours v1 has no concept 'blue'; it has: crimson, green"):
        colours.predict(blob("red", 9), select="blue")


@pytest.mark.parametrize("name", ["red", "crimson"])
def test_a_folder_to_measure_on_may_have_either_name(colours, engine, blob, saved, tmp_path, name):
    engine.rename_concept("red", "crimson")
    for seed in range(20, 24):
        saved(f"kept/{name}/{seed}.png", blob("red", seed))
        saved(f"kept/green/{seed}.png", blob("green", seed))
    found = colours.evaluate(tmp_path / "kept")
    assert [(one.id, one.positives) for one in found.concepts] == [("red", 4), ("green", 4)]


def test_a_new_name_changes_no_head(colours, engine):
    engine.rename_concept("red", "crimson")
    colours.train().wait()
    assert colours.head("v1")[1].to_bytes() == colours.head("v2")[1].to_bytes()


def test_an_exported_file_has_the_names_as_labels_and_installs_under_its_ids(real_engine, photographs, tmp_path):
    real_engine.add(photographs / "taught", from_folders=True)
    model = real_engine.create_model("grounds", ["brick", "grass"])
    model.train().wait()
    real_engine.rename_concept("grass", "lawn")
    model.export(tmp_path / "grounds.tflite")
    with zipfile.ZipFile(tmp_path / "grounds.tflite") as inside:
        (labels,) = inside.namelist()
        assert inside.read(labels).decode().split() == ["brick", "lawn"]
    assert real_engine.install(tmp_path / "grounds.tflite").info.concepts == ("brick", "grass")
    with edge.Engine.open(tmp_path / "other", config=real_engine.config) as other:
        assert other.install(tmp_path / "grounds.tflite").info.concepts == ("brick", "grass")

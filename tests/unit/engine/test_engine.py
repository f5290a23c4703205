"""Adding, annotating, removing: what a store holds afterwards, whatever was handed over."""

import numpy as np
import pytest

import edge
from edge.errors import BackboneChanged, BadImage, Conflict, InvalidArgument, NotFound
from edge.image import encode_png


def values(one):
    return {annotation.concept_id: annotation.value for annotation in one.annotations}


# --- adding ------------------------------------------------------------------------------------------------------


def test_pictures_come_as_paths_folders_patterns_bytes_and_arrays(engine, saved, blob, tmp_path):
    paths = [saved(f"in/{number}.png", blob("red", number)) for number in range(3)]
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    given = [
        paths[0],
        str(paths[1]),
        encode_png(blob("green", 1)),
        bytearray(encode_png(blob("green", 2))),
        blob("green", 3),
        str(tmp_path / "in" / "*.png"),
        tmp_path / "in",
    ]
    added = engine.add(given)
    assert added.created == 6
    assert len(added.inputs) == 11
    assert added.refused == ()
    assert len(engine.inputs()) == 6


def test_one_picture_needs_no_list(engine, saved, blob):
    for one in (saved("a.png", blob("red")), encode_png(blob("green")), blob("blue")):
        assert engine.add(one).created == 1


def test_one_concept_needs_no_list(engine, blob):
    (one,) = engine.add(blob("red"), concepts="red", not_concepts="green").inputs
    assert values(one) == {"red": 1, "green": 0}
    one = engine.annotate(one.id, clear="green")
    assert values(one) == {"red": 1}
    model = engine.create_model("colours", "red")
    assert model.info.concepts == ("red",)
    assert engine.remove(one.id) == 1
    assert engine.restore(one.id) == 1


def test_the_same_bytes_are_one_input_and_annotations_merge(engine, blob):
    data = encode_png(blob("red"))
    (first,) = engine.add(data, concepts=["red"]).inputs
    again = engine.add(data, not_concepts=["green"])
    assert again.created == 0
    assert again.inputs[0].id == first.id
    assert values(again.inputs[0]) == {"red": 1, "green": 0}


def test_the_last_word_on_a_concept_counts(engine, blob):
    data = encode_png(blob("red"))
    engine.add(data, concepts=["red"])
    (one,) = engine.add(data, not_concepts=["red"]).inputs
    assert values(one) == {"red": 0}


def test_facts_of_a_picture_are_kept(engine, saved, blob):
    path = saved("one.jpg", blob("red", size=(48, 80)))
    (one,) = engine.add(path).inputs
    assert (one.media_type, one.width, one.height, one.size) == ("image/jpeg", 80, 48, path.stat().st_size)
    assert one.source == str(path)
    assert engine.store.inputs.read(one) == path.read_bytes()
    assert one.added_at.tzinfo is not None


def test_one_bad_file_among_many_does_not_stop_the_others(engine, saved, blob, tmp_path):
    saved("in/good.png", blob("red"))
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no picture")
    (tmp_path / "in" / "folder.png").mkdir()
    added = engine.add([tmp_path / "in", tmp_path / "missing.png"], concepts=["red"])
    assert added.created == 1
    assert [source for source, _ in added.refused] == [str(tmp_path / "in" / "bad.jpg"), str(tmp_path / "missing.png")]
    assert all(reason for _, reason in added.refused)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (b"no picture", BadImage),
        (np.zeros((3, 3), np.float32), InvalidArgument),
        ("missing.jpg", NotFound),
        ("nothing/*.jpg", NotFound),
        (5, InvalidArgument),
        ([5], InvalidArgument),
        (None, InvalidArgument),
    ],
    ids=["bytes", "array", "path", "pattern", "number", "list", "nothing"],
)
def test_a_single_bad_picture_raises_and_leaves_nothing(engine, given, error):
    with pytest.raises(error):
        engine.add(given, concepts=["new"])
    assert engine.inputs() == []
    assert engine.concepts() == ()


def test_an_empty_folder_is_said(engine, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="no pictures in"):
        engine.add(tmp_path / "empty")


def test_nothing_to_add_is_nothing_added(engine):
    assert engine.add([]).inputs == ()


@pytest.mark.parametrize("name", ["", " a", "a/b", "a\\b", "..", "-a", "a\nb", "a\0b", "x" * 129, "\u2028"])
def test_a_name_that_cannot_be_typed_or_filed_is_refused_before_anything_is_stored(engine, blob, name):
    with pytest.raises(InvalidArgument, match="choose another"):
        engine.add(blob("red"), concepts=[name])
    assert engine.inputs() == []


def test_a_concept_cannot_be_shown_and_not_shown(engine, blob):
    with pytest.raises(InvalidArgument, match="'red' is both shown and not shown"):
        engine.add(blob("red"), concepts=["red"], not_concepts=["red"])


def test_progress_ends_at_the_total(engine, blob):
    seen = []
    engine.add([blob("red", seed) for seed in range(20)], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(16, 20), (20, 20)]


def test_adding_the_same_picture_twice_in_one_call_is_one_input(engine, blob):
    added = engine.add([blob("red"), blob("red")])
    assert added.created == 1
    assert len({one.id for one in added.inputs}) == 1


# --- folders -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(saved, blob, tmp_path):
    for colour in ("red", "green"):
        for number in range(2):
            saved(f"set/{colour}/{number}.png", blob(colour, number))
    saved("set/.hidden/0.png", blob("blue"))
    return tmp_path / "set"


def test_each_folder_is_a_concept_and_its_siblings_are_not(engine, folders):
    added = engine.add(folders, from_folders=True)
    found = {one.source.split("/")[-2]: values(one) for one in added.inputs}
    assert found == {"red": {"red": 1, "green": 0}, "green": {"red": 0, "green": 1}}


def test_positives_only_says_nothing_about_siblings(engine, folders):
    added = engine.add(folders, from_folders=True, positives_only=True, concepts=["colour"])
    found = {one.source.split("/")[-2]: values(one) for one in added.inputs}
    assert found == {"red": {"red": 1, "colour": 1}, "green": {"green": 1, "colour": 1}}


def test_what_is_no_folder_of_folders_is_refused(engine, folders, blob):
    with pytest.raises(NotFound, match="has no sub-folders; make one per concept"):
        engine.add(folders / "red", from_folders=True)
    with pytest.raises(NotFound, match="is no folder"):
        engine.add(folders / "red" / "0.png", from_folders=True)
    for given in (blob("red"), b"bytes"):
        with pytest.raises(InvalidArgument, match="is no folder"):
            engine.add(given, from_folders=True)


# --- annotating and removing -------------------------------------------------------------------------------------


def test_annotations_are_set_changed_and_cleared_together(engine, blob):
    (one,) = engine.add(blob("red"), concepts=["red"]).inputs
    one = engine.annotate(one.id, concepts=["warm"], not_concepts=["green"], clear=["red"], by="anna")
    assert values(one) == {"warm": 1, "green": 0}
    assert {annotation.by for annotation in one.annotations} == {"anna"}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({}, InvalidArgument),
        ({"concepts": ["a"], "not_concepts": ["a"]}, InvalidArgument),
        ({"concepts": ["red"], "clear": ["red"]}, InvalidArgument),
        ({"clear": ["never named"]}, NotFound),
        ({"concepts": ["ok", "a/b"]}, InvalidArgument),
    ],
    ids=str,
)
def test_a_contradiction_changes_nothing(engine, blob, said, error):
    (one,) = engine.add(blob("red"), concepts=["red"]).inputs
    with pytest.raises(error):
        engine.annotate(one.id, **said)
    assert values(engine.input(one.id)) == {"red": 1}


def test_an_input_is_found_by_the_beginning_of_its_id(engine, blob):
    (one,) = engine.add(blob("red")).inputs
    assert engine.input(one.id[:6]) == one
    for wrong in (one.id[:5], "000000", "", "%"):
        with pytest.raises(NotFound, match="edge inputs"):
            engine.input(wrong)


def test_a_removed_input_is_hidden_until_it_is_restored_or_added_again(engine, blob):
    (one,) = engine.add(blob("red"), concepts=["red"]).inputs
    assert engine.remove([one.id]) == 1
    assert engine.inputs() == []
    with pytest.raises(NotFound):
        engine.input(one.id)
    assert engine.restore([one.id]) == 1
    assert values(engine.input(one.id)) == {"red": 1}
    engine.remove([one.id])
    engine.add(blob("red"))
    assert values(engine.input(one.id)) == {"red": 1}


def test_removing_an_unknown_input_removes_none(engine, blob):
    (one,) = engine.add(blob("red")).inputs
    with pytest.raises(NotFound):
        engine.remove([one.id, "0123456789"])
    assert engine.inputs() == [one]


def test_inputs_are_listed_by_what_is_said_about_them(engine, blob):
    (red,) = engine.add(blob("red"), concepts=["red"]).inputs
    (other,) = engine.add(blob("green")).inputs
    assert engine.inputs(unlabelled=True) == [other]
    assert engine.inputs(concept="red") == [red]
    assert engine.inputs(concept="never") == []
    assert engine.inputs(limit=1, offset=1) == [other]


# --- models ------------------------------------------------------------------------------------------------------


def test_a_model_is_made_found_listed_and_deleted(engine, blob):
    (one,) = engine.add(blob("red"), concepts=["red"]).inputs
    engine.create_model("two", ["red", "green"], mutually_exclusive=True)
    engine.create_model("one", ["red"], closed_environment=True)
    assert [model.name for model in engine.models()] == ["one", "two"]
    assert engine.model("two").info.mutually_exclusive
    assert engine.model("one").info.closed_environment
    engine.delete_model("two")
    with pytest.raises(NotFound, match="no model 'two'; there are: one"):
        engine.model("two")
    assert engine.inputs() == [one]


@pytest.mark.parametrize(
    ("name", "concepts", "options", "error"),
    [
        ("taken", ["red"], {}, Conflict),
        ("a/b", ["red"], {}, InvalidArgument),
        ("new", [], {}, InvalidArgument),
        ("new", ["a/b"], {}, InvalidArgument),
        ("new", ["red"], {"mutually_exclusive": True}, InvalidArgument),
        ("new", ["red", "red"], {"mutually_exclusive": True}, InvalidArgument),
    ],
    ids=str,
)
def test_a_model_that_cannot_be_is_refused(engine, name, concepts, options, error):
    engine.create_model("taken", ["red"])
    with pytest.raises(error):
        engine.create_model(name, concepts, **options)
    assert [model.name for model in engine.models()] == ["taken"]


# --- opening -----------------------------------------------------------------------------------------------------


def test_a_store_remembers_its_backbone(tmp_path, config):
    with edge.Engine.open(tmp_path / "store", backbone="fake", config=config) as engine:
        assert engine.backbone_name == "fake"
    with edge.Engine.open(tmp_path / "store", backbone="efficientnet-lite0-224", config=config) as engine:
        assert engine.backbone_name == "fake"


def test_a_wrong_backbone_leaves_no_store_behind(tmp_path, config):
    with pytest.raises(NotFound, match="no backbone 'nothing'"):
        edge.Engine.open(tmp_path / "store", backbone="nothing", config=config)
    assert not (tmp_path / "store").exists()


def test_a_store_that_is_not_there_is_only_made_when_asked(tmp_path, config):
    with pytest.raises(NotFound, match="no store at"):
        edge.Engine.open(tmp_path / "store", create=False, config=config)
    assert not (tmp_path / "store").exists()


def test_making_a_store_again_with_another_backbone_is_a_conflict(tmp_path, config):
    engine, made = edge.Engine.init(tmp_path / "store", backbone="fake", config=config)
    engine.close()
    assert made
    engine, made = edge.Engine.init(tmp_path / "store", config=config)
    engine.close()
    assert not made
    with pytest.raises(Conflict, match="edge backbone use efficientnet-lite0-224"):
        edge.Engine.init(tmp_path / "store", backbone="efficientnet-lite0-224", config=config)


def test_a_backbone_that_is_not_the_one_the_store_was_filled_with_is_refused(engine, blob):
    engine.add(blob("red"))
    engine.store.set_settings(backbone_sha256="1" * 64)
    with pytest.raises(BackboneChanged, match="edge backbone use fake"):
        engine.add(blob("green"))
    assert len(engine.inputs()) == 1

"""Training, asking and looking back, with the fake backbone: quick, and every path of it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import edge
from edge.engine.asking import predict_many
from edge.engine.learning import Learner
from edge.errors import BackboneChanged, BadHead, CannotTrain, InvalidArgument, NotFound, NotTrained
from edge.types import VersionStatus


@pytest.fixture
def taught(engine, blob):
    """The engine with six red and six green pictures, and a model of the first."""
    engine.add([blob("red", seed) for seed in range(6)], concepts=["red"], not_concepts=["green"])
    engine.add([blob("green", seed) for seed in range(6)], concepts=["green"], not_concepts=["red"])
    return engine.create_model("colours", ["red", "green"])


@pytest.fixture
def held_training(monkeypatch):
    """Training stops before it does anything until the event is set."""
    go, original = threading.Event(), Learner._train

    def wait(self, *given):
        assert go.wait(20)
        return original(self, *given)

    monkeypatch.setattr(Learner, "_train", wait)
    return go


def top(prediction):
    return prediction.concepts[0].id


# --- training ----------------------------------------------------------------------------------------------------


def test_a_training_is_queued_trains_and_is_trained(taught, held_training):
    first, second = taught.train(), taught.train()
    assert second.status is VersionStatus.QUEUED
    while first.status is VersionStatus.QUEUED:
        pass
    assert first.status is VersionStatus.TRAINING
    held_training.set()
    assert first.wait().status is VersionStatus.TRAINED
    assert second.wait().status is VersionStatus.TRAINED
    assert [version.id for version in taught.versions()] == ["v2", "v1"]


def test_a_version_knows_what_it_was_trained_on(taught, engine):
    version = taught.train().wait()
    assert version.info.counts == {"red": (6, 6), "green": (6, 6)}
    assert version.info.backbone == "fake"
    assert version.info.trained_at >= version.info.created_at
    assert version.reason is None
    assert version.evaluation.inputs == 12
    assert version.evaluation.accuracy > 0.9
    assert engine.model("colours").version("v1").info == version.info


def test_waiting_gives_up_when_it_is_told_to(taught, held_training):
    version = taught.train()
    with pytest.raises(TimeoutError, match=r"is not finished after 0\.01 s"):
        version.wait(0.01)
    with pytest.raises(TimeoutError):
        taught.version("v1").wait(0.01)  # as another process would wait
    held_training.set()
    assert taught.version("v1").wait(20).status is VersionStatus.TRAINED


def test_a_training_that_cannot_work_fails_with_its_reason(engine, blob):
    engine.add(blob("red"), not_concepts=["red"])
    version = engine.create_model("colours", ["red"]).train()
    assert version.wait().status is VersionStatus.FAILED
    assert "no picture shows 'red'; add some" in version.reason
    with pytest.raises(CannotTrain, match="no picture shows 'red'"):
        version.evaluation  # noqa: B018 reading it is what raises
    with pytest.raises(NotTrained, match=r"v1 failed: no picture shows 'red'.*run: edge train colours"):
        engine.model("colours").predict(blob("red"))


def test_an_unexpected_failure_is_a_reason_too(taught, monkeypatch):
    monkeypatch.setattr(Learner, "_train", lambda *_: 1 / 0)
    version = taught.train()
    with pytest.raises(ZeroDivisionError):
        version.wait()
    assert version.status is VersionStatus.FAILED
    assert version.reason == "unexpected ZeroDivisionError: division by zero"


def test_after_a_failure_the_version_before_is_still_used(taught, blob, monkeypatch):
    taught.train().wait()
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "_train", lambda *_: (_ for _ in ()).throw(CannotTrain("not today; try again")))
        taught.train().wait()
    assert taught.predict(blob("red", 50)).version == "v1"


def test_a_model_without_a_version_says_how_to_get_one(taught, blob, held_training):
    with pytest.raises(NotTrained, match="has no trained version; run: edge train colours"):
        taught.predict(blob("red"))
    taught.train()
    with pytest.raises(NotTrained, match="still training its first version; wait for v1"):
        taught.predict(blob("red"))
    held_training.set()


def test_closing_waits_for_trainings(taught, engine, tmp_path, config):
    taught.train()
    engine.close()
    with edge.Engine.open(tmp_path / "store", config=config) as again:
        assert again.model("colours").version("v1").status is VersionStatus.TRAINED


def test_statistics_that_are_kept_train_what_a_fresh_process_trains(taught, engine, blob, tmp_path, config):
    """Add, correct, remove and restore between trainings; then compare with an engine that reads the store anew."""
    taught.train().wait()
    inputs = engine.inputs()
    engine.annotate(inputs[0].id, concepts=["green"], clear=["red"])
    engine.remove([inputs[1].id, inputs[2].id])
    taught.train().wait()
    engine.restore([inputs[1].id])
    engine.add(blob("blue"), not_concepts=["red", "green"])
    engine.annotate(inputs[0].id, concepts=["red"], not_concepts=["green"])
    taught.train().wait()
    with edge.Engine.open(tmp_path / "store", config=config) as other:
        other.model("colours").train().wait()
    _, kept = taught.head("v3")
    _, rebuilt = taught.head("v4")
    assert kept.to_bytes() == rebuilt.to_bytes()


def test_annotations_of_other_concepts_do_not_move_a_model(taught, engine):
    taught.train().wait()
    engine.annotate(engine.inputs()[0].id, concepts=["something else"])
    taught.train().wait()
    assert taught.head("v1")[1].to_bytes() == taught.head("v2")[1].to_bytes()


# --- asking ------------------------------------------------------------------------------------------------------


def test_a_prediction_names_its_model_version_and_picture(taught, saved, blob):
    taught.train().wait()
    path = saved("new.png", blob("red", 50))
    found = taught.predict(path)
    assert (found.model, found.version, found.path) == ("colours", "v1", str(path))
    assert [score.id for score in found.concepts] == ["red", "green"]
    assert found.concepts[0].value > 0.5 > found.concepts[1].value
    assert found.concepts[0].name == "red"
    assert found.is_known
    assert taught.predict(blob("red", 50)).path is None


def test_bytes_arrays_and_paths_give_the_same_answer(taught, saved, blob):
    taught.train().wait()
    path = saved("new.png", blob("red", 50))
    by_path, by_bytes, by_array = (taught.predict(one) for one in (path, path.read_bytes(), blob("red", 50)))
    assert by_path.concepts == by_bytes.concepts == by_array.concepts


def test_an_answer_is_shortened_as_asked(taught, blob):
    taught.train().wait()
    picture = blob("red", 50)
    assert len(taught.predict(picture, max_concepts=1).concepts) == 1
    assert [one.id for one in taught.predict(picture, select=["green"]).concepts] == ["green"]
    assert [one.id for one in taught.predict(picture, select="green").concepts] == ["green"]
    assert [one.id for one in taught.predict(picture, select=(one for one in ["green"])).concepts] == ["green"]
    assert [one.id for one in taught.predict(picture, min_value=0.5).concepts] == ["red"]
    assert taught.predict(picture, min_value=1.0).concepts == ()


@pytest.mark.parametrize("select", ["green", ["green"], ("green",)], ids=str)
def test_a_single_concept_can_be_asked_of_many_pictures(taught, saved, blob, select):
    taught.train().wait()
    paths = [saved(f"{number}.png", blob("red", number)) for number in (50, 51)]
    found = predict_many(taught, paths, select=select).predictions
    assert [[one.id for one in each.concepts] for each in found] == [["green"], ["green"]]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"min_value": -0.1}, InvalidArgument),
        ({"min_value": float("nan")}, InvalidArgument),
        ({"max_concepts": 0}, InvalidArgument),
        ({"select": ["blue"]}, NotFound),
        ({"version": "v9"}, NotFound),
    ],
    ids=str,
)
def test_what_cannot_be_answered_is_refused(taught, blob, asked, error):
    taught.train().wait()
    with pytest.raises(error):
        taught.predict(blob("red"), **asked)


def test_a_picture_like_none_of_them_is_not_known(taught, blob):
    taught.train().wait()
    strange = taught.predict(blob("blue", 9))
    assert not strange.is_known
    assert strange.known < taught.predict(blob("red", 50)).known


def test_predicting_goes_on_during_a_training(taught, blob, held_training):
    held_training.set()
    taught.train().wait()
    held_training.clear()
    second = taught.train()
    assert taught.predict(blob("red", 50)).version == "v1"
    held_training.set()
    second.wait()
    assert taught.predict(blob("red", 50)).version == "v2"


def test_threads_predict_the_same_while_versions_come(taught, blob):
    taught.train().wait()
    pictures = [blob(colour, seed) for colour in ("red", "green") for seed in range(50, 54)]
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(taught.predict, picture) for picture in pictures * 3]
        taught.train().wait()
        asked += [pool.submit(taught.predict, picture) for picture in pictures]
        found = [one.result() for one in asked]
    assert [top(one) for one in found] == (["red"] * 4 + ["green"] * 4) * 4
    assert len({one.concepts for one in found}) == len(pictures)
    assert taught.predict(pictures[0]).version == "v2"


def test_an_answer_does_not_depend_on_whether_the_head_was_kept(taught, engine, blob, tmp_path, config):
    taught.train().wait()
    first, again = taught.predict(blob("red", 50)), taught.predict(blob("red", 50))
    reopened = engine.model("colours").predict(blob("red", 50))
    with edge.Engine.open(tmp_path / "store", config=config) as other:
        elsewhere = other.model("colours").predict(blob("red", 50))
    assert first == again == reopened == elsewhere


def test_a_deleted_model_is_gone_for_whoever_still_holds_it(taught, engine, blob):
    taught.train().wait()
    taught.predict(blob("red"))
    engine.delete_model("colours")
    with pytest.raises(NotFound, match="no model 'colours'"):
        taught.predict(blob("red"))
    with pytest.raises(NotFound):
        taught.train()


def test_a_model_deleted_in_another_process_is_gone_here_too(taught, blob, tmp_path, config):
    taught.train().wait()
    taught.predict(blob("red"))
    with edge.Engine.open(tmp_path / "store", config=config) as other:
        other.delete_model("colours")
    with pytest.raises(NotFound, match="no model 'colours'"):
        taught.predict(blob("red"))


def test_a_model_made_again_under_its_name_starts_from_nothing(taught, engine, blob):
    taught.train().wait()
    taught.predict(blob("red"))
    engine.delete_model("colours")
    again = engine.create_model("colours", ["green", "red"])
    for one in (again, taught):
        with pytest.raises(NotTrained):
            one.predict(blob("red"))
    assert again.train().wait().id == "v1"
    assert top(again.predict(blob("green", 50))) == "green"


def test_deleting_a_model_while_it_trains_ends_the_training(taught, engine, held_training):
    version = taught.train()
    while version.status is VersionStatus.QUEUED:
        pass
    engine.delete_model("colours")
    held_training.set()
    with pytest.raises(NotFound):
        version.wait()
        version.status  # noqa: B018 reading it is what raises
    assert engine.models() == []


def test_a_damaged_head_says_to_train_again(taught, blob, tmp_path):
    taught.train().wait()
    (head,) = (tmp_path / "store" / "versions").glob("*.head")
    head.write_bytes(head.read_bytes()[:-1])
    with pytest.raises(BadHead, match="damaged; train the model again"):
        taught.predict(blob("red"))
    head.unlink()
    with pytest.raises(BadHead, match="missing; train the model again"):
        taught.predict(blob("red"))


def test_a_version_of_another_backbone_is_not_used(taught, engine, blob):
    taught.train().wait()
    engine.store._database.connection.execute("UPDATE versions SET backbone_sha256 = 'x', backbone = 'other'")
    with pytest.raises(BackboneChanged, match=r"trained under backbone other, .*run: edge train colours"):
        taught.predict(blob("red"))


# --- looking back ------------------------------------------------------------------------------------------------


def test_rollback_pins_a_version_and_training_again_unpins_it(taught, engine, blob):
    taught.train().wait()
    for one in engine.inputs():  # everything the other way round
        swapped = {annotation.concept_id: annotation.value for annotation in one.annotations}
        engine.annotate(one.id, [c for c, v in swapped.items() if not v], [c for c, v in swapped.items() if v])
    taught.train().wait()
    picture = blob("red", 50)
    assert (top(taught.predict(picture)), taught.predict(picture).version) == ("green", "v2")
    assert taught.rollback("v1").id == "v1"
    assert (top(taught.predict(picture)), taught.predict(picture).version) == ("red", "v1")
    assert taught.info.pinned_version == taught.in_use.id == "v1"
    assert taught.predict(picture, version="v2").version == "v2"
    taught.train().wait()
    assert taught.predict(picture).version == "v3"
    assert taught.info.pinned_version is None


def test_a_failed_training_does_not_unpin(taught, blob, monkeypatch):
    taught.train().wait()
    taught.train().wait()
    taught.rollback("v1")
    monkeypatch.setattr(Learner, "_train", lambda *_: (_ for _ in ()).throw(CannotTrain("not today; try again")))
    taught.train().wait()
    assert taught.predict(blob("red")).version == "v1"


def test_only_a_trained_version_can_be_rolled_back_to(engine, blob):
    engine.add(blob("red", 99), not_concepts=["blue"])
    model = engine.create_model("blues", ["blue"])
    model.train().wait()
    with pytest.raises(NotTrained, match="MODEL_TRAINING_FAILED; `edge versions blues` lists"):
        model.rollback("v1")
    with pytest.raises(NotFound, match="no version 'v2'"):
        model.rollback("v2")
    with pytest.raises(NotTrained):
        model.predict(blob("red"), version="v1")

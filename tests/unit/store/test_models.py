from __future__ import annotations

import pytest

from edge.errors import BadHead, Conflict, InvalidArgument, NotFound, StoreCorrupt
from edge.store import Store
from edge.store.models import INTERRUPTED
from edge.types import ConceptEvaluation, Confusion, Evaluation, VersionStatus

SHA = "0" * 64
QUEUED, TRAINING = VersionStatus.QUEUED, VersionStatus.TRAINING
TRAINED, FAILED = VersionStatus.TRAINED, VersionStatus.FAILED
EVALUATION = Evaluation(
    "leave-one-out", 4, 1, 0.75, (0.3, 0.95), 0.8, 1.0, 0.1, 0.4,
    (ConceptEvaluation("cat", 2, 2, 1.0, 0.5, None),), Confusion(("cat", "dog"), ((1, 1), (0, 2))), ("a note",),
)  # fmt: skip


@pytest.fixture
def models(store):
    store.models.create("pets", ["cat", "dog"], mutually_exclusive=True, closed_environment=False)
    return store.models


def _queue(models, name="pets"):
    return models.create_version(name, backbone="fake", backbone_sha256=SHA)


def _train(models, head=b"head", name="pets"):
    version = models.update_version(_queue(models, name), TRAINING)
    return models.update_version(version, TRAINED, counts={"cat": (2, 2)}, evaluation=EVALUATION, head=head)


# --- models ----------------------------------------------------------------------------------------------------------


def test_a_model_keeps_its_settings_and_makes_its_concepts(store, models):
    info = models.get("pets")
    assert (info.concepts, info.mutually_exclusive, info.closed_environment) == (("cat", "dog"), True, False)
    assert [concept.id for concept in store.inputs.concepts()] == ["cat", "dog"]


def test_a_taken_name_is_a_conflict_and_makes_no_concepts(store, models):
    with pytest.raises(Conflict):
        models.create("pets", ["bird"], mutually_exclusive=False, closed_environment=False)
    assert [concept.id for concept in store.inputs.concepts()] == ["cat", "dog"]


@pytest.mark.parametrize("name", ["", " pets", "a/b", "..", "-x", "a\nb", "x" * 129])
def test_a_name_that_cannot_be_typed_is_refused(store, name):
    with pytest.raises(InvalidArgument):
        store.models.create(name, ["cat"], mutually_exclusive=False, closed_environment=False)
    with pytest.raises(InvalidArgument):
        store.models.create("pets", ["cat", name], mutually_exclusive=False, closed_environment=False)
    assert store.models.all() == []


def test_a_model_without_concepts_is_refused(store):
    with pytest.raises(InvalidArgument):
        store.models.create("pets", [], mutually_exclusive=False, closed_environment=False)


def test_an_unknown_model_names_those_there_are(models):
    with pytest.raises(NotFound, match="pets"):
        models.get("pests")


# --- versions --------------------------------------------------------------------------------------------------------


def test_a_version_goes_from_queued_to_trained_and_keeps_what_was_said_of_it(models, clock):
    version = _queue(models)
    assert (version.id, version.status, version.backbone) == ("v1", QUEUED, "fake")
    trained = _train(models)
    assert (trained.id, trained.status, trained.counts) == ("v2", TRAINED, {"cat": (2, 2)})
    assert trained.evaluation == EVALUATION
    assert trained.trained_at == clock.now
    assert models.head(trained) == b"head"


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ([], TRAINED),
        ([], QUEUED),
        ([TRAINING], QUEUED),
        ([TRAINING], TRAINING),
        ([TRAINING, TRAINED], FAILED),
        ([TRAINING, FAILED], TRAINED),
        ([FAILED], TRAINING),
    ],
)
def test_a_version_takes_no_other_step(models, path, wrong):
    version = _queue(models)
    for status in path:
        version = models.update_version(version, status)
    with pytest.raises(Conflict):
        models.update_version(version, wrong)
    assert models.version("pets", "v1").status is (path[-1] if path else QUEUED)


def test_versions_are_listed_newest_first_and_found_by_id_or_number(models):
    for _ in range(3):
        _queue(models)
    assert [one.id for one in models.versions("pets")] == ["v3", "v2", "v1"]
    assert models.version("pets", "2") == models.version("pets", "v2")


@pytest.mark.parametrize("id", ["v9", "0", "", "v", "vv1", "v01", "²", "-1", "9" * 40])
def test_an_unknown_version_is_not_found(models, id):
    _queue(models)
    with pytest.raises(NotFound, match="edge versions pets"):
        models.version("pets", id)


def test_training_again_unpins(models):
    _train(models)
    models.pin("pets", "v1")
    assert models.get("pets").pinned_version == "v1"
    _train(models)
    assert models.get("pets").pinned_version is None


def test_a_damaged_or_missing_head_says_so(models, tmp_path):
    version = _train(models)
    (file,) = (tmp_path / "store" / "versions").glob("*.head")
    file.write_bytes(b"HEAD")
    with pytest.raises(BadHead, match="damaged"):
        models.head(version)
    file.unlink()
    with pytest.raises(BadHead, match="missing"):
        models.head(version)


def test_a_version_without_a_head_has_none_to_read(models):
    with pytest.raises(BadHead):
        models.head(_queue(models))


def test_a_head_whose_row_cannot_be_written_is_taken_away_again(models, tmp_path):
    with pytest.raises(Conflict):
        models.update_version(_queue(models), TRAINED, head=b"head")
    assert list((tmp_path / "store" / "versions").glob("*.head")) == []


# --- deleting --------------------------------------------------------------------------------------------------------


def test_a_deleted_model_takes_its_versions_heads_and_snapshot_along(models, tmp_path):
    _train(models)
    models.save_snapshot("pets", b"numbers")
    models.delete("pets")
    assert models.all() == []
    assert {file.suffix for file in (tmp_path / "store" / "versions").iterdir()} == {".lock"}
    with pytest.raises(NotFound):
        models.delete("pets")


def test_a_head_that_another_model_has_too_outlives_a_deletion(models):
    models.create("others", ["cat"], mutually_exclusive=False, closed_environment=False)
    _train(models)
    other = _train(models, name="others")
    models.delete("pets")
    assert models.head(other) == b"head"


def test_a_training_of_a_deleted_model_does_not_touch_the_new_one_of_its_name(models, clock):
    old = models.update_version(_queue(models), TRAINING)
    models.delete("pets")
    clock.move(seconds=1)
    models.create("pets", ["cat", "dog"], mutually_exclusive=True, closed_environment=False)
    new = models.update_version(_queue(models), TRAINING)
    assert new.id == old.id
    with pytest.raises(Conflict):
        models.update_version(old, TRAINED, head=b"of the old one")
    with pytest.raises(Conflict):
        models.update_version(old, FAILED, reason="no")
    assert models.version("pets", new.id).status is TRAINING


# --- interrupted trainings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [[], [TRAINING]])
def test_opening_fails_versions_that_nobody_trains_any_more(models, tmp_path, clock, steps):
    version = _queue(models)
    for status in steps:
        version = models.update_version(version, status)
    with Store.open(tmp_path / "store", clock=clock) as again:
        found = again.models.version("pets", "v1")
    assert (found.status, found.reason) == (FAILED, INTERRUPTED)


def test_a_version_somebody_holds_is_not_given_up(models):
    with models.claimed():
        _queue(models)
        assert models.recover() == 0
    assert models.recover() == 1
    assert models.recover() == 0


# --- snapshots -------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_what_was_saved_last(models):
    assert models.load_snapshot("pets") is None
    models.save_snapshot("pets", b"one")
    models.save_snapshot("pets", b"two")
    assert models.load_snapshot("pets") == b"two"
    models.drop_snapshot("pets")
    assert models.load_snapshot("pets") is None


def test_a_snapshot_of_another_history_is_not_loaded(models, tmp_path):
    models.save_snapshot("pets", b"one")
    (file,) = (tmp_path / "store" / "versions").glob("*.statistics")
    file.write_bytes(b"as it was before store.sqlite was put back")
    assert models.load_snapshot("pets") is None


def test_a_model_row_that_cannot_be_read_is_damage(store, models):
    with store._database.write() as connection:
        connection.execute("UPDATE models SET concepts = 'cat'")
    with pytest.raises(StoreCorrupt, match="pets"):
        models.all()

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import pytest

from edge.store.files import TEMPORARY
from edge.types import VersionStatus

HOURS = 3600


@pytest.fixture(autouse=True)
def present(clock):
    """The clock files are dated by is the machine's."""
    clock.now = datetime.now(UTC)


def _levels(store, **how):
    return {finding.check: finding.level for finding in store.check(**how) if finding.check != "space"}


def _finding(store, check, **how):
    return next(finding for finding in store.check(**how) if finding.check == check)


@pytest.fixture
def filled(store, new):
    """Two inputs, one of them removed, and a model with a trained version."""
    store.inputs.add([new(b"1", {"cat": 1}), new(b"2", {"cat": 0})], by="user")
    store.inputs.remove([store.inputs.page()[1].id], by="user")
    models = store.models
    models.create("pets", ["cat"], mutually_exclusive=False, closed_environment=False)
    version = models.create_version("pets", backbone="fake", backbone_sha256="0" * 64)
    version = models.update_version(version, VersionStatus.TRAINING)
    models.update_version(version, VersionStatus.TRAINED, head=b"head")
    models.save_snapshot("pets", b"numbers")
    return store


def _old(path, data=b"left"):
    path.write_bytes(data)
    os.utime(path, (time.time() - 2 * HOURS,) * 2)
    return path


def test_a_good_store_has_nothing_to_complain_about(filled):
    assert set(_levels(filled).values()) == {"ok"}


@pytest.mark.parametrize("damage", [b"0", b"10", None])
def test_a_picture_that_is_not_what_was_added_is_a_problem(filled, damage):
    one = filled.inputs.page()[0]
    path = filled.inputs.blob_path(one.sha256, one.media_type)
    path.unlink() if damage is None else path.write_bytes(damage)
    finding = _finding(filled, "pictures")
    assert (finding.level, one.sha256[:12] in finding.message) == ("problem", True)


def test_a_missing_head_is_a_problem(filled):
    next((filled.path / "versions").glob("*.head")).unlink()
    assert _finding(filled, "heads").level == "problem"


@pytest.mark.parametrize("damage", [b"other", None], ids=["damaged", "missing"])
def test_a_version_whose_head_is_lost_is_marked_as_failed_by_repair(filled, damage):
    path = next((filled.path / "versions").glob("*.head"))
    path.unlink() if damage is None else path.write_bytes(damage)
    filled.models.pin("pets", "v1")
    finding = _finding(filled, "heads", repair=True)
    assert (finding.level, finding.repaired, "pets v1" in finding.message) == ("ok", True, True)
    version = filled.models.version("pets", "v1")
    assert (version.status, version.trained_at) == (VersionStatus.FAILED, None)
    assert "train the model again" in version.reason
    assert filled.models.get("pets").pinned_version is None
    assert _finding(filled, "heads").message == "every trained version has its head"


def test_a_head_that_is_out_of_reach_is_not_given_up(filled):
    path = next((filled.path / "versions").glob("*.head"))
    path.unlink()
    path.mkdir()  # reading it fails, as on a disk that does not answer
    assert _finding(filled, "heads", repair=True).level == "problem"
    assert filled.models.version("pets", "v1").status is VersionStatus.TRAINED


def test_rows_that_point_nowhere_are_a_problem(filled):
    connection = filled._database.connection
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("INSERT INTO embeddings VALUES (99, 'x', x'00')")
    assert _finding(filled, "references").level == "problem"


# --- leftovers -------------------------------------------------------------------------------------------------------


def _leave(store):
    folder = next((store.path / "blobs").iterdir())
    return [
        _old(folder / f"{TEMPORARY}1234"),
        _old(folder / f"{'f' * 64}.png"),
        _old(store.path / "versions" / f"{'f' * 64}.head"),
        _old(store.path / "versions" / "ffff.statistics"),
        _old(store.path / "versions" / f"{TEMPORARY}1234"),
    ]


def test_what_a_crash_left_is_a_note_and_goes_with_repair(filled):
    left = _leave(filled)
    finding = _finding(filled, "leftovers")
    assert (finding.level, finding.message[:7]) == ("note", "5 files")
    assert all(file.exists() for file in left)
    finding = _finding(filled, "leftovers", repair=True)
    assert (finding.level, finding.repaired) == ("ok", True)
    assert not any(file.exists() for file in left)
    assert set(_levels(filled).values()) == {"ok"}
    assert len(list((filled.path / "blobs").glob("*/*"))) == 2


def test_what_is_younger_than_an_hour_may_be_somebodys_work(filled):
    for file in _leave(filled):
        os.utime(file)
    assert _finding(filled, "leftovers", repair=True).message == "no files nothing refers to"
    assert len(list((filled.path / "blobs").glob("*/*"))) == 4


def test_files_of_removed_inputs_are_no_leftovers(filled, clock):
    clock.move(days=20)
    assert _finding(filled, "leftovers").level == "ok"


def test_an_old_orphan_that_is_added_again_is_safe_from_a_sweeper_that_had_seen_it(store, new):
    ((one, _),) = store.inputs.add([new(b"1")], by="user")
    orphan = store.inputs.blob_path(one.sha256, one.media_type)
    with store._database.write() as connection:
        connection.execute("DELETE FROM inputs")
    os.utime(orphan, (time.time() - 2 * HOURS,) * 2)
    with store._blobs.adding(lambda _: set()) as adding:  # between its bytes and its row
        adding.stage(one.sha256, one.media_type, b"1")
        assert _finding(store, "leftovers").level == "ok"
    assert store.inputs.add([new(b"1")], by="user")[0][1]
    assert _finding(store, "leftovers", repair=True).level == "ok"
    assert store.inputs.read(store.inputs.page()[0]) == b"1"


def test_a_sweeper_waits_for_whoever_is_between_bytes_and_row(store, new):
    from concurrent.futures import ThreadPoolExecutor, wait

    store.inputs.add([new(b"1")], by="user")
    orphan = _old(next((store.path / "blobs").iterdir()) / f"{'f' * 64}.png")
    with ThreadPoolExecutor(1) as pool:
        with store._blobs.adding(lambda _: set()):
            sweep = pool.submit(lambda: _finding(store, "leftovers", repair=True))
            assert wait([sweep], timeout=0.2).not_done
            assert orphan.exists()
        assert sweep.result().repaired
    assert not orphan.exists()


# --- the log ---------------------------------------------------------------------------------------------------------


def test_a_log_that_does_not_agree_with_the_annotations_is_mended(filled):
    with filled._database.write() as connection:
        connection.execute("UPDATE annotations SET value = 0 WHERE input = 1")
        connection.execute("DELETE FROM changes WHERE input = 2 AND after = -1")
    assert _finding(filled, "log").level == "problem"
    finding = _finding(filled, "log", repair=True)
    assert (finding.level, finding.repaired) == ("ok", True)
    assert _finding(filled, "log").message == "the log of changes agrees with the annotations"
    assert int(filled.setting("purged")) == filled.inputs.last_change()

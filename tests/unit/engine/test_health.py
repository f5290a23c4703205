"""What edge doctor finds, and what it does not die of."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from edge import Engine
from edge.backbone import catalogue
from edge.config import DEFAULT_BACKBONE, Config
from edge.engine.health import examine
from edge.errors import HardwareMissing
from edge.store.models import Models


@pytest.fixture
def filled(engine, blob):
    """The fake engine with six pictures and a trained model "warm"."""
    for number in range(3):
        engine.add(blob("red", number), concepts=["red"])
        engine.add(blob("green", number), not_concepts=["red"])
    engine.create_model("warm", ["red"]).train().wait()
    return engine


def findings(found):
    """check -> the finding, the worst one of those with the same name."""
    worst = {}
    for one in sorted(found, key=lambda each: ("ok", "note", "problem").index(each.level)):
        worst[one.check] = one
    return worst


def problems(found):
    return {one.check: one.message for one in found if one.level == "problem"}


def rows(engine, statement, *values):
    with closing(sqlite3.connect(engine.store.path / "store.sqlite")) as connection, connection:
        return connection.execute(statement, values).fetchall()


def test_a_store_in_order_has_no_problems(filled):
    found = findings(filled.doctor())
    assert not problems(found.values())
    assert {"python", "runtime", "threads", "edge tpu", "backbone", "database", "pictures", "embeddings"} <= set(found)
    assert found["versions"].message == "1 trained version can be read"


def test_looking_changes_nothing(filled):
    before = rows(filled, "SELECT count(*), max(number) FROM changes") + sorted(filled.store.path.rglob("*"))
    list(filled.doctor())
    assert rows(filled, "SELECT count(*), max(number) FROM changes") + sorted(filled.store.path.rglob("*")) == before


@pytest.mark.either_runtime
def test_the_golden_embeddings_are_recomputed(real_engine):
    found = findings(real_engine.doctor())
    assert found["golden"].level == "ok"
    assert "cosine" in found["golden"].message
    assert found["background"].message.split()[0].isdigit()


@pytest.fixture
def copied(tmp_path, config):
    """A configuration with a copy of the default backbone's files that may be spoilt."""
    folder, _ = catalogue.find_card(DEFAULT_BACKBONE, config)
    (tmp_path / "backbones").mkdir()
    for path in folder.glob(f"{DEFAULT_BACKBONE}.*"):
        shutil.copy(path, tmp_path / "backbones" / path.name)
    return replace(config, backbones=str(tmp_path / "backbones"))


@pytest.mark.either_runtime
def test_embeddings_that_are_not_the_expected_ones_are_a_problem(copied, tmp_path):
    path = tmp_path / "backbones" / f"{DEFAULT_BACKBONE}.golden.npy"
    np.save(path, np.roll(np.load(path), 7, axis=1))
    with Engine.open(tmp_path / "store", config=copied) as engine:
        found = problems(engine.doctor())
    assert set(found) == {"golden"}
    assert "EDGE_RUNTIME" in found["golden"]


def test_a_damaged_backbone_is_a_problem_and_the_store_is_still_looked_at(copied, tmp_path):
    path = tmp_path / "backbones" / f"{DEFAULT_BACKBONE}.tflite"
    with Engine.open(tmp_path / "store", config=copied) as engine:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        found = findings(engine.doctor())
    assert "not the file its card describes" in found["backbone"].message
    assert found["pictures"].level == "ok"


def test_a_missing_runtime_is_a_problem_that_names_the_package(filled, monkeypatch):
    monkeypatch.setattr("edge.backbone.runtime.find_spec", lambda _: None)
    assert "pip install ai-edge-litert" in problems(filled.doctor())["runtime"]


def test_a_missing_edge_tpu_is_a_note_unless_it_was_asked_for(filled, monkeypatch):
    def missing(_):
        raise HardwareMissing("no stick; plug one in")

    monkeypatch.setattr("edge.backbone.delegate.load", missing)
    for delegate, level in (("auto", "note"), ("edgetpu", "problem")):
        filled.config = replace(filled.config, delegate=delegate)
        assert findings(filled.doctor())["edge tpu"].level == level


# --- the store -------------------------------------------------------------------------------------------------------


def test_missing_embeddings_are_a_problem_until_they_are_computed_again(filled):
    expected = rows(filled, "SELECT input, data FROM embeddings ORDER BY input")
    rows(filled, "DELETE FROM embeddings WHERE input = (SELECT min(input) FROM embeddings)")
    assert "1 picture without an embedding" in problems(filled.doctor())["embeddings"]
    repaired = findings(filled.doctor(repair=True))["embeddings"]
    assert (repaired.level, repaired.repaired) == ("ok", True)
    assert rows(filled, "SELECT input, data FROM embeddings ORDER BY input") == expected


def test_embeddings_of_the_wrong_size_are_computed_again_too(filled):
    rows(filled, "UPDATE embeddings SET data = x'00' WHERE input = (SELECT min(input) FROM embeddings)")
    assert "embeddings" in problems(filled.doctor())
    assert not problems(filled.doctor(repair=True))
    assert filled.model("warm").train().wait().status.finished


def test_an_embedding_whose_picture_is_gone_cannot_be_repaired_and_does_not_stop_the_rest(filled):
    first = filled.inputs()[0]
    filled.store.inputs.blob_path(first.sha256, first.media_type).unlink()
    rows(filled, "DELETE FROM embeddings")
    found = findings(filled.doctor(repair=True))
    assert {"pictures", "embeddings"} <= set(problems(found.values()))
    assert found["statistics"].level == "ok"


def test_a_head_that_cannot_be_read_is_named(filled):
    (head,) = (filled.store.path / "versions").glob("*.head")
    head.write_bytes(b"nothing")
    found = problems(filled.doctor())
    assert "warm v1" in found["versions"]
    assert "heads" in found


def test_after_repair_an_older_version_answers_for_one_whose_head_is_damaged(filled, blob):
    model = filled.model("warm")
    (older,) = (filled.store.path / "versions").glob("*.head")
    filled.add(blob("red", 77), concepts=["red"])
    model.train().wait()
    (newer,) = set((filled.store.path / "versions").glob("*.head")) - {older}
    newer.write_bytes(b"nothing")
    assert not problems(filled.doctor(repair=True))
    assert filled.model("warm").predict(blob("red", 78)).version == "v1"


def test_a_version_of_another_backbone_is_a_note(filled):
    rows(filled, "UPDATE versions SET backbone_sha256 = ?", "1" * 64)
    assert findings(filled.doctor())["versions"].level == "note"


def test_a_snapshot_that_does_not_fit_is_a_note_and_goes(filled, monkeypatch):
    filled.store.models.save_snapshot("warm", b"nothing")
    dropped = []
    drop = Models.drop_snapshot
    monkeypatch.setattr(Models, "drop_snapshot", lambda self, name: (dropped.append(name), drop(self, name)))
    assert findings(filled.doctor())["statistics"].level == "note"
    assert dropped == []
    assert findings(filled.doctor(repair=True))["statistics"].repaired is True
    assert dropped == ["warm"]
    assert findings(filled.doctor())["statistics"].level == "ok"
    assert filled.model("warm").train().wait().reason is None


# --- stores that do not open -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda store: (store / "store.sqlite").write_bytes(b"no database" * 1000), "damaged"),
        (lambda store: shutil.rmtree(store), "edge --store"),
        (lambda store: rows_at(store, "PRAGMA user_version = 99"), "newer release"),
    ],
    ids=["damaged", "missing", "newer"],
)
@pytest.mark.either_runtime
def test_a_store_that_does_not_open_is_one_problem_among_other_findings(tmp_path, config, spoil, says):
    Engine.open(tmp_path / "store", config=config).close()
    spoil(tmp_path / "store")
    found = findings(examine(tmp_path / "store", config))
    assert set(problems(found.values())) == {"store"}
    assert says in found["store"].message
    assert {"python", "runtime", "backbone", "golden"} <= set(found)


def rows_at(store, statement):
    with closing(sqlite3.connect(store / "store.sqlite")) as connection:
        connection.execute(statement)


def test_a_store_damaged_inside_is_reported_and_not_died_of(tmp_path, config, blob):
    with Engine.open(tmp_path / "store", backbone="fake", config=config) as engine:
        for number in range(40):
            engine.add(blob("red", number), concepts=["red"])
    path = tmp_path / "store" / "store.sqlite"
    data = bytearray(path.read_bytes())
    data[8 * 4096 : 20 * 4096] = bytes(12 * 4096)
    path.write_bytes(data)
    assert problems(examine(tmp_path / "store", config))


def test_that_no_store_was_made_yet_is_a_note_when_none_was_named(tmp_path, config, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert findings(examine(None, config))["store"].level == "note"
    assert findings(examine(None, Config(store="elsewhere", runtime=config.runtime)))["store"].level == "problem"

"""Several processes on one store at once, as serve, watch and the command line are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from edge import Engine
from edge.config import Config
from edge.engine import detached
from edge.types import VersionStatus
from tests.integration.crashing import complaints, picture

ROOT = Path(__file__).parents[2]


def _start(role: str, store: Path, seed: int, calls: int) -> subprocess.Popen[str]:
    script = str(Path(__file__).with_name("sharing.py"))
    return subprocess.Popen(
        [sys.executable, "-P", script, role, str(store), str(seed), str(calls)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )


def _records(process: subprocess.Popen[str]) -> list[dict[str, object]]:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in out.splitlines()]


def test_four_processes_add_annotate_train_and_predict_at_once(tmp_path, config):
    store = tmp_path / "store"
    with Engine.open(store, backbone="fake", config=config) as engine:
        engine.add([picture(0, number) for number in range(6)], concepts=["red"], not_concepts=["green"])
        engine.add([picture(1, number) for number in range(6)], concepts=["green"], not_concepts=["red"])
        engine.create_model("colours", ["red", "green"])
    roles = [("add", 40), ("annotate", 80), ("train", 12), ("predict", 80)]
    started = [_start(role, store, seed, calls) for seed, (role, calls) in enumerate(roles, start=10)]
    added, annotated, trained, predicted = [_records(process) for process in started]
    with Engine.open(store, config=config) as engine:
        found = {one.id: {a.concept_id: a.value for a in one.annotations} for one in engine.inputs()}
        assert len(found) == 12 + 40 * 3
        for record in added:
            assert all(record["values"].items() <= found[id].items() for id in record["ids"])
        last = {(record["ids"][0], name): value for record in annotated for name, value in record["values"].items()}
        assert all(found[id][name] == value for (id, name), value in last.items())
        versions = {one.id: one.status for one in engine.model("colours").versions()}
        assert versions == {f"v{number}": VersionStatus.TRAINED for number in range(1, 13)}
        assert {record["version"] for record in trained} == versions.keys()
        assert len(predicted) == 80
        assert list(complaints(engine)) == []


def test_two_processes_that_train_the_same_model_take_turns(tmp_path, config):
    store = tmp_path / "store"
    with Engine.open(store, backbone="fake", config=config) as engine:
        engine.add([picture(0, number) for number in range(6)], concepts=["red"])
        engine.add([picture(1, number) for number in range(6)], not_concepts=["red"])
        engine.create_model("colours", ["red"])
    started = [_start("train", store, seed, 6) for seed in (1, 2)]
    told = [record["version"] for process in started for record in _records(process)]
    assert Counter(told) == {f"v{number}": 1 for number in range(1, 13)}


def test_processes_that_make_the_same_store_at_the_same_moment_all_succeed(tmp_path):
    store = tmp_path / "store"
    started = [_start("add", store, seed, 1) for seed in range(5)]
    told = [_records(process) for process in started]
    with Engine.open(store) as engine:
        assert engine.store.inputs.count() == sum(len(one[0]["ids"]) for one in told)
        assert engine.backbone_name == "fake"


def test_waiting_for_a_training_whose_process_was_killed_ends(tmp_path, config, monkeypatch):
    monkeypatch.setattr(detached, "_spawn", _sleeper)
    with Engine.open(tmp_path / "store", backbone="fake", config=config) as engine:
        engine.create_model("colours", ["red"])
        version = detached.train(engine, engine.model("colours"))
        assert version.status is VersionStatus.QUEUED
        assert engine.store.models.recover() == 0
        os.kill(_sleepers[-1].pid, signal.SIGKILL)
        _sleepers[-1].wait()
        version.wait(timeout=20)
        assert version.status is VersionStatus.FAILED
        assert version.reason == "training was interrupted; run edge train again"


_sleepers: list[subprocess.Popen[bytes]] = []


def _sleeper(_engine: Engine, _model: str, _version: str, _options: list[str], claim: int) -> None:
    """Stands for the training process: it holds the claim and never gets anywhere."""
    _sleepers.append(subprocess.Popen(["sleep", "60"], pass_fds=(claim,)))


def test_a_forked_process_gets_a_connection_of_its_own(tmp_path):
    config = Config(delegate="none", threads=1)
    with Engine.open(tmp_path / "store", backbone="fake", config=config) as engine:
        engine.add([picture(0)], concepts=["red"])
        child = os.fork()
        if child == 0:
            code = 1
            try:
                engine.add([picture(1)], concepts=["red"])
                engine.store.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        engine.add([picture(2)], concepts=["red"])
        assert len(engine.inputs(concept="red")) == 3
        assert list(complaints(engine)) == []

"""kill -9 at any moment loses nothing that was acknowledged."""

from __future__ import annotations

import random

import pytest

from edge import Engine
from edge.types import VersionStatus
from tests.integration.crashing import Expected, Workers, complaints, later

KILLS_PER_STORE = 25


@pytest.mark.parametrize("seed", range(8))
def test_nothing_acknowledged_is_lost_when_a_process_is_killed(tmp_path, config, seed):
    store = tmp_path / "store"
    moments = random.Random(seed)
    expected = Expected()
    with Workers() as workers:
        for kill in range(KILLS_PER_STORE):
            moment = (moments.randint(0, 12), moments.uniform(0, 0.02))
            expected.take(workers.run(store, seed=seed * 1000 + kill, kill=moment))
            with Engine.open(store, backbone="fake", config=config) as engine:
                assert expected.missing(engine) == []
                assert list(complaints(engine)) == []
                unfinished = [one for model in engine.models() for one in model.versions() if not one.status.finished]
                assert unfinished == []
    assert expected.acknowledged > KILLS_PER_STORE
    assert VersionStatus.TRAINED.value in expected.versions.values()
    _sweep_takes_only_what_nobody_has(store, config, expected)


def _sweep_takes_only_what_nobody_has(store, config, expected):
    with Engine.open(store, config=config, clock=later) as engine:
        for _ in engine.store.check(repair=True):
            pass
        assert list(complaints(engine)) == []
        assert expected.missing(engine) == []


def test_a_killed_training_has_failed_with_a_reason_and_can_be_trained_again(tmp_path, config, blob):
    store = tmp_path / "store"
    with Engine.open(store, backbone="fake", config=config) as engine:
        engine.add([blob("red", n) for n in range(6)], concepts=["red"])
        engine.add([blob("green", n) for n in range(6)], not_concepts=["red"])
        engine.create_model("colours", ["red"])
    with Workers() as workers:
        for attempt in range(100):
            workers.run(store, seed=attempt, kill=(2 + attempt % 20, 0.002))
            with Engine.open(store, config=config) as engine:
                failed = [one for one in engine.model("colours").versions() if one.status is VersionStatus.FAILED]
                if failed:
                    assert failed[0].reason == "training was interrupted; run edge train again"
                    again = engine.model("colours").train().wait()
                    assert again.status is VersionStatus.TRAINED
                    return
    raise AssertionError("no kill hit a training")

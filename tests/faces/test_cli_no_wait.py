"""edge train --no-wait: the training goes on in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

from edge import Engine
from edge.engine import detached
from edge.errors import CannotTrain, StoreUnavailable
from edge.types import VersionStatus

pytestmark = pytest.mark.either_runtime


def test_the_training_goes_on_after_the_command_has_ended(taught, config):
    store = taught / "store"
    command = [sys.executable, "-m", "edge.faces.cli", "--store", store, "--json", "train", "warm", "--no-wait"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    assert (printed["version"], printed["evaluation"]) == ("v1", None)
    with Engine.open(store, config=config) as engine:
        version = engine.model("warm").version("v1").wait(120)
        assert version.status is VersionStatus.TRAINED
        assert version.evaluation is not None


@pytest.mark.usefixtures("taught")
def test_people_are_told_where_to_look(edge, monkeypatch):
    monkeypatch.setattr(detached, "_spawn", lambda *_: None)
    assert edge("train", "warm", "--no-wait").stdout == "warm v1 is queued; see: edge versions warm\n"


@pytest.fixture
def held(monkeypatch):
    """Hands trainings to a process that does nothing until ``held[0].communicate()`` ends it."""
    started = []

    def spawn(*given):
        claim = given[-1]
        idle = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        started.append(subprocess.Popen(idle, stdin=subprocess.PIPE, pass_fds=(claim,)))

    monkeypatch.setattr(detached, "_spawn", spawn)
    yield started
    for process in started:
        process.communicate()


def status(store, config):
    with Engine.open(store, config=config) as engine:
        return engine.model("warm").version("v1").status


@pytest.mark.usefixtures("held")
def test_a_version_is_not_given_up_while_the_other_process_has_not_begun(edge, taught, config):
    assert edge("train", "warm", "--no-wait").exit_code == 0
    assert status(taught / "store", config) is VersionStatus.QUEUED
    assert status(taught / "store", config) is VersionStatus.QUEUED


def test_a_version_is_given_up_when_the_other_process_dies(edge, taught, config, held):
    edge("train", "warm", "--no-wait")
    held[0].kill()
    held[0].communicate()
    assert status(taught / "store", config) is VersionStatus.FAILED


def test_a_process_that_cannot_be_started_fails_the_version(taught, config, monkeypatch):
    def refuse(*_):
        raise OSError("out of memory")

    monkeypatch.setattr(detached, "_spawn", refuse)
    with Engine.open(taught / "store", config=config) as engine:
        with pytest.raises(StoreUnavailable, match="out of memory"):
            detached.train(engine, engine.model("warm"))
        assert engine.model("warm").version("v1").status is VersionStatus.FAILED


def test_what_makes_the_other_process_fail_is_the_versions_reason(edge, taught, config, monkeypatch):
    edge("model", "create", "empty", "--concept", "unheard-of")
    inherited = []
    monkeypatch.setattr(detached, "_spawn", lambda *given: inherited.append(os.dup(given[-1])))
    with Engine.open(taught / "store", config=config) as engine:
        version = detached.train(engine, engine.model("empty"))
        with pytest.raises(CannotTrain, match="unheard-of"):
            detached.main(str(taught / "store"), "empty", version.id)
        assert version.status is VersionStatus.FAILED
        assert "unheard-of" in version.reason
    os.close(inherited[0])

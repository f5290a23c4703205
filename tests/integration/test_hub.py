"""Two devices and a hub with a folder between them: their words come together, with who said what."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

pytest.importorskip("cryptography")

from edge import Engine
from edge.engine.review import review
from edge.engine.syncing import Syncing
from edge.errors import BadSegment
from edge.sync.book import LogBook
from edge.sync.fleet import Fleet
from trainer.cli import main


@pytest.fixture
def stick(tmp_path):
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


@pytest.fixture
def devices(tmp_path, config, photographs, stick):
    """Two that saw different grounds, and one picture both, which they call by different names."""
    engines = []
    shared = sorted((photographs / "held-out" / "brick").iterdir())[0]
    for name, ground in (("a", "brick"), ("b", "grass")):
        engine = Engine.open(tmp_path / name, config=config)
        engine.add(sorted((photographs / "taught" / ground).iterdir())[:6], concepts=[ground])
        engine.add(
            shared, concepts=["brick"] if name == "a" else [], not_concepts=[] if name == "a" else ["brick"], by=name
        )
        if name == "a":
            engine.create_model("ground", ["brick", "grass"], mutually_exclusive=True)
        engines.append(engine)
        sync(engine, stick)
    yield engines
    for engine in engines:
        engine.close()


def sync(engine, stick):
    found = Syncing(engine, {})
    if not found.remotes.registry.all():
        found.remotes.add("stick", str(stick), "all")
    return found.sync("stick")


def run(*arguments):
    done = CliRunner().invoke(main, ["--json", "hub", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.usefixtures("devices")
def test_everything_comes_together_and_is_trained_on(tmp_path, stick):
    hub = tmp_path / "hub"
    pulled = run("pull", hub, stick)
    assert pulled["inputs"] == 13
    assert pulled["pictures_fetched"] == 13
    assert run("pull", hub, stick)["records"] == 0
    assert run("train", hub)["models"]["ground"]["accuracy"] > 0.8
    judged = run("evaluate", hub, "ground")
    assert sum(one["pictures"] for one in judged["devices"]) == judged["evaluation"]["inputs"]
    assert len(judged["devices"]) == 2


@pytest.mark.usefixtures("devices")
def test_what_devices_do_not_agree_on_is_told_with_both_words(tmp_path, stick):
    hub = tmp_path / "hub"
    assert run("pull", hub, stick)["disagreements"] == 1
    [one] = run("status", hub)["disagreements"]
    assert {one["by"], one["other_by"]} == {"a", "b"}
    assert {one["value"], one["other_value"]} == {0, 1}


@pytest.mark.usefixtures("devices")
def test_a_disagreement_is_the_first_suspect_until_somebody_settles_it(tmp_path, stick, config):
    hub = tmp_path / "hub"
    run("pull", hub, stick)
    with Engine.open(hub, config=config) as engine:
        first = review(engine, engine.model("ground")).suspects[0]
        assert "on another device said" in first.reason
        for value in (1 - first.given, first.given):
            engine.store.inputs.annotate(first.input_id, {first.concept_id: value}, by="boss")
        assert not any("another device" in one.reason for one in review(engine, engine.model("ground")).suspects)


def test_status_counts_what_each_device_brought(tmp_path, stick, devices):
    hub = tmp_path / "hub"
    run("pull", hub, stick)
    found = {one["id"]: one for one in run("status", hub)["devices"]}
    assert set(found) == {LogBook(one.store).device for one in devices}
    assert sum(one["inputs"] for one in found.values()) == 13
    assert all(one["segments"] == 1 and one["awaited"] == 0 for one in found.values())


def test_a_revoked_device_is_not_heard_any_more_and_what_it_said_before_stays(tmp_path, stick, devices, photographs):
    hub = tmp_path / "hub"
    run("pull", hub, stick)
    stolen = LogBook(devices[1].store).device
    assert run("revoke", hub, stolen[:8]) == {"device": stolen, "state": "revoked"}
    devices[1].add(sorted((photographs / "taught" / "grass").iterdir())[6:8], concepts=["brick"])
    sync(devices[1], stick)
    pulled = run("pull", hub, stick)
    assert pulled["inputs"] == 13
    assert [why for _, why in pulled["refused"]] == [
        f"device {stolen[:8]} was revoked; what it said since was left out"
    ]


def test_a_closed_fleet_hears_only_those_that_were_enrolled(tmp_path, stick, devices):
    hub = tmp_path / "hub"
    known = LogBook(devices[0].store).device
    with Engine.open(hub) as engine:
        Fleet(engine.store).enrol(known, "gate")
        with pytest.raises(BadSegment, match="not enrolled"):
            Fleet(engine.store).check("ab" * 16, 1)
    assert run("pull", hub, stick)["inputs"] == 7
    run("enrol", hub, LogBook(devices[1].store).device)
    assert run("pull", hub, stick)["inputs"] == 13

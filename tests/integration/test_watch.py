"""Loops over a real engine and cameras that are shipped: from a picture to a decision, over trainings and restarts."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import replace

import pytest
from PIL import Image

from edge.engine.watching import watch
from edge.errors import InvalidArgument, NotFound
from edge.watch.config import LoopConfig, WatchConfig
from edge.watch.decision import Rules
from edge.watch.runner import _several


def until(happens, seconds=20.0):
    """Wait until something is so, and return it."""
    end = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
    return found


@pytest.fixture
def scene(tmp_path, saved, blob):
    """``scene("red")``: what the camera sees from now on. ``scene.url``: the camera."""

    def show(colour, seed=0):
        saved("scene/now.png", blob(colour, seed))

    show("red")
    show.url = f"fake://?fps=50&folder={tmp_path / 'scene'}"
    return show


@pytest.fixture
def run(taught):
    """``run(LoopConfig(...), ...)``: loops that run until the test ends, with ``events``, the list of what they saw."""
    running = []

    def start(*loops):
        events = []
        quiet = tuple(replace(one, then=()) for one in loops)
        made = watch(taught, WatchConfig(quiet), events.append)
        made.events = events
        running.append(made)
        made.start()
        return made

    yield start
    for one in running:
        one.stop(2.0)


def changes(events):
    return [(change.name, change.on) for event in events for change in event.changed]


def test_a_concept_comes_and_goes_with_what_the_camera_sees(run, scene):
    loops = run(LoopConfig("l", scene.url, "colours", ("each",)))
    until(lambda: changes(loops.events))
    assert changes(loops.events) == [("red", True)]
    assert len(loops.events) >= 3
    scene("green", 9)
    until(lambda: len(changes(loops.events)) == 3)
    assert set(changes(loops.events)[1:]) == {("red", False), ("green", True)}


def test_loops_share_a_camera_and_count_for_themselves(run, scene):
    loops = run(
        LoopConfig("a", scene.url, "colours", ("each",)), LoopConfig("b", scene.url, "colours", ("interval:100ms",))
    )
    assert len(loops.cameras()) == 1
    until(lambda: all(loop.counters.predictions > 3 for loop in loops.loops))
    found = loops.document()
    assert found["a"]["captures"] > found["b"]["captures"]


def test_loops_on_one_folder_each_see_every_picture(run, tmp_path, saved, blob):
    for number in range(8):
        saved(f"in/{number}.png", blob("red", number))
    url = f"folder://{tmp_path / 'in'}?existing=1"
    loops = run(LoopConfig("a", url, "colours"), LoopConfig("b", url, "colours"))
    until(lambda: len(loops.events) == 16)
    for name in ("a", "b"):
        seen = [event.capture.source for event in loops.events if event.loop == name]
        assert len(set(seen)) == 8


def test_a_recording_is_looked_at_picture_by_picture_and_then_it_is_over(run):
    loops = run(LoopConfig("l", "fake://?fps=0&count=25", "colours", ("each",)))
    assert loops.wait(30)
    assert [event.capture.number for event in loops.events] == list(range(1, 26))


def test_a_new_version_answers_from_its_first_moment(run, taught, scene):
    loops = run(LoopConfig("l", scene.url, "colours", ("each",)))
    until(lambda: loops.events)
    taught.model("colours").train().wait()
    until(lambda: loops.events[-1].prediction.version == "v2")


def test_a_model_that_is_not_trained_yet_is_waited_for(run, taught, scene, caplog):
    taught.create_model("later", ["red", "green"], mutually_exclusive=True)
    loops = run(LoopConfig("l", scene.url, "later", ("each",)))
    until(lambda: len(loops.events) > 5)
    assert "edge train later" in loops.events[0].failed
    assert len([one for one in caplog.records if "edge train later" in one.message]) == 1
    taught.model("later").train().wait()
    until(lambda: loops.events[-1].prediction)


def test_a_model_there_is_not_is_refused(taught):
    before = threading.active_count()
    config = WatchConfig((LoopConfig("a", "fake://", "colours"), LoopConfig("b", "fake://", "none")))
    with pytest.raises(NotFound, match="none"):
        watch(taught, config)
    until(lambda: threading.active_count() == before)


@pytest.mark.parametrize(
    ("url", "failures"),
    [
        ("fake://?fps=50&fault=corrupt", True),
        ("fake://?fps=50&fault=black", False),
        ("fake://?fps=50&fault=sizes", False),
    ],
)
def test_pictures_that_are_damaged_black_or_of_changing_size_end_no_loop(run, caplog, url, failures):
    loops = run(LoopConfig("l", url, "colours", ("each", "motion")))
    until(lambda: len([one for one in loops.events if one.prediction]) > 10)
    assert bool([one for one in loops.events if one.failed]) == failures
    assert len([one for one in caplog.records if one.name == "edge.watch"]) <= 1


def test_a_camera_that_comes_and_goes_ends_no_loop(run):
    loops = run(LoopConfig("l", "fake://?fps=50&fault=gone", "colours", ("each",)))
    until(lambda: loops.events and loops.events[-1].capture.number > 12)


def test_an_api_trigger_is_asked_by_the_name_of_its_loop(run, scene):
    loops = run(LoopConfig("a", scene.url, "colours", ("api",)), LoopConfig("b", scene.url, "colours", ("motion",)))
    loops.ask("a")
    until(lambda: loops.events)
    assert [(event.loop, event.fired.source) for event in loops.events] == [("a", "api")]
    with pytest.raises(NotFound, match="have: a"):
        loops.ask("b")


# --- over restarts ---------------------------------------------------------------------------------------------------


def test_what_was_seen_is_not_seen_anew_after_a_restart_and_counters_go_on(run, scene):
    first = run(LoopConfig("l", scene.url, "colours", ("each",)))
    until(lambda: changes(first.events))
    first.stop(2.0)
    predictions = first.loops[0].counters.predictions
    second = run(LoopConfig("l", scene.url, "colours", ("each",)))
    assert second.loops[0].decider.active == first.loops[0].decider.active != ()
    until(lambda: len(second.events) > 6)
    assert changes(second.events) == []
    assert second.document()["l"]["predictions"] > predictions


def test_an_interval_of_an_hour_does_not_begin_anew_with_every_restart(run, scene):
    first = run(LoopConfig("l", scene.url, "colours", ("interval:1h",)))
    until(lambda: first.events)
    first.stop(2.0)
    second = run(LoopConfig("l", scene.url, "colours", ("interval:1h",)))
    wait = second.loops[0].triggers[0].next(time.monotonic())
    assert 3500 < wait <= 3600
    assert second.events == []


def test_what_is_seen_is_kept_soon_though_nobody_stops_it(run, scene, taught, monkeypatch):
    monkeypatch.setattr("edge.watch.runner._LOOK", 0.02)
    loops = run(LoopConfig("l", scene.url, "colours", ("each",)))
    until(lambda: changes(loops.events))
    state = taught.store.path / "watch" / "l" / "state.json"
    until(state.exists)
    red = loops.loops[0].decider.active[0]
    until(lambda: red in json.loads(state.read_bytes())["seen"]["on"])
    written = state.stat().st_ino
    count = len(loops.events)
    until(lambda: len(loops.events) > count + 20)
    assert state.stat().st_ino == written  # counters alone wait for a minute


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"counters": {}, "seen": 3}', '{"counters": [], "seen": {}}', "\0"]
)
def test_a_damaged_state_is_said_and_begun_anew(taught, caplog, text):
    folder = taught.store.path / "watch" / "l"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(text)
    with caplog.at_level(logging.WARNING, "edge.watch"):
        made = watch(taught, WatchConfig((LoopConfig("l", "fake://", "colours"),)))
    made.stop(0)
    assert [one.message for one in caplog.records if one.name == "edge.watch"] == [
        "loop l: its state is damaged; it starts anew"
    ]


# --- a rehearsal -----------------------------------------------------------------------------------------------------


def test_a_rehearsal_tries_everything_and_changes_nothing(taught, scene, tmp_path):
    loop = LoopConfig(
        "l", scene.url, "colours", ("motion",), (f"log:{tmp_path / 'l.jsonl'}", "store", "exec:no-such-thing")
    )
    made = watch(taught, WatchConfig((loop,)))
    before = len(taught.inputs())
    found = made.check()
    made.stop(0)
    said = [what for _, what, _ in found]
    assert any("it sees red" in one for one in said)
    assert [what for _, what, why in found if why] == ["exec"]
    assert len(taught.inputs()) == before
    assert not (taught.store.path / "watch").exists()


def test_a_rehearsal_says_that_a_camera_is_missing(taught):
    made = watch(taught, WatchConfig((LoopConfig("l", "fake://?fault=missing", "colours"),)))
    until(lambda: made.loops[0].camera.state != "opening")
    made.loops[0].camera.newest = lambda *_: None
    (first, *_) = made.check()
    made.stop(0)
    assert "not there" in first[2]


def test_looking_once_through_a_camera_that_is_missing_is_a_failed_look(taught, monkeypatch):
    monkeypatch.setattr("edge.watch.runner._FIRST_PICTURE", 0.2)
    monkeypatch.setattr("edge.watch.loop._NO_PICTURE", 0.1)
    made = watch(taught, WatchConfig((LoopConfig("l", "fake://?fault=missing", "colours", then=()),)))
    (event,) = made.once()
    made.stop(1)
    assert "not there" in event.failed


# --- what triggers combine to ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("motion", ["motion"]),
        ("interval:10s+motion", ["interval:10s", "motion"]),
        ("interval:10s+motion?area=0.1+api", ["interval:10s", "motion?area=0.1", "api"]),
        ("mqtt:a/+/b", ["mqtt:a/+/b"]),
        ("mqtt:a/motion+x", ["mqtt:a/motion+x"]),
        ("mqtt://u:p+q@host/t+serial:/dev/ttyACM0", ["mqtt://u:p+q@host/t", "serial:/dev/ttyACM0"]),
    ],
)
def test_a_plus_before_a_triggers_name_means_any_of_them(text, parts):
    assert _several(text) == parts


def test_rules_for_a_concept_that_the_model_does_not_have_are_refused(taught):
    loop = LoopConfig("l", "fake://", "colours", concepts={"blue": Rules()})
    with pytest.raises(InvalidArgument, match="no concept 'blue'; it has: red, green"):
        watch(taught, WatchConfig((loop,)))


@pytest.mark.parametrize(
    "trigger", ["", "never", "interval:2s+", "mqtt:a/+/b", "mqtt:x", "serial", "interval:2s+motion?x=1"]
)
def test_a_trigger_that_cannot_be_is_refused(taught, trigger):
    with pytest.raises(InvalidArgument):
        watch(taught, WatchConfig((LoopConfig("l", "fake://", "colours", (trigger,)),)))


# --- the real network ------------------------------------------------------------------------------------------------


def test_photographs_are_told_apart_by_the_real_network(real_engine, photographs, tmp_path):
    for name in ("brick", "grass"):
        real_engine.add(photographs / "taught" / name, concepts=[name])
    real_engine.create_model("ground", ["brick", "grass"], mutually_exclusive=True).train().wait(120)
    shown = tmp_path / "shown"
    shown.mkdir()
    for number, name in enumerate(["brick"] * 6 + ["grass"] * 6):
        with Image.open(photographs / "held-out" / name / f"{number % 6}.png") as photo:
            photo.save(shown / f"{number:02}.jpg", quality=92)
    events = []
    loop = LoopConfig(
        "l", f"fake://?fps=0&count=12&folder={shown}", "ground", ("each",), (), Rules(smoothing=2, known=0.0)
    )
    loops = watch(real_engine, WatchConfig((loop,)), events.append)
    loops.start()
    assert loops.wait(60)
    loops.stop()
    assert len(events) == 12
    assert [change for change in changes(events) if change[1]] == [("brick", True), ("grass", True)]

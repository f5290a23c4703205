"""One loop, turn by turn, on a clock that stands still: what is looked at, what is not, and what it lives through."""

from __future__ import annotations

import logging

import pytest

from edge.errors import BadImage, NotTrained, StoreUnavailable
from edge.watch.base import Fired, QuietTrigger
from edge.watch.specs import spec
from edge.watch.triggers import Each, Interval
from tests.unit.watch.doubles import Noted, said


def numbers(loop):
    """Its counters without latencies."""
    found = loop.counters
    return {"captures": found.captures, "triggers": found.triggers, "predictions": found.predictions,
            "drops": found.drops, "failures": found.failures}  # fmt: skip


# --- which picture ---------------------------------------------------------------------------------------------------


def test_the_newest_picture_is_looked_at_never_an_older_one(rig):
    one = rig()
    for picture in (b"first", b"second", b"third"):
        one.camera.show(picture)
    one.asked.ask()
    one.loop.step()
    assert one.pictures == [b"third"]


def test_a_picture_that_is_too_old_is_not_looked_at_but_the_next_one(rig):
    one = rig(max_age=0.5)
    one.camera.show(b"stale", age=0.6)
    one.camera.coming = [b"fresh"]
    one.asked.ask()
    one.loop.step()
    assert one.pictures == [b"fresh"]


@pytest.mark.parametrize("watching", [True, False])
def test_a_camera_that_went_away_long_ago_is_not_believed(rig, watching):
    one = rig()
    one.loop.triggers = (*one.loop.triggers, Each(spec("each"))) if watching else one.loop.triggers
    one.loop._watching = watching
    one.camera.show(b"old")
    one.asked.ask("a board")
    one.loop.step()
    one.clock.now += 3600
    one.asked.ask("a board")
    (event,) = one.loop.step()
    assert event.capture is None and "no picture" in event.failed


def test_those_who_wait_together_for_a_picture_wait_once(rig):
    one = rig()
    for board in range(50):
        one.asked.ask(board)
    assert len(one.loop.step()) == 50
    assert one.clock.now - 100 == pytest.approx(2.0)


def test_every_picture_of_a_folder_is_looked_at_however_old_it_is(rig):
    one = rig(triggers=[Interval(spec("interval:2s"))], patient=True)
    one.camera.show(b"a file", age=60)
    (event,) = one.loop.step()
    assert event.capture.picture == b"a file"


def test_a_folder_without_a_new_picture_is_no_failure(rig):
    one = rig(triggers=[Interval(spec("interval:2s"))], patient=True)
    assert one.loop.step() == []
    assert one.loop.counters.failures == 0


def test_a_board_that_asks_about_an_empty_folder_is_answered_all_the_same(rig):
    one = rig(patient=True)
    one.asked.ask("a board")
    (event,) = one.loop.step()
    assert event.failed


# --- which triggers --------------------------------------------------------------------------------------------------


def test_triggers_that_come_together_are_one_look_and_the_others_are_counted(rig):
    one = rig()
    one.camera.show()
    for _ in range(5):
        one.asked.ask()
    assert len(one.loop.step()) == 1
    assert numbers(one.loop) == {"captures": 1, "triggers": 5, "predictions": 1, "drops": 4, "failures": 0}


def test_everybody_who_waits_gets_his_own_answer(rig):
    one = rig()
    one.camera.show()
    for board in ("a", "b", "c"):
        one.asked.ask(board)
    one.asked.ask()
    assert [event.fired.reply for event in one.loop.step()] == ["a", "b", "c", None]
    assert one.loop.counters.drops == 0


def test_a_picture_is_seen_by_motion_once(rig):
    class Curious(QuietTrigger):
        watching = True

        def __init__(self):
            self.numbers = []

        def seen(self, capture, now):
            self.numbers.append(capture.number)
            return Fired("curious", now) if capture.number == 2 else None

    curious = Curious()
    one = rig(triggers=[curious])
    found = []
    for _ in range(3):
        one.camera.show()
        found += one.loop.step()
        found += one.loop.step()
    assert curious.numbers == [1, 2, 3]
    assert [event.capture.number for event in found] == [2]


def test_what_moved_is_what_is_looked_at_even_if_the_loop_was_busy_meanwhile(rig):
    one = rig(triggers=[Each(spec("each"))], max_age=0.1)
    one.camera.show(b"moved", age=5.0)
    one.loop.step()
    assert one.pictures == [b"moved"]


def test_the_time_of_an_answer_counts_from_the_moment_it_was_asked_for(rig):
    one = rig()
    one.camera.show()
    one.asked.ask("a board")
    one.clock.now += 0.25
    (event,) = one.loop.step()
    assert event.seconds == pytest.approx(0.25)


def test_looking_once_needs_no_trigger(rig):
    one = rig(triggers=[])
    one.camera.show()
    assert one.loop.once().fired.source == "once"


# --- what was seen ---------------------------------------------------------------------------------------------------


def test_a_change_is_reported_after_as_many_looks_as_are_asked_for(rig):
    one = rig(smoothing=3)
    found = []
    for _ in range(5):
        one.camera.show()
        one.asked.ask()
        found += one.loop.step()
    assert [len(event.changed) for event in found] == [0, 0, 1, 0, 0]
    assert found[-1].active == ("ripe",)


def test_an_event_is_plain_json(rig):
    import json

    one = rig()
    one.camera.show()
    one.asked.ask()
    (event,) = one.loop.step()
    found = json.loads(json.dumps(event.document()))
    assert found["changed"] == [{"id": "ripe", "name": "ripe", "on": True, "value": 0.9}]
    assert (found["loop"], found["trigger"], found["version"], found["failed"]) == ("l", "api", "v1", None)


# --- what it lives through -------------------------------------------------------------------------------------------


def turns(one, count, seconds=1.0):
    found = []
    for _ in range(count):
        one.clock.now += seconds
        one.camera.show()
        one.asked.ask("a board")
        found += one.loop.step()
    return found


@pytest.mark.parametrize(
    "error", [BadImage("the picture is damaged"), NotTrained("run: edge train m"), RuntimeError("a bug"), MemoryError()]
)
def test_a_look_that_fails_is_an_answer_and_is_said_once(rig, caplog, error):
    one = rig()
    one.answers = [error] * 5
    found = turns(one, 5)
    assert len(found) == len(one.action.events) == 5
    assert all(event.failed and event.prediction is None for event in found)
    assert len(caplog.records) == 1
    assert one.loop.counters.failures == 5


def test_what_comes_and_goes_is_said_once(rig, caplog):
    caplog.set_level(logging.INFO)
    one = rig()
    one.answers = [BadImage("damaged"), said(ripe=0.9)] * 50
    turns(one, 100)
    assert len(caplog.records) == 1


def test_what_works_again_is_said_and_what_fails_after_that_too(rig, caplog):
    caplog.set_level(logging.INFO)
    one = rig()
    one.answers = [BadImage("damaged"), *[said(ripe=0.9)] * 99, BadImage("damaged")]
    turns(one, 101)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]


def test_a_missing_camera_is_said_once_though_its_state_changes(rig, caplog):
    one = rig()
    for wait in (0.5, 1, 2, 4):
        one.camera.state = f"it is not there; trying again in {wait} s"
        one.asked.ask()
        (event,) = one.loop.step()
        assert "not there" in event.failed
    assert len(caplog.records) == 1


def test_passwords_in_failures_are_not_shown(rig, caplog):
    one = rig()
    one.answers = [StoreUnavailable("rtsp://me:secret@host/1 is gone")]
    (event,) = turns(one, 1)
    assert "secret" not in event.failed + caplog.text


@pytest.mark.parametrize(
    "error", [StoreUnavailable("the disk is full; make room"), OSError(28, "No space"), ValueError()]
)
def test_an_action_that_fails_is_said_once_and_the_others_act(rig, caplog, error):
    class Broken(Noted):
        name = "broken"

        def act(self, event):  # noqa: ARG002
            raise error

    whole = Noted()
    one = rig(actions=[Broken(), whole])
    turns(one, 4)
    assert len(whole.events) == 4
    assert len(caplog.records) == 1


def test_actions_are_closed_within_the_time_there_is(rig):
    one = rig()
    one.loop.start()
    one.loop.stop(3.0)
    assert 0 < one.action.closed <= 3.0


def test_an_action_that_cannot_be_closed_does_not_keep_the_others_open(rig):
    class Stuck(Noted):
        def close(self, seconds):  # noqa: ARG002
            raise OSError(5, "broken")

    whole = Noted()
    one = rig(actions=[Stuck(), whole])
    one.loop.stop(1.0)
    assert whole.closed is not None

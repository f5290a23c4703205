"""What every trigger promises, whatever makes it fire."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from edge.camera.base import Capture
from edge.errors import InvalidArgument
from edge.watch.catalogue import LINKED_TRIGGERS, TRIGGERS, made
from edge.watch.specs import spec

EXAMPLES = {"interval": "interval:2s", "each": "each", "motion": "motion", "api": "api", "gpio": "gpio:17"}


@pytest.fixture(params=TRIGGERS)
def trigger(request, monkeypatch):
    """A trigger that is made and not started; pins are gpiozero's own stand-ins."""
    if request.param == "gpio":
        gpiozero = pytest.importorskip("gpiozero")
        from gpiozero.pins.mock import MockFactory

        monkeypatch.setattr(gpiozero.Device, "pin_factory", MockFactory())
    return make(EXAMPLES[request.param])


def make(text):
    return made(TRIGGERS, spec(text), "trigger", also=LINKED_TRIGGERS)


def capture(number, shade=0):
    picture = np.full((48, 64, 3), shade, np.uint8)
    picture[:24] = 255 - shade
    return Capture(picture, float(number), datetime(2026, 1, 1, tzinfo=UTC), number, "a camera")


def test_there_is_an_example_of_every_trigger():
    assert set(EXAMPLES) == set(TRIGGERS)


def test_time_is_what_it_is_told_and_firings_carry_it(trigger):
    for now in (1000.0, 1000.5, 5000.0, 5000.0):
        for fired in trigger.due(now):
            assert fired.at == now
            assert fired.reply is None


def test_how_long_to_wait_is_never_in_the_past(trigger):
    for now in (0.0, 10.0, 11.0, 1e6):
        wait = trigger.next(now)
        assert wait >= 0 and not math.isnan(wait)
        trigger.due(now)


def test_asking_twice_at_the_same_moment_fires_once(trigger):
    trigger.due(10.0)
    assert trigger.due(10.0) == []


def test_captures_are_looked_at_only_by_those_who_want_to(trigger):
    fired = [trigger.seen(capture(number, 200 * (number % 2)), 10.0 * number) for number in range(6)]
    assert any(fired) == trigger.watching
    assert all(one.at == 10.0 * number for number, one in enumerate(fired) if one is not None)


def test_it_starts_once_and_can_be_closed_twice(trigger):
    trigger.start(lambda: None)
    trigger.close()
    trigger.close()


def test_it_can_be_closed_without_having_been_started(trigger):
    trigger.close()


@pytest.mark.parametrize("text", EXAMPLES.values())
def test_an_option_there_is_not_is_refused(text):
    with pytest.raises(InvalidArgument, match="no option 'nonsense'"):
        make(f"{text}?nonsense=1")


def test_a_name_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(InvalidArgument, match="there are: api, each, gpio, interval, motion, mqtt, serial"):
        make("never")


def test_every_class_of_the_module_that_is_a_trigger_has_a_name():
    source = (Path(__file__).resolve().parents[2] / "edge" / "watch" / "triggers.py").read_text()
    classes = {line.split()[1].split("(")[0] for line in source.splitlines() if line.startswith("class ")}
    assert classes == {target.rpartition(":")[2] for target in TRIGGERS.values()}

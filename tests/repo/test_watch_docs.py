"""docs/watch.md names every trigger, action, option, key, event field and counter that there is."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from edge.watch.base import Event, Fired
from edge.watch.catalogue import ACTIONS, LINKED_TRIGGERS, TRIGGERS
from edge.watch.config import LoopConfig, WatchConfig
from edge.watch.counters import Counters
from edge.watch.decision import Rules
from edge.watch.runner import Watch

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "watch.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^#{2,3} (.+)\n((?:(?!^#{2,3} ).*\n)*)", PAGE, re.M))
NAMED = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]*)`", PAGE))))


def options(target):
    """What a class accepts after its ?, from its own call of ``only``."""
    module, _, name = target.partition(":")
    source = inspect.getsource(getattr(import_module(module), name))
    return set(re.findall(r'"(\w+)"', " ".join(re.findall(r"\.only\(([^)]*)\)", source))))


@pytest.mark.parametrize("name", [*TRIGGERS, *LINKED_TRIGGERS])
def test_every_trigger_is_named(name):
    assert re.search(rf"^\| `{name}[`:]", SECTIONS["Triggers"], re.M)


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_is_named(name):
    assert re.search(rf"^\| `{name}[`:]", SECTIONS["Actions"], re.M)


@pytest.mark.parametrize("target", [*TRIGGERS.values(), *ACTIONS.values()])
def test_every_option_is_named(target):
    assert options(target) <= NAMED


def test_options_of_linked_triggers_are_named():
    assert set(re.findall(r'"(\w+)"', re.search(r"only\((.*)\)", inspect.getsource(Watch._serial_trigger))[1])) <= NAMED


def test_every_key_of_a_loop_is_named_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \|(.*)\|$", SECTIONS["Several loops"], re.M))
    assert set(rows) == ({one.name for one in fields(LoopConfig)} - {"rules"}) | {one.name for one in fields(Rules)}
    assert [float(rows[name]) for name in ("smoothing", "on", "off", "hold")] == [
        getattr(Rules(), name) for name in ("smoothing", "on", "off", "hold")
    ]


def test_the_file_that_is_shown_is_one_that_is_read(tmp_path):
    (tmp_path / "watch.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.S)[1])
    found = WatchConfig.read(tmp_path / "watch.toml", {"MQTT_PASSWORD": "a", "CAMERA_PASSWORD": "b"})
    assert [one.name for one in found.loops] == ["gate", "tomatoes"]
    assert found.loops[0].concepts["truck"].smoothing == 5


def test_every_field_of_an_event_and_every_counter_is_named():
    event = Event("l", "m", datetime(2026, 1, 1, tzinfo=UTC), Fired("api", 0.0), None, None)
    assert {*event.document(), *Counters().document()} <= NAMED

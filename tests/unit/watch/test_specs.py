"""How triggers and actions are written."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import InvalidArgument
from edge.watch.specs import seconds_of, spec


@pytest.mark.parametrize(
    ("text", "name", "rest", "options"),
    [
        ("motion", "motion", "", {}),
        ("motion?area=0.02&level=9", "motion", "", {"area": "0.02", "level": "9"}),
        ("interval:2s", "interval", "2s", {}),
        (" interval: 2s ", "interval", "2s", {}),
        ("gpio:17?pull=down", "gpio", "17", {"pull": "down"}),
        ("log:/var/log/a.jsonl?size=1MB", "log", "/var/log/a.jsonl", {"size": "1MB"}),
        ("serial:/dev/ttyACM0?source=1", "serial", "/dev/ttyACM0", {"source": "1"}),
        ("serial:usb://2341:0043", "serial", "usb://2341:0043", {}),
        ("mqtt:door/opened", "mqtt", "door/opened", {}),
        ("mqtt://host/door", "mqtt", "mqtt://host/door", {}),
        ("mqtts://me:pw@host/p?picture=0", "mqtt", "mqtts://me:pw@host/p", {"picture": "0"}),
    ],
)
def test_a_spec_is_a_name_what_it_is_about_and_options(text, name, rest, options):
    found = spec(text)
    assert (found.name, found.rest, found.options) == (name, rest, options)


def test_some_take_the_rest_as_it_is():
    assert spec("webhook:https://h/x?token=1", whole=("webhook",)).rest == "https://h/x?token=1"
    assert spec("exec:echo what? a:b", whole=("exec",)).rest == "echo what? a:b"


@pytest.mark.parametrize("text", ["", ":", "?", "2s", "Motion", "../x:y", "a b:c"])
def test_what_is_no_spec_is_refused(text):
    with pytest.raises(InvalidArgument):
        spec(text)


@given(st.text(max_size=60))
def test_any_text_is_a_spec_or_refused(text):
    with suppress(InvalidArgument):
        assert spec(text).name


def test_passwords_are_not_shown():
    shown = f"{spec('mqtt://me:secret@host/x')} {spec('webhook:https://h/x?token=secret', whole=('webhook',))!r}"
    assert "secret" not in shown


def test_an_unknown_option_is_refused_with_the_nearest_one():
    with pytest.raises(InvalidArgument, match="did you mean cooldown"):
        spec("motion?coldown=1s").only("area", "cooldown")


@pytest.mark.parametrize(
    ("text", "seconds"), [("2s", 2), ("500ms", 0.5), ("10m", 600), ("1h", 3600), ("30d", 2592000), ("1.5", 1.5), (3, 3)]
)
def test_times_are_numbers_with_a_unit(text, seconds):
    assert seconds_of(text, "x") == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "2 weeks", "1e9h", "400d", "nan", "inf", None, True, "٣s"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InvalidArgument):
        seconds_of(text, "x")


@pytest.mark.parametrize(
    ("text", "size"), [("500MB", 500_000_000), ("1.5GB", 1_500_000_000), ("20kB", 20_000), ("7", 7)]
)
def test_sizes_are_numbers_with_a_unit(text, size):
    assert spec(f"store?bytes={text}").bytes("bytes", 0) == size


@pytest.mark.parametrize("value", ["x", "nan", "-1", "11"])
def test_a_number_outside_its_range_is_refused(value):
    with pytest.raises(InvalidArgument, match="from 0 to 10"):
        spec(f"a?n={value}").number("n", 1, 0, 10)

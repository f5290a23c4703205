"""watch.toml: what it says, and that nothing wrong in it goes unnoticed."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import EdgeError, InvalidArgument, NotFound
from edge.watch.config import LoopConfig, WatchConfig, loop_of
from edge.watch.decision import Rules

WHOLE = """
mqtt = "mqtt://me:${BROKER_PASSWORD}@broker/edge"

[[loop]]
name = "gate"
camera = "rtsp://admin:${CAMERA_PASSWORD}@10.0.0.7/1"
model = "cars"
trigger = ["interval:10s+motion", "api"]
then = ["log:gate.jsonl", "mqtt"]
smoothing = 2
on = 0.8
off = 0.4
hold = "1m"
known = 0.3
max_age = "250ms"

[loop.concepts.truck]
on = 0.95

[[loop]]
camera = "fake://"
model = "colours"
"""
SECRETS = {"BROKER_PASSWORD": "b", "CAMERA_PASSWORD": "c"}


@pytest.fixture
def read(tmp_path):
    """``read(text)``: the configuration of a file with that text."""

    def run(text, environ=SECRETS):
        path = tmp_path / "watch.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return WatchConfig.read(path, environ)

    return run


def test_everything_that_can_stand_in_it_is_read(read):
    found = read(WHOLE)
    assert found.mqtt == "mqtt://me:b@broker/edge"
    assert found.loops[0] == LoopConfig(
        "gate",
        "rtsp://admin:c@10.0.0.7/1",
        "cars",
        ("interval:10s+motion", "api"),
        ("log:gate.jsonl", "mqtt"),
        Rules(smoothing=2, on=0.8, off=0.4, hold=60.0, known=0.3),
        0.25,
        {"truck": Rules(smoothing=2, on=0.95, off=0.4, hold=60.0, known=0.3)},
    )


def test_a_loop_is_called_as_its_model_and_looks_every_two_seconds_if_nothing_else_is_said(read):
    second = read(WHOLE).loops[1]
    assert (second.name, second.trigger, second.rules) == ("colours", ("interval:2s",), Rules())


@pytest.mark.parametrize("camera", ["folder:///incoming", "clip.mp4", "file://clip.mp4"])
def test_of_folders_and_recordings_every_picture_is_looked_at(camera):
    assert LoopConfig("a", camera, "m").trigger == ("each",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no loop"),
        ("[[lop]]", "did you mean loop"),
        ("[loop]\ncamera='fake://'\nmodel='m'", "two brackets"),
        ("loop = [1]", "two brackets"),
        ("[[loop]]\nmodel='m'", "no camera"),
        ("[[loop]]\ncamera='fake://'", "no model"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\ntriger='motion'", "did you mean trigger"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\nsmoothin=2", "did you mean smoothing"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\nsmoothing='3'", "is a number"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\nsmoothing=2.5", "is a number"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\nsmoothing=true", "is a number"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\non=nan", "from 0 to 1"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\nhold='long'", "is a time"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\nmax_age=-1", "is a time"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\nconcepts=3", "loop.concepts.NAME"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\n[loop.concepts.a]\nonn=1", "concept a: .*did you mean on"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\n[loop.concepts.a]\non=0.3", "concept a: .*off is not above on"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\nname='a b'", "letters, digits"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\nname='../x'", "letters, digits"),
        ("[[loop]]\ncamera=5\nmodel='m'", "is a text"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\nthen=[1]", "is a text"),
        ("[[loop]]\ncamera='fake://'\nmodel='m'\n[[loop]]\ncamera='fake://'\nmodel='m'", "same name"),
        ("[[loop]]\ncamera='fake://${NOWHERE}'\nmodel='m'", "NOWHERE"),
        ("[[loop]", "no TOML"),
        (b"\xff\xfe", "no TOML"),
        ("a=" + "[" * 5000, "no TOML"),
        (b"#" * (2 << 20), "too large"),
    ],
)
def test_what_is_wrong_is_refused_and_named(read, text, says):
    with pytest.raises(InvalidArgument, match=says):
        read(text)


def test_a_wrong_loop_is_named_by_its_place(read):
    with pytest.raises(InvalidArgument, match="loop 2"):
        read(WHOLE.replace('camera = "fake://"', "camera = 1"))


def test_a_file_that_is_not_there_says_where_to_read(tmp_path):
    with pytest.raises(NotFound, match=r"docs/watch\.md"):
        WatchConfig.read(tmp_path / "none.toml", {})


KEYS = st.sampled_from(["camera", "model", "trigger", "then", "hold", "on", "name", "x"])
ANYTHING = st.one_of(st.text(max_size=20), st.integers(), st.booleans(), st.lists(st.text(max_size=9)))


@given(st.dictionaries(KEYS, ANYTHING))
def test_any_table_is_a_loop_or_refused(table):
    with suppress(EdgeError):
        assert loop_of(table, "here", {}).model == table["model"]

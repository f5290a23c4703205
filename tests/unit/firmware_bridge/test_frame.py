"""Frames: the golden vectors, and what holds for every frame and every garbage."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.frame import OVERHEAD, Decoder, Frame, encode
from firmware_bridge.messages import BY_NAME

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
FRAMES = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=600),
)


@pytest.mark.parametrize("vector", VECTORS["good"], ids=lambda one: one["what"])
def test_a_golden_frame_means_what_it_says(vector):
    frame = Frame(vector["type"], vector["flags"], vector["sequence"], vector["link"], bytes.fromhex(vector["payload"]))
    assert encode(frame).hex() == vector["hex"]
    assert list(Decoder(VECTORS["limit"]).feed(bytes.fromhex(vector["hex"]))) == [frame]


@pytest.mark.parametrize("vector", [one for one in VECTORS["good"] if "fields" in one], ids=lambda one: one["what"])
def test_a_golden_message_says_what_it_says(vector):
    kind, fields = BY_NAME[vector["message"]], dict(vector["fields"])
    for field in kind.fields:
        if field.type == "bytes":
            fields[field.name] = bytes.fromhex(fields[field.name])
    payload = bytes.fromhex(vector["payload"])
    assert kind.number == vector["type"]
    assert kind.unpack(payload) == fields
    assert payload.startswith(kind.pack(**fields))


def test_there_is_a_golden_frame_of_every_message():
    assert {one["message"] for one in VECTORS["good"] if "message" in one} == set(BY_NAME)


@pytest.mark.parametrize("vector", VECTORS["bad"], ids=lambda one: one["what"])
def test_what_is_no_frame_gives_none(vector):
    assert list(Decoder(VECTORS["limit"]).feed(bytes.fromhex(vector["hex"]))) == []


@given(FRAMES)
def test_every_frame_reads_back(frame):
    assert list(Decoder(600).feed(encode(frame))) == [frame]


@given(FRAMES)
def test_a_frame_has_zeros_at_its_ends_only(frame):
    assert b"\0" not in encode(frame)[1:-1]


@given(st.lists(FRAMES, max_size=4), st.integers(1, 9))
def test_frames_may_arrive_in_any_pieces(frames, size):
    data = b"".join(map(encode, frames))
    decoder, found = Decoder(600), []
    for start in range(0, len(data), size):
        found += decoder.feed(data[start : start + size])
    assert found == frames


@given(st.binary(max_size=300), FRAMES)
def test_after_any_garbage_the_next_frame_is_read(garbage, frame):
    assert list(Decoder(600).feed(garbage + encode(frame)))[-1:] == [frame]


@given(FRAMES, st.data())
def test_a_frame_with_any_one_byte_changed_is_refused(frame, data):
    line = bytearray(encode(frame)[1:-1])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    assert frame not in list(Decoder(600).feed(b"\0" + bytes(line) + b"\0"))


@given(st.binary(max_size=5000))
def test_no_garbage_fills_the_memory(garbage):
    decoder = Decoder(64)
    list(decoder.feed(garbage.replace(b"\0", b"\1")))
    assert len(decoder._begun) <= 64 + OVERHEAD + 2


def test_what_is_too_long_is_counted_once_and_skipped():
    decoder = Decoder(64)
    long, short = Frame(1, 0, 0, 0, bytes(100)), Frame(1, 0, 0, 0, b"x")
    assert list(decoder.feed(encode(long) + encode(short))) == [short]
    assert decoder.oversized == 1

"""The table of messages: whole, and the same on both ends."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.generate import HEADER, header
from firmware_bridge.messages import BY_NAME, BY_NUMBER, DEFAULT_PAYLOAD, MESSAGES

VALUES = {
    "u8": st.integers(0, 255),
    "u16": st.integers(0, 65535),
    "u32": st.integers(0, 2**32 - 1),
    "bytes": st.binary(max_size=40),
    "text": st.text(max_size=10),
}


def test_the_header_of_the_c_side_is_that_of_the_table():
    assert HEADER.read_text() == header(), "run: python -m firmware_bridge.generate"


def test_numbers_and_names_are_unique():
    assert len(BY_NAME) == len(BY_NUMBER) == len(MESSAGES)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda one: one.name)
def test_only_the_last_field_is_open_ended(kind):
    assert all(one.type not in ("bytes", "text") for one in kind.fields[:-1])


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda one: one.name)
def test_every_message_fits_a_small_board(kind):
    assert kind.least <= DEFAULT_PAYLOAD - 8


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda one: one.name)
@given(data=st.data())
def test_every_message_reads_back(kind, data):
    fields = {one.name: data.draw(VALUES[one.type]) for one in kind.fields}
    assert kind.unpack(kind.pack(**fields)) == fields


@pytest.mark.parametrize("kind", [one for one in MESSAGES if one.least], ids=lambda one: one.name)
def test_a_payload_that_is_too_short_is_refused(kind):
    with pytest.raises(ValueError, match="bytes"):
        kind.unpack(bytes(kind.least - 1))


def test_what_a_newer_version_adds_is_left_out():
    assert BY_NAME["PING"].unpack(b"\1\0\0\0new") == {"time": 1}


@pytest.mark.parametrize("fields", [{"time": 2**32}, {"time": -1}, {}, {"time": 1, "more": 2}])
def test_fields_that_do_not_fit_are_refused(fields):
    with pytest.raises(ValueError):
        BY_NAME["PING"].pack(**fields)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda one: one.name)
def test_the_document_says_what_the_table_says(kind):
    document = (Path(__file__).parents[3] / "docs" / "serial-protocol.md").read_text()
    fields = ", ".join(f"`{one.name}` {one.type}{f' ({one.meaning})' if one.meaning else ''}" for one in kind.fields)
    reliable = "yes" if kind.reliable else "no"
    assert f"| 0x{kind.number:02x} | {kind.name} | {kind.sender} | {reliable} | {fields} |" in document

"""The one table of messages. The C side's header is generated from it (``python -m firmware_bridge.generate``).

``docs/serial-protocol.md`` says what each message means and promises. Numbers are little endian; ``bytes`` and ``text``
are the rest of the payload.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

VERSION_MIN = 1
VERSION_MAX = 1
DEFAULT_PAYLOAD = 64
"""Bytes a board with 2 KB of RAM can take; HELLO raises it where both sides can do more."""
LARGEST_PAYLOAD = 4096

FieldType = Literal["u8", "u16", "u32", "bytes", "text"]
_FORMATS: Mapping[str, str] = {"u8": "B", "u16": "H", "u32": "I"}
_LARGEST: Mapping[str, int] = {"u8": 0xFF, "u16": 0xFFFF, "u32": 0xFFFFFFFF}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, type, and what the number means."""

    name: str
    type: FieldType
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of message. ``sender``: who may send it; ``reliable``: acknowledged and sent again until it is."""

    name: str
    number: int
    sender: Literal["host", "board", "both"]
    reliable: bool
    fields: tuple[Field, ...]

    @property
    def least(self) -> int:
        """Bytes of the fields before a trailing ``bytes`` or ``text``."""
        return struct.calcsize(self._format)

    @property
    def open_ended(self) -> bool:
        """Whether the last field is the rest of the payload."""
        return bool(self.fields) and self.fields[-1].type in ("bytes", "text")

    @property
    def _format(self) -> str:
        return "<" + "".join(_FORMATS[one.type] for one in self.fields if one.type in _FORMATS)

    def pack(self, **values: Any) -> bytes:
        """The payload. Raises ValueError for a missing or unknown field, or a number that does not fit."""
        if values.keys() != {one.name for one in self.fields}:
            raise ValueError(f"{self.name} has the fields {', '.join(one.name for one in self.fields)}")
        numbers = []
        for one in self.fields:
            if one.type in _FORMATS:
                value = int(values[one.name])
                if not 0 <= value <= _LARGEST[one.type]:
                    raise ValueError(f"{self.name}.{one.name} is {value}, which is no {one.type}")
                numbers.append(value)
        rest = b""
        if self.open_ended:
            last = values[self.fields[-1].name]
            rest = last.encode() if isinstance(last, str) else bytes(last)
        return struct.pack(self._format, *numbers) + rest

    def unpack(self, payload: bytes) -> dict[str, Any]:
        """The fields by name. A payload that is longer than the fields is from a newer version: the rest is left out.

        Raises ValueError when it is too short.
        """
        if len(payload) < self.least:
            raise ValueError(f"{self.name} has {len(payload)} bytes, at least {self.least} are needed")
        numbers = iter(struct.unpack_from(self._format, payload))
        found: dict[str, Any] = {one.name: next(numbers) for one in self.fields if one.type in _FORMATS}
        if self.open_ended:
            rest = payload[self.least :]
            last = self.fields[-1]
            found[last.name] = rest.decode("utf-8", "replace") if last.type == "text" else rest
        return found


MESSAGES = (
    Kind(
        "HELLO",
        0x01,
        "both",
        False,
        (
            Field("version_min", "u8"),
            Field("version_max", "u8"),
            Field("role", "u8", "0 host, 1 board"),
            Field("nonce", "u32", "the sender's session: another one after every start"),
            Field("peer_nonce", "u32", "the receiver's, as far as it is known; else 0"),
            Field("max_payload", "u16", "bytes the sender can take"),
            Field("name", "text", "for people; at most 24 bytes, of a host 17"),
        ),
    ),
    Kind("ACK", 0x02, "both", False, (Field("status", "u8", "0 taken, 1 stale, 2 unknown type, 3 refused"),)),
    Kind("PING", 0x03, "both", False, (Field("time", "u32", "ms of the sender, echoed"),)),
    Kind("PONG", 0x04, "both", False, (Field("time", "u32"),)),
    Kind(
        "TRIGGER",
        0x10,
        "board",
        True,
        (
            Field("id", "u32", "counts the board's triggers of this session from 1"),
            Field("source", "u8", "which sensor, as the sketch numbers them"),
            Field("time", "u32", "ms of the board"),
        ),
    ),
    Kind(
        "RESULT",
        0x11,
        "host",
        True,
        (
            Field("nonce", "u32", "the board's session the trigger is of"),
            Field("id", "u32", "the trigger that is answered"),
            Field("concept", "u8", "index in the table of CONCEPTS; 255 none"),
            Field("score", "u16", "0 to 65535 for 0 to 1"),
            Field("known", "u16", "0 to 65535 for 0 to 1"),
            Field("flags", "u8", "bit 0 known, bit 1 nobody could look"),
        ),
    ),
    Kind(
        "CONCEPTS",
        0x12,
        "host",
        True,
        (
            Field("version", "u16", "of the table; another one when any name changes"),
            Field("count", "u8", "names in the table"),
            Field("index", "u8", "of this name"),
            Field("name", "text"),
        ),
    ),
    Kind("CONFIG", 0x13, "host", True, (Field("key", "u8", "as the sketch numbers them"), Field("value", "u32"))),
    Kind(
        "LOG",
        0x14,
        "board",
        False,
        (Field("level", "u8", "10 debug, 20 info, 30 warning, 40 error"), Field("text", "text")),
    ),
    Kind(
        "ERROR",
        0x15,
        "both",
        False,
        (
            Field("code", "u8", "1 version, 2 unknown type, 3 too large, 4 malformed"),
            Field("detail", "u16", "1: the highest version spoken; 2, 4: the type; 3: KiB that a picture may have"),
        ),
    ),
    Kind(
        "IMAGE_BEGIN",
        0x20,
        "board",
        True,
        (
            Field("image", "u16", "counts the board's pictures"),
            Field("size", "u32", "bytes"),
            Field("crc", "u32", "CRC-32 of all of them"),
        ),
    ),
    Kind("IMAGE_CHUNK", 0x21, "board", True, (Field("image", "u16"), Field("offset", "u32"), Field("data", "bytes"))),
    Kind("IMAGE_END", 0x22, "board", True, (Field("image", "u16"),)),
    Kind(
        "IMAGE_RESUME",
        0x23,
        "host",
        True,
        (Field("image", "u16"), Field("offset", "u32", "go on here; 0: begin again")),
    ),
)
"""Every kind of message."""

BY_NAME: Mapping[str, Kind] = {one.name: one for one in MESSAGES}
BY_NUMBER: Mapping[int, Kind] = {one.number: one for one in MESSAGES}

TAKEN, STALE, UNKNOWN_TYPE, REFUSED = range(4)
"""Statuses of ACK. REFUSED: a reliable message that its receiver cannot read."""

ERRORS: Mapping[str, int] = {"version": 1, "unknown type": 2, "too large": 3, "malformed": 4}
NO_CONCEPT = 0xFF
IS_KNOWN = 1
FAILED = 2

"""Frames: COBS (Cheshire and Baker 1999) around a header, a payload and a CRC-32, ended by a zero byte.

The header is type (1), flags (1), sequence (2, little endian) and link (4): the two sessions' nonces, exclusive or. The
CRC-32 (IEEE 802.3, as zlib's) covers header and payload, and is checked before anything is believed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from cobs import cobs

from firmware_bridge.messages import LARGEST_PAYLOAD

_HEADER = struct.Struct("<BBHI")
_CRC = struct.Struct("<I")
OVERHEAD = _HEADER.size + _CRC.size
RELIABLE = 1
"""Flag: to be acknowledged."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it is meant. ``sequence``: its number when reliable; the acknowledged one in an ACK; else 0."""

    type: int
    flags: int
    sequence: int
    link: int
    payload: bytes = b""

    @property
    def reliable(self) -> bool:
        return bool(self.flags & RELIABLE)


def encode(frame: Frame) -> bytes:
    """The bytes on the line, from a zero to a zero: what came before, cut off half way, spoils nothing."""
    body = _HEADER.pack(frame.type, frame.flags, frame.sequence, frame.link) + frame.payload
    return b"\0" + bytes(cobs.encode(body + _CRC.pack(zlib.crc32(body)))) + b"\0"


class Decoder:
    """Bytes in, frames out; garbage is counted. Holds at most one frame, of ``limit`` payload bytes."""

    def __init__(self, limit: int = LARGEST_PAYLOAD) -> None:
        self.limit = limit
        self._begun = bytearray()
        self._skipping = False
        self.damaged = 0
        """Pieces between zeros that were no frame."""
        self.oversized = 0
        """Pieces that were longer than any frame may be."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Frames that are complete now."""
        *pieces, rest = data.split(b"\0")
        for piece in pieces:
            self._take(piece)
            if self._begun and not self._skipping:
                frame = self._decoded(bytes(self._begun))
                if frame is not None:
                    yield frame
            self._begun.clear()
            self._skipping = False
        self._take(rest)

    def _take(self, piece: bytes) -> None:
        if self._skipping:
            return
        self._begun += piece
        size = self.limit + OVERHEAD
        if len(self._begun) > size + size // 254 + 1:
            self.oversized += 1
            self._skipping = True
            self._begun.clear()

    def _decoded(self, piece: bytes) -> Frame | None:
        try:
            body = cobs.decode(piece)
        except cobs.DecodeError:
            body = b""
        if len(body) < OVERHEAD or len(body) > self.limit + OVERHEAD:
            self.damaged += 1
            return None
        body, crc = body[: -_CRC.size], body[-_CRC.size :]
        if zlib.crc32(body) != _CRC.unpack(crc)[0]:
            self.damaged += 1
            return None
        type, flags, sequence, link = _HEADER.unpack_from(body)
        return Frame(type, flags, sequence, link, body[_HEADER.size :])

"""Segments: a device's records, sealed and signed, readable with ``zcat``.

A gzip file of JSON lines: a head ({format, device, number, previous, records}), the records, and a foot ({signature}),
ed25519 over the sha256 of all lines before it. ``previous`` is the sha256 of the segment before, so that a device has
one history. Everything is bounded before it is unpacked or believed. ``docs/sync-format.md`` has it field by field.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.errors import BadSegment, InvalidArgument
from edge.store.given import MOST_BY, MOST_METADATA, MOST_SOURCE
from edge.store.names import MOST_CONCEPTS, check_name
from edge.store.stamps import LARGEST
from edge.sync.device import ID, Identity, check, id_of

FORMAT = 1
MAX_PACKED = 1 << 20
MAX_PLAIN = 16 << 20
MAX_LINE = 256 << 10
FULL = 512 << 10
"""Plain bytes at which a segment is sealed: packed, that is some 60 kB, which a bad link carries in one piece."""
_AGAIN = "it was left out, ask that device to send it again"


@dataclass(frozen=True, slots=True)
class Head:
    """Which segment it is: the ``number``-th of a device, from 1, after that with digest ``previous`` ("": none)."""

    device: str
    number: int
    previous: str
    records: int


def seal(identity: Identity, number: int, previous: str, records: Iterable[Mapping[str, Any]]) -> bytes:
    """A segment's bytes; always the same for the same records."""
    lines = [_line(one) for one in records]
    head = {"format": FORMAT, "device": identity.id, "number": number, "previous": previous, "records": len(lines)}
    body = b"".join([_line(head), *lines])
    signature = identity.sign(hashlib.sha256(body).digest())
    foot = _line({"signature": base64.b64encode(signature).decode()})
    return gzip.compress(body + foot, compresslevel=6, mtime=0)


def digest(segment: bytes) -> str:
    """What the next segment names as ``previous``."""
    return hashlib.sha256(segment).hexdigest()


def unseal(segment: bytes, public: bytes) -> tuple[Head, list[dict[str, Any]]]:
    """The head and the records, signed by that key and every field checked. Raises BadSegment."""
    lines = _unpacked(segment)
    if len(lines) < 2:
        raise BadSegment(f"a segment has no records; {_AGAIN}")
    foot = _object(lines[-1])
    try:
        signature = base64.b64decode(str(foot.get("signature")), validate=True)
    except ValueError as error:
        raise BadSegment(f"a segment is not signed; {_AGAIN}") from error
    check(public, signature, hashlib.sha256(b"".join(line + b"\n" for line in lines[:-1])).digest(), "a segment")
    head = _head(_object(lines[0]))
    if head.device != id_of(public) or head.records != len(lines) - 2:
        raise BadSegment(f"a segment is not what its head says; {_AGAIN}")
    return head, [_record(_object(line), head.device) for line in lines[1:-1]]


def _unpacked(segment: bytes) -> list[bytes]:
    if len(segment) > MAX_PACKED:
        raise BadSegment(f"a segment is larger than {MAX_PACKED >> 10} KiB; {_AGAIN}")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(segment, MAX_PLAIN + 1)
    except zlib.error as error:
        raise BadSegment(f"a segment is damaged ({error}); {_AGAIN}") from error
    if len(plain) > MAX_PLAIN or unpacker.unconsumed_tail or not unpacker.eof or unpacker.unused_data:
        raise BadSegment(f"a segment is cut off, or unpacks to more than {MAX_PLAIN >> 20} MiB; {_AGAIN}")
    if not plain.endswith(b"\n"):
        raise BadSegment(f"a segment is cut off; {_AGAIN}")
    return plain[:-1].split(b"\n")


def _line(table: Mapping[str, Any]) -> bytes:
    return json.dumps(table, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise BadSegment(f"a record is longer than {MAX_LINE >> 10} KiB; {_AGAIN}")
    try:
        table = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadSegment(f"a record cannot be read ({error}); {_AGAIN}") from error
    if not isinstance(table, dict):
        raise BadSegment(f"a record is no table; {_AGAIN}")
    return table


def _head(table: Mapping[str, Any]) -> Head:
    if isinstance(table.get("format"), int) and table["format"] > FORMAT:
        raise BadSegment("a segment was written by a newer release; update with: pip install -U edge-concepts")
    number, records, previous = table.get("number"), table.get("records"), table.get("previous")
    good = type(number) is int and 0 < number < 2**53 and type(records) is int and isinstance(previous, str)
    if not good or not isinstance(table.get("device"), str) or not (previous == "" or _hex(previous, 64)):
        raise BadSegment(f"a segment's head is damaged; {_AGAIN}")
    return Head(table["device"], number, previous, records)  # type: ignore[arg-type]


# --- records ---------------------------------------------------------------------------------------------------------


def _hex(value: Any, digits: int) -> bool:
    return isinstance(value, str) and len(value) == digits and all(one in "0123456789abcdef" for one in value)


def _text(limit: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and len(value) <= limit


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _named(what: str) -> Callable[[Any], bool]:
    def check_it(value: Any) -> bool:
        try:
            check_name(value, what)
        except (InvalidArgument, TypeError, AttributeError):
            return False
        return isinstance(value, str)

    return check_it


def _time(value: Any) -> bool:
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return False
    return len(value) == 32 and moment.utcoffset() is not None and value.endswith("+00:00")


def _metadata(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) <= MOST_METADATA and isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


def _concepts(value: Any) -> bool:
    named = _named("concept")
    good = isinstance(value, list) and len(value) <= MOST_CONCEPTS
    return good and all(map(named, value)) and len(set(value)) == len(value)


_STAMP = _whole(1, LARGEST)
_SIDE, _SHA = _whole(1, 1 << 27), lambda value: _hex(value, 64)
_MEDIA = ("image/jpeg", "image/png", "image/webp", "image/bmp", "image/tiff", "image/gif")
_EVERY = {"stamp": _STAMP, "device": lambda value: isinstance(value, str) and ID.match(value) is not None}
_ABOUT = {"input": _named("input"), "of": _SHA}
KINDS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "input": {
        "id": _named("input"),
        "sha256": _SHA,
        "media_type": lambda value: value in _MEDIA,
        "size": _whole(1, 1 << 32),
        "width": _SIDE,
        "height": _SIDE,
        "source": _text(MOST_SOURCE),
        "added_at": _time,
        "metadata": _metadata,
    },
    "said": {
        **_ABOUT,
        "concept": _named("concept"),
        "value": _whole(-1, 1),
        "by": _text(MOST_BY),
        "at": _time,
        "over": _whole(0, LARGEST),
    },
    "removed": {**_ABOUT, "at": lambda value: value is None or _time(value)},
    "let go": _ABOUT,
    "metadata": {**_ABOUT, "metadata": _metadata},
    "concept": {"concept": _named("concept"), "at": _time},
    "name": {"concept": _named("concept"), "name": _named("concept"), "at": _time},
    "model": {
        "name": _named("model"),
        "concepts": _concepts,
        "exclusive": lambda value: isinstance(value, bool),
        "closed": lambda value: isinstance(value, bool),
        "gone": lambda value: isinstance(value, bool),
        "at": _time,
    },
}
"""Kinds of records and their fields, each with its check."""


def _record(table: dict[str, Any], device: str) -> dict[str, Any]:
    """A record, every field of it what it has to be. Only an input's facts may be another device's."""
    kind = table.get("kind")
    fields = KINDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise BadSegment(
            f"a record is of an unknown kind {str(kind)[:40]!r}; update with: pip install -U edge-concepts"
        )
    wanted = {**_EVERY, **fields}
    if table.keys() - {"kind"} != wanted.keys():
        raise BadSegment(f"a record of kind {kind} has other fields than it should; {_AGAIN}")
    for name, good in wanted.items():
        if not good(table[name]):
            raise BadSegment(f"a record of kind {kind} has a {name} that cannot be; {_AGAIN}")
    if kind != "input" and table["device"] != device:
        raise BadSegment(f"a device speaks for another; {_AGAIN}")
    return table


def in_segments(records: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Records in groups that make segments of a good size."""
    group: list[Mapping[str, Any]] = []
    size = 0
    for one in records:
        group.append(one)
        size += len(_line(one))
        if size >= FULL:
            yield group
            group, size = [], 0
    if group:
        yield group

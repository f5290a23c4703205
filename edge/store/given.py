"""What callers give the store, refused before any byte is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edge.errors import InvalidArgument
from edge.store.names import check_name


@dataclass(frozen=True, slots=True)
class NewInput:
    """An image to be stored, already decoded once: ``embedding`` is d int8 bytes under ``backbone_sha256``.

    ``said``: by whom and when, of annotations that were made elsewhere. Such a word changes nothing where the store
    has one that is as new or newer, and a time that is still to come is now.
    """

    data: bytes
    media_type: str
    width: int
    height: int
    source: str
    embedding: bytes
    backbone_sha256: str
    annotations: Mapping[str, int] = field(default_factory=dict)
    id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    said: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)


MOST_METADATA, MOST_SOURCE, MOST_BY = 65_536, 4096, 256
"""Characters of each: other devices take no more, and what they do not take could never be synchronised."""


def checked(one: NewInput) -> str:
    """Refuse what a row would refuse before any byte is written; returns the metadata as text."""
    if one.id is not None:
        check_name(one.id, "input")
    for name, value in one.annotations.items():
        check_name(name, "concept")
        check_value(value)
    for who, _ in one.said.values():
        check_by(who)
    check_text(one.source, MOST_SOURCE, "the source of an input")
    return json_of(one.metadata, one.source)


def check_by(by: str) -> None:
    """Raises InvalidArgument for what cannot be who says something."""
    check_text(by, MOST_BY, "the name of who annotates")


def check_text(text: str, most: int, what: str) -> None:
    """Raises InvalidArgument for what is too long, or what no encoding of text holds."""
    if len(text) > most:
        raise InvalidArgument(f"{what} has more than {most} characters; give a shorter one")
    if not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text):
        raise InvalidArgument(f"{what} has bytes that are no text ({text[:80]!a}); give it another name")


def json_of(metadata: Mapping[str, Any], what: str) -> str:
    """Metadata as text. Raises InvalidArgument (no JSON, more than 64 KiB of it)."""
    try:
        text = json.dumps(dict(metadata), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"the metadata of {what} is no JSON ({error}); give texts and numbers") from error
    if len(text) > MOST_METADATA:
        raise InvalidArgument(
            f"the metadata of {what} is longer than {MOST_METADATA >> 10} KiB; keep only what names the picture there"
        )
    return text


def check_value(value: int | None) -> None:
    if value not in (0, 1, None):
        raise InvalidArgument(f"an annotation is 1 (shown), 0 (not shown) or cleared, not {value!r}")

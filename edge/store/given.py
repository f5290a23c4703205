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


def checked(one: NewInput) -> str:
    """Refuse what a row would refuse before any byte is written; returns the metadata as text."""
    if one.id is not None:
        check_name(one.id, "input")
    for name, value in one.annotations.items():
        check_name(name, "concept")
        check_value(value)
    return json_of(one.metadata, one.source)


def json_of(metadata: Mapping[str, Any], what: str) -> str:
    try:
        return json.dumps(dict(metadata), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"the metadata of {what} is no JSON ({error}); give texts and numbers") from error


def check_value(value: int | None) -> None:
    if value not in (0, 1, None):
        raise InvalidArgument(f"an annotation is 1 (shown), 0 (not shown) or cleared, not {value!r}")

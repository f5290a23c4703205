"""What a fused file says about itself for us: enough to install its head again, exactly as it was trained.

Two metadata entries: ``EDGE_CONCEPTS``, one JSON document, and ``EDGE_HEAD``, the head's bytes. Other readers of the
file skip both.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from edge.errors import BadBackbone, BadHead
from edge.export.graph import DAMAGE, open_model
from edge.types import BackboneCard

CONCEPTS = "EDGE_CONCEPTS"
HEAD = "EDGE_HEAD"
FORMAT = 1
_MAX_JSON = 16 << 20
_AGAIN = "export it again, or copy it again"


@dataclass(frozen=True, slots=True)
class Record:
    """A trained version on its way. ``card``: the backbone's facts needed to prepare a picture, as a card's tables.

    ``evaluation``: the version's evaluation as plain JSON values, unchecked. ``head``: ``TrainedHead.to_bytes``.
    """

    model: str
    version: str
    concepts: tuple[str, ...]
    mutually_exclusive: bool
    closed_environment: bool
    full_integer: bool
    counts: Mapping[str, tuple[int, int]]
    trained_at: datetime
    card: Mapping[str, Any]
    evaluation: Mapping[str, Any] | None
    head: bytes

    def to_json(self) -> bytes:
        """The ``EDGE_CONCEPTS`` document; the head is in it as its sha256."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "head"}
        document = {
            "format": FORMAT,
            **fields,
            "trained_at": self.trained_at.isoformat(),
            "head_sha256": hashlib.sha256(self.head).hexdigest(),
        }
        return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


def card_tables(card: BackboneCard) -> dict[str, Any]:
    """The part of a card that a fused file carries; ``edge.backbone.card.parse_card`` reads it back."""
    names = ("name", "sha256", "source", "licence", "preprocessing", "input")
    tables = asdict(card)
    return {**{name: tables[name] for name in names}, "embedding": list(tables["embedding"]["parts"])}


def metadata_of(data: bytes) -> dict[str, bytes]:
    """Every metadata entry of a TFLite file. Raises BadBackbone for anything that is no such file."""
    model = open_model(data)
    found = {}
    try:
        for i in range(model.MetadataLength()):
            entry = model.Metadata(i)
            buffer = model.Buffers(entry.Buffer())
            found[entry.Name().decode()] = buffer.DataAsNumpy().tobytes() if buffer.DataLength() else b""
    except DAMAGE as error:
        raise BadBackbone(f"the file is damaged ({error}); copy it again") from error
    return found


def read_record(data: bytes) -> Record:
    """The record in a fused file. Raises BadBackbone (no TFLite file), BadHead (none inside, damaged, too new)."""
    entries = metadata_of(data)
    if CONCEPTS not in entries or HEAD not in entries:
        raise BadHead("the file has no concepts inside; give one that `edge export` or `trainer head` wrote")
    return record_from(entries[CONCEPTS], entries[HEAD])


def record_from(document: bytes, head: bytes) -> Record:
    """The record that ``Record.to_json`` wrote, with the head it speaks of. Raises BadHead."""
    if len(document) > _MAX_JSON:
        raise BadHead(f"what the file says about its concepts is too long; {_AGAIN}")
    try:
        table = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise BadHead(f"what the file says about its concepts cannot be read; {_AGAIN}") from error
    record = _Checked(table).record(head)
    if hashlib.sha256(record.head).hexdigest() != table.get("head_sha256"):
        raise BadHead(f"the head in the file is damaged; {_AGAIN}")
    return record


class _Checked:
    """Typed access to the document; every complaint is a BadHead."""

    def __init__(self, table: Any) -> None:
        if not isinstance(table, dict):
            raise BadHead(f"what the file says about its concepts is no table; {_AGAIN}")
        if isinstance(table.get("format"), int) and table["format"] > FORMAT:
            raise BadHead("the file was written by a newer release; update with: pip install -U edge-concepts")
        self._table = table

    def record(self, head: bytes) -> Record:
        concepts = self._get("concepts", list)
        if not concepts or not all(isinstance(one, str) for one in concepts) or len(set(concepts)) < len(concepts):
            raise BadHead(f"the file's concepts are no list of different names; {_AGAIN}")
        evaluation = self._table.get("evaluation")
        return Record(
            model=self._get("model", str),
            version=self._get("version", str),
            concepts=tuple(concepts),
            mutually_exclusive=self._get("mutually_exclusive", bool),
            closed_environment=self._get("closed_environment", bool),
            full_integer=self._get("full_integer", bool),
            counts=self._counts(concepts),
            trained_at=self._moment(),
            card=self._get("card", dict),
            evaluation=None if evaluation is None else self._get("evaluation", dict),
            head=head,
        )

    def _get(self, key: str, kind: type) -> Any:
        value = self._table.get(key)
        if not isinstance(value, kind):
            raise BadHead(f"the file's {key} is missing or no {kind.__name__}; {_AGAIN}")
        return value

    def _counts(self, concepts: list[str]) -> dict[str, tuple[int, int]]:
        counts = {}
        for name, pair in self._get("counts", dict).items():
            whole = isinstance(pair, list) and len(pair) == 2 and all(type(n) is int and 0 <= n < 2**53 for n in pair)
            if name not in concepts or not whole:
                raise BadHead(f"the file's counts are not two numbers per concept; {_AGAIN}")
            counts[name] = (pair[0], pair[1])
        return counts

    def _moment(self) -> datetime:
        try:
            moment = datetime.fromisoformat(self._get("trained_at", str))
            return moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            if isinstance(error, BadHead):
                raise
            raise BadHead(f"the file's trained_at is no time; {_AGAIN}") from error


def is_share(value: Any) -> bool:
    """A finite number in [0, 1]."""
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1

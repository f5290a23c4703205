"""Rows of inputs, models and versions as records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.store.database import Row
from edge.store.failures import parsed
from edge.types import (
    Annotation,
    ConceptEvaluation,
    Confusion,
    Evaluation,
    Input,
    ModelInfo,
    VersionInfo,
    VersionStatus,
)


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version that was trained elsewhere. ``counts``: concept id -> (shown, not shown); ``head``: its bytes."""

    model: str
    concepts: Sequence[str]
    mutually_exclusive: bool
    closed_environment: bool
    backbone: str
    backbone_sha256: str
    counts: Mapping[str, tuple[int, int]]
    trained_at: datetime
    evaluation: Evaluation | None
    head: bytes


INPUT = "number, id, sha256, media_type, size, width, height, source, added_at, metadata"
MODELS = "SELECT name, concepts, exclusive, closed, created_at, pinned FROM models "
VERSIONS = (
    "SELECT m.name, v.number, v.status, v.reason, v.backbone, v.backbone_sha256, v.counts, v.created_at, v.trained_at, "
    "v.evaluation FROM versions v JOIN models m ON m.number = v.model "
)


def input_of(row: Row, annotations: tuple[Annotation, ...]) -> Input:
    """A row of ``INPUT``. Raises StoreCorrupt when it cannot be read."""
    with parsed(f"input {row[1]}"):
        return Input(
            id=row[1],
            sha256=row[2],
            media_type=row[3],
            size=row[4],
            width=row[5],
            height=row[6],
            source=row[7],
            added_at=datetime.fromisoformat(row[8]),
            metadata=json.loads(row[9]),
            annotations=annotations,
        )


def model_of(row: Row) -> ModelInfo:
    """A row of ``MODELS``. Raises StoreCorrupt when it cannot be read."""
    name, concepts, exclusive, closed, at, pinned = row
    with parsed(f"model {name!r}"):
        created = datetime.fromisoformat(at)
        return ModelInfo(name, name, tuple(json.loads(concepts)), bool(exclusive), bool(closed), created, pinned)


def version_of(row: Row) -> VersionInfo:
    """A row of ``VERSIONS``. Raises StoreCorrupt when it cannot be read."""
    with parsed(f"version {row[1]} of model {row[0]!r}"):
        return VersionInfo(
            id=f"v{row[1]}",
            model=row[0],
            number=row[1],
            status=VersionStatus(row[2]),
            reason=row[3],
            backbone=row[4],
            backbone_sha256=row[5],
            counts={concept: (pair[0], pair[1]) for concept, pair in json.loads(row[6]).items()},
            created_at=datetime.fromisoformat(row[7]),
            trained_at=None if row[8] is None else datetime.fromisoformat(row[8]),
            evaluation=None if row[9] is None else evaluation_from(json.loads(row[9])),
        )


def evaluation_from(table: Mapping[str, Any]) -> Evaluation:
    """The record in a row's JSON."""
    confusion = table.get("confusion")
    interval = table.get("accuracy_interval")
    return Evaluation(
        **{
            **table,
            "accuracy_interval": None if interval is None else (interval[0], interval[1]),
            "concepts": tuple(ConceptEvaluation(**one) for one in table["concepts"]),
            "confusion": None
            if confusion is None
            else Confusion(tuple(confusion["labels"]), tuple(tuple(row) for row in confusion["rows"])),
            "notes": tuple(table["notes"]),
        }
    )

"""Stored inputs by what they were said to show, and by how alike they are to given pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.head.transform import FastTransform
from edge.image import prepare
from edge.types import UNKNOWN, Input

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.engine.engine import Engine

_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Hits:
    """``inputs`` with their score in [0, 1] (1 where nothing ranks them), of ``total`` that fit."""

    inputs: tuple[tuple[Input, float], ...]
    total: int


def search(
    engine: Engine,
    *,
    said: Mapping[str, int] | None = None,
    not_said: Mapping[str, int] | None = None,
    like: Sequence[bytes | Input] = (),
    min_value: float = 0.0,
    limit: int = 20,
    offset: int = 0,
) -> Hits:
    """Inputs annotated as in ``said`` (concept -> 1 or 0) and not as in ``not_said``, most like the pictures first.

    ``like``: encoded bytes or stored inputs; the score is the mean cosine of the embeddings, cut at 0. Without them the
    order is that in which inputs came. The cost grows with the store: one pass over its embeddings. Raises BadImage,
    BackboneChanged, NotFound (no such concept).
    """
    store = engine.store
    wanted = {store.inputs.concept_id(name): value for name, value in (said or {}).items()}
    unwanted = {store.inputs.concept_id(name): value for name, value in (not_said or {}).items()}
    looks = _looks(engine, like)
    with store.reading():
        numbers = _fitting(engine, wanted, unwanted)
        if looks is None:
            chosen = [(number, 1.0) for number in numbers]
        else:
            scores = _scores(engine, numbers, looks)
            order = np.argsort(-scores, kind="stable").tolist()
            chosen = [(numbers[row], float(scores[row])) for row in order if scores[row] >= min_value]
        page = chosen[offset : offset + limit]
        records = store.inputs.by_number([number for number, _ in page])
    return Hits(tuple((records[number], score) for number, score in page), len(chosen))


def _fitting(engine: Engine, wanted: Mapping[str, int], unwanted: Mapping[str, int]) -> list[int]:
    every = engine.store.inputs.numbers()
    concepts = list(dict.fromkeys((*wanted, *unwanted)))
    if not concepts:
        return every
    numbers, _, labels = engine.store.inputs.labels(concepts)
    said = dict(zip(numbers, labels.tolist(), strict=True))
    silent = [UNKNOWN] * len(concepts)
    found = []
    for number in every:
        row = dict(zip(concepts, said.get(number, silent), strict=True))
        fits = all(row[one] == value for one, value in wanted.items())
        if fits and not any(row[one] == value for one, value in unwanted.items()):
            found.append(number)
    return found


def _looks(engine: Engine, like: Sequence[bytes | Input]) -> NDArray[np.float32] | None:
    """(d,) the mean of the pictures' unit vectors, None without pictures."""
    if not like:
        return None
    card = engine.card
    stored = [one.id for one in like if isinstance(one, Input)]
    rows = []
    if stored:
        numbers = engine.store.inputs.numbers_of(stored)
        rows.append(engine.store.inputs.embeddings(numbers, backbone_sha256=card.sha256, size=card.embedding.size))
    for one in like:
        if not isinstance(one, Input):
            rows.append(engine.backbone.embed(prepare(one, card.preprocessing))[np.newaxis])
    return np.asarray(FastTransform(card.embedding)(np.concatenate(rows)).mean(axis=0), dtype=np.float32)


def _scores(engine: Engine, numbers: Sequence[int], looks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) in [0, 1]."""
    card, unit = engine.card, FastTransform(engine.card.embedding)
    scores = np.empty(len(numbers), dtype=np.float32)
    for start in range(0, len(numbers), _CHUNK):
        part = numbers[start : start + _CHUNK]
        rows = engine.store.inputs.embeddings(part, backbone_sha256=card.sha256, size=card.embedding.size)
        scores[start : start + len(part)] = unit(rows) @ looks
    return np.asarray(np.clip(scores, 0.0, 1.0))

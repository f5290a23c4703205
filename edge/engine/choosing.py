"""Which unlabelled inputs to label next, for a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.head.choosing import choose, uncertainty
from edge.head.trained import TrainedHead
from edge.head.training import SAMPLE, evaluation_sample
from edge.head.transform import FastTransform
from edge.types import ConceptScore, Input

if TYPE_CHECKING:
    from edge.engine.engine import Engine

LIMIT = 20
_SURE = 0.2  # below this uncertainty a picture is asked for because of where it lies, not of what the head makes of it


@dataclass(frozen=True, slots=True)
class Uncertain:
    """An input to label, and why: ``reason`` in words.

    ``uncertainty`` and ``known`` in [0, 1]; ``concepts`` as a prediction has them, the two highest; ``alike``: how many
    other unlabelled inputs look like it.
    """

    input: Input
    uncertainty: float
    known: float
    is_known: bool
    concepts: tuple[ConceptScore, ...]
    alike: int
    reason: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """``inputs`` to label, the most instructive first, chosen from ``considered`` of all ``unlabelled`` ones."""

    model: str
    version: str
    inputs: tuple[Uncertain, ...]
    unlabelled: int
    considered: int


def uncertain(engine: Engine, model: str, *, limit: int = LIMIT, offset: int = 0) -> Wanted:
    """Inputs of which nothing is said about any of the model's concepts, ordered by what labelling them would teach.

    Of more than 2 000 such inputs a fixed sample of 2 000 is considered; the cost does not grow beyond that. Raises
    NotFound, NotTrained, BackboneChanged.
    """
    info, head = engine.model(model).head()
    store, card = engine.store, engine.card
    with store.reading():
        numbers, total = store.inputs.unlabelled(head.concepts, SAMPLE)
        taught, ids, labels = store.inputs.sample(head.concepts, SAMPLE)
        taught = [taught[row] for row in evaluation_sample(ids, labels)]
        rows, seen = (
            store.inputs.embeddings(some, backbone_sha256=card.sha256, size=card.embedding.size)
            for some in (numbers, taught)
        )
        values, known = head.predict(rows)
        unsure = uncertainty(values, mutually_exclusive=head.mutually_exclusive)
        unit = FastTransform(card.embedding)
        chosen = choose(unit(rows), unit(seen), unsure, offset + limit)
        picked, alike = chosen.rows[offset:].tolist(), chosen.alike[offset:].tolist()
        records = store.inputs.by_number([numbers[row] for row in picked])
        renamed = store.inputs.renamed()
    names = [renamed.get(one, one) for one in head.concepts]
    inputs = tuple(
        _wanted(head, names, records[numbers[row]], values[row], float(unsure[row]), float(known[row]), near)
        for row, near in zip(picked, alike, strict=True)
    )
    return Wanted(info.model, info.id, inputs, total, len(numbers))


def _wanted(
    head: TrainedHead,
    names: list[str],
    one: Input,
    values: NDArray[np.float64],
    unsure: float,
    known: float,
    alike: int,
) -> Uncertain:
    order = np.argsort(-values, kind="stable")[:2].tolist()
    scores = tuple(ConceptScore(head.concepts[k], float(values[k]), names[k]) for k in order)
    is_known = known > head.threshold
    reason = _reason(head, names, scores, values, unsure, is_known)
    if alike:
        reason += f"; {alike} more like it"
    return Uncertain(one, unsure, known, is_known, scores, alike, reason)


def _reason(
    head: TrainedHead,
    names: list[str],
    scores: tuple[ConceptScore, ...],
    values: NDArray[np.float64],
    unsure: float,
    is_known: bool,
) -> str:
    if not is_known:
        return "resembles nothing taught"
    if unsure < _SURE:
        return f"{_said(scores[0])} already, of a kind not labelled yet"
    if head.mutually_exclusive:
        return f"{_said(scores[0])} or {_said(scores[1])}"
    even = int(np.abs(2 * values - 1).argmin())
    return f"{names[even]} or not, {100 * values[even]:.0f} %"


def _said(score: ConceptScore) -> str:
    return f"{score.name} {100 * score.value:.0f} %"

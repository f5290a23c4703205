"""Training that also learns from unlabelled pictures, where that helps; for concepts that exclude each other.

Expectation-maximisation in its classifying form (Nigam et al., Machine Learning 2000; Celeux & Govaert 1992): pictures
of which the head is sure, and which it knows, join its statistics as if they showed what it says, and it is fitted
again. Taking only the sure ones did better than soft responsibilities, whatever their weight.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.head.background import Background
from edge.head.pooled import Constants
from edge.head.statistics import Statistics
from edge.head.trained import TrainedHead
from edge.head.training import Rows, Training, train
from edge.types import SHOWN, UNKNOWN

SURE = 0.8
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Helped:
    """``training``: the one to use, with a note of what was done; ``alone``: without unlabelled pictures, ``together``:
    with them, its leave-one-out approximate; ``used`` which of the two it is; ``took_part`` of them were sure enough.
    ``gain`` and ``error``: by how much the log loss of the labelled pictures fell, mean and standard error."""

    training: Training
    alone: Training
    together: Training
    used: bool
    took_part: int
    gain: float
    error: float


def train_with(
    statistics: Statistics,
    background: Background | None,
    rows: Rows,
    unlabelled: NDArray[np.int8],
    constants: Constants | None = None,
    sure: float = SURE,
    alone: Training | None = None,
) -> Helped:
    """``train``, with (m, d) int8 embeddings of unlabelled pictures if leave-one-out improves by a standard error.

    ``sure``: the value from which on the head is taken at its word; ``alone``: the training without them, where
    somebody has it already. ``statistics`` stays as it is: the unlabelled pictures join a copy. Costs four trainings.
    Raises CannotTrain, and ValueError for concepts that do not exclude each other.
    """
    if not statistics.mutually_exclusive:
        raise ValueError("unlabelled pictures help only where concepts exclude each other")
    alone = together = alone or train(statistics, background, rows, constants)
    took_part = 0
    for _ in range(_ROUNDS if len(unlabelled) else 0):
        labels = sure_labels(together.head, unlabelled, sure)
        took_part = int((labels == SHOWN).any(axis=1).sum())
        if not took_part:
            together = alone
            break
        joined = copy.deepcopy(statistics)
        joined.update(unlabelled, None, labels)
        together = train(joined, background, rows, constants)
    gain, error = _gain(statistics, rows, alone, together)
    used = took_part > 0 and gain > error
    return Helped(
        replace(together if used else alone, notes=(*alone.notes, _note(used, took_part, len(unlabelled)))),
        alone,
        together,
        used,
        took_part if used else 0,
        gain,
        error,
    )


def sure_labels(head: TrainedHead, embeddings: NDArray[np.int8], sure: float = SURE) -> NDArray[np.int8]:
    """(m, d) -> (m, K) labels that know the highest concept of the rows it is sure of, and nothing of the others."""
    values, known = head.predict(embeddings)
    best = values.argmax(axis=1)
    taken = (values.max(axis=1) >= sure) & (known > head.threshold)
    labels = np.full(values.shape, UNKNOWN, dtype=np.int8)
    labels[taken, best[taken]] = SHOWN
    return labels


def _gain(statistics: Statistics, rows: Rows, alone: Training, together: Training) -> tuple[float, float]:
    """Mean fall of the log loss, paired by picture, and its standard error; over what both can evaluate."""
    concepts = len(statistics.concepts)
    groups = statistics.groups(rows.labels)
    both = groups[:, :concepts].any(axis=1) & alone.evaluable.any(axis=1) & together.evaluable.any(axis=1)
    right = groups[both].argmax(axis=1)
    if len(right) < 2:
        return 0.0, 0.0
    each = np.arange(len(right))
    before, after = (np.log(np.maximum(one.values[both][each, right], 1e-12)) for one in (alone, together))
    apart = after - before
    return float(apart.mean()), float(apart.std(ddof=1)) / float(np.sqrt(len(apart)))


def _note(used: bool, took_part: int, count: int) -> str:
    if used:
        return (
            f"{took_part} of {count} unlabelled pictures took part; what leave-one-out says is approximate, because "
            "they were told apart with all the labelled ones"
        )
    if not count:
        return "there are no unlabelled pictures to learn from"
    return f"{count} unlabelled pictures took no part: they do not measurably help this model"

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

from edge.errors import CannotTrain
from edge.head.background import Background
from edge.head.pooled import Constants
from edge.head.statistics import Statistics
from edge.head.trained import TrainedHead
from edge.head.training import Rows, Training, by_hash, train
from edge.types import SHOWN, UNKNOWN

Array = NDArray[np.float64]
SURE = 0.8
_ROUNDS = 3
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Helped:
    """``training``: the one to use, with a note of what was done; ``alone``: without unlabelled pictures; ``together``:
    with them; ``used``: which of the two it is; ``took_part``: how many the head was sure of.
    ``gain`` and ``error``: by how much the log loss of pictures held out fell, mean and standard error."""

    training: Training
    alone: Training
    together: Training
    used: bool
    took_part: int
    gain: float
    error: float


@dataclass(frozen=True, eq=False)
class _Task:
    """What a training with unlabelled pictures is made from, and how sure the head must be of one to take it in."""

    background: Background | None
    unlabelled: NDArray[np.int8]
    constants: Constants | None
    sure: float

    def alone(self, statistics: Statistics, rows: Rows) -> Training:
        return train(statistics, self.background, rows, self.constants)

    def together(self, statistics: Statistics, rows: Rows, alone: Training) -> tuple[Training, int]:
        """The training with the pictures it is sure of, beginning with ``alone``, and how many those are.

        Its values come from all of them, its ``known`` stays that of ``alone``: pictures chosen for being like the
        taught ones make those look nearer than others ever are, and on one set half of the others became strangers.
        """
        now, count = alone, 0
        for _ in range(_ROUNDS if len(self.unlabelled) else 0):
            labels = sure_labels(now.head, self.unlabelled, self.sure)
            count = int((labels == SHOWN).any(axis=1).sum())
            if not count:
                return alone, 0
            joined = copy.deepcopy(statistics)
            joined.update(self.unlabelled, None, labels)
            now = train(joined, self.background, rows, self.constants)
        return replace(now, head=replace(alone.head, weights=now.head.weights, bias=now.head.bias)), count


def train_with(
    statistics: Statistics,
    background: Background | None,
    rows: Rows,
    unlabelled: NDArray[np.int8],
    constants: Constants | None = None,
    sure: float = SURE,
) -> Helped:
    """``train``, with (m, d) int8 embeddings of unlabelled pictures if that improves pictures held out by a standard
    error of their log loss.

    Leaving out one picture at a time would not do: what the others are taken for was found with that picture, and
    accuracy would look 5 points better than it is. So fifths of the labelled pictures are held out, moments whole, and
    where unlabelled pictures are used the version's evaluation is theirs. ``sure``: the value from which on the head is
    taken at its word. ``statistics`` stays as it is: the unlabelled pictures join a copy. Costs 24 trainings. Raises
    CannotTrain, and ValueError for concepts that do not exclude each other.
    """
    if not statistics.mutually_exclusive:
        raise ValueError("unlabelled pictures help only where concepts exclude each other")
    task = _Task(background, unlabelled, constants, sure)
    alone = task.alone(statistics, rows)
    together, took_part = task.together(statistics, rows, alone)
    values, gain, error = alone.values, 0.0, 0.0
    held_out = np.zeros(len(rows.ids), dtype=bool)
    if took_part:
        before, values, held_out = _held_out(task, statistics, rows, alone.moment)
        gain, error = _gain(statistics, rows, before, values, held_out)
    used = gain > error
    note = _note(used, took_part, len(unlabelled))
    training = replace(alone, notes=(*alone.notes, note))
    if used:
        evaluable = alone.evaluable & held_out[:, np.newaxis]
        values = np.where(held_out[:, np.newaxis], values, alone.values)
        training = replace(training, head=together.head, values=values, evaluable=evaluable,
                           background_values=together.background_values)  # fmt: skip
    return Helped(training, alone, together, used, took_part if used else 0, gain, error)


def join(
    statistics: Statistics,
    background: Background | None,
    rows: Rows,
    unlabelled: NDArray[np.int8],
    alone: Training,
    sure: float = SURE,
) -> Training:
    """The training with unlabelled pictures whether that helps or not; ``alone`` is the one without."""
    return _Task(background, unlabelled, None, sure).together(statistics, rows, alone)[0]


def _held_out(
    task: _Task, statistics: Statistics, rows: Rows, moment: NDArray[np.intp]
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """(n, K) values of each row by heads that have not seen it, without and with unlabelled pictures, and which have
    any."""
    folds = _folds(rows, statistics, moment)
    before = np.full((len(folds), len(statistics.concepts)), np.nan)
    after, done = before.copy(), np.zeros(len(folds), dtype=bool)
    for fold in range(_FOLDS):
        held = folds == fold
        if not held.any():
            continue
        rest = Rows([rows.ids[i] for i in np.flatnonzero(~held).tolist()], rows.embeddings[~held], rows.labels[~held])
        part = copy.deepcopy(statistics)
        part.update(rows.embeddings[held], rows.labels[held], None)
        try:
            alone = task.alone(part, rest)
        except CannotTrain:  # the fold has all pictures of a concept
            continue
        together, _ = task.together(part, rest, alone)
        before[held] = alone.head.predict(rows.embeddings[held])[0]
        after[held] = together.head.predict(rows.embeddings[held])[0]
        done |= held
    return before, after, done


def _folds(rows: Rows, statistics: Statistics, moment: NDArray[np.intp]) -> NDArray[np.intp]:
    """A fold per row: the moments of a concept are dealt out one by one, in the stable order of the ids' hashes."""
    kind = statistics.groups(rows.labels).argmax(axis=1)
    order = by_hash(rows.ids)
    order = order[np.argsort(kind[order], kind="stable")]
    dealt = {one: place % _FOLDS for place, one in enumerate(dict.fromkeys(moment[order].tolist()))}
    return np.array([dealt[one] for one in moment.tolist()], dtype=np.intp)


def sure_labels(head: TrainedHead, embeddings: NDArray[np.int8], sure: float = SURE) -> NDArray[np.int8]:
    """(m, d) -> (m, K) labels that know the highest concept of the rows it is sure of, and nothing of the others."""
    values, known = head.predict(embeddings)
    best = values.argmax(axis=1)
    taken = (values.max(axis=1) >= sure) & (known > head.threshold)
    labels = np.full(values.shape, UNKNOWN, dtype=np.int8)
    labels[taken, best[taken]] = SHOWN
    return labels


def _gain(
    statistics: Statistics, rows: Rows, before: Array, after: Array, held_out: NDArray[np.bool_]
) -> tuple[float, float]:
    """Mean fall of the log loss, paired by picture, and its standard error."""
    groups = statistics.groups(rows.labels)[:, : len(statistics.concepts)]
    which = groups.any(axis=1) & held_out
    if which.sum() < 2:
        return 0.0, 0.0
    each, right = np.arange(int(which.sum())), groups[which].argmax(axis=1)
    apart = np.subtract(*(np.log(np.maximum(values[which][each, right], 1e-12)) for values in (after, before)))
    return float(apart.mean()), float(apart.std(ddof=1)) / float(np.sqrt(len(apart)))


def _note(used: bool, took_part: int, count: int) -> str:
    if used:
        return (
            f"{took_part} of {count} unlabelled pictures took part; judged approximately, with a fifth of the labelled "
            "ones held out at a time instead of one"
        )
    if not count:
        return "there are no unlabelled pictures to learn from"
    return f"{count} unlabelled pictures took no part: they do not measurably help this model"

"""How good a head is, from its values on pictures whose concepts are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.types import NOT_SHOWN, SHOWN, ConceptEvaluation, Confusion, Evaluation, Method

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
_BINS = 10
_Z95 = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Scored:
    """Pictures with what is true of them and what a head said.

    ``labels`` (n, K) int8 in {1, 0, -1}; ``values`` (n, K) in [0, 1]; ``evaluable`` (n, K) where a value may be judged;
    ``known`` (n,) with NaN where it does not apply, ``is_known`` (n,). ``background_values`` (m, K) or None.
    ``moment`` (n,): pictures of one moment are one piece of evidence; None where each is its own.
    """

    concepts: tuple[str, ...]
    mutually_exclusive: bool
    labels: NDArray[np.int8]
    values: Array
    evaluable: Flags
    known: Array
    is_known: Flags
    background_values: Array | None = None
    moment: NDArray[np.intp] | None = None


def evaluate(scored: Scored, method: Method, notes: tuple[str, ...] = ()) -> Evaluation:
    """All figures of ``Evaluation``; None for each that the labels cannot determine."""
    labelled = (scored.labels != -1).any(axis=1)
    judged = labelled & scored.evaluable.any(axis=1)
    familiar = np.isfinite(scored.known)
    right, confidence, loss = _exclusive(scored) if scored.mutually_exclusive else _independent(scored)
    concepts = tuple(_concept(scored, column) for column in range(len(scored.concepts)))
    precisions = [one.average_precision for one in concepts if one.average_precision is not None]
    count = len(right)
    return Evaluation(
        method=method,
        inputs=int(judged.sum()),
        not_evaluable=int((labelled & ~judged).sum()),
        accuracy=float(right.mean()) if count else None,
        accuracy_interval=wilson(float(right.mean()), _pieces(scored)) if count else None,
        mean_average_precision=float(np.mean(precisions)) if precisions else None,
        known_rate=float(scored.is_known[familiar].mean()) if familiar.any() else None,
        calibration_error=calibration_error(confidence, right) if count else None,
        log_loss=float(loss.mean()) if count else None,
        concepts=concepts,
        confusion=_confusion(scored) if scored.mutually_exclusive else None,
        notes=notes,
    )


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a proportion ``share`` in [0, 1] seen in ``count`` > 0 trials (Wilson 1927)."""
    centre = share + _Z95**2 / (2 * count)
    spread = _Z95 * math.sqrt(share * (1 - share) / count + _Z95**2 / (4 * count**2))
    scale = 1 + _Z95**2 / count
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def _pieces(scored: Scored) -> int:
    """Pieces of evidence behind the accuracy: neither frames of one moment nor several values of one picture are
    independent."""
    if scored.mutually_exclusive:
        rows = _truth(scored) >= 0
    else:
        rows = (scored.evaluable & (scored.labels != -1)).any(axis=1)
    return int(rows.sum()) if scored.moment is None else len(np.unique(scored.moment[rows]))


def average_precision(positive: Flags, values: Array) -> float | None:
    """Mean precision at each positive, ties taken together (sum of (R_i - R_i-1) P_i); None without both kinds."""
    if positive.all() or not positive.any():
        return None
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(positive[order])
    last_of_tie = np.append(np.diff(values[order]) != 0, True)
    hits, seen = hits[last_of_tie], np.flatnonzero(last_of_tie) + 1
    gained = np.diff(hits, prepend=0) / hits[-1]
    return float((gained * hits / seen).sum())


def calibration_error(confidence: Array, right: Flags) -> float:
    """Expected calibration error over bins of equal mass (Guo et al. 2017; Nguyen & O'Connor 2015)."""
    order = np.argsort(confidence, kind="stable")
    bins = np.array_split(order, min(_BINS, len(order)))
    gaps = [len(one) * abs(float(confidence[one].mean()) - float(right[one].mean())) for one in bins]
    return sum(gaps) / len(order)


def _truth(scored: Scored) -> NDArray[np.intp]:
    """Exclusive models: the column each evaluable picture shows, -1 where it shows none or cannot be judged."""
    shown = scored.labels == SHOWN
    column = shown.argmax(axis=1)
    usable = (shown.sum(axis=1) == 1) & scored.evaluable[np.arange(len(shown)), column]
    return np.where(usable, column, -1)


def _exclusive(scored: Scored) -> tuple[Flags, Array, Array]:
    truth = _truth(scored)
    rows = truth >= 0
    values, truth = scored.values[rows], truth[rows]
    true_values = values[np.arange(len(values)), truth]
    return values.argmax(axis=1) == truth, values.max(axis=1), -np.log(np.maximum(true_values, 1e-12))


def _independent(scored: Scored) -> tuple[Flags, Array, Array]:
    use = scored.evaluable & (scored.labels != -1)
    shown, values = scored.labels[use] == SHOWN, scored.values[use]
    if shown.all() or not shown.any():  # positives alone say nothing about false alarms
        return np.empty(0, dtype=bool), np.empty(0), np.empty(0)
    given = np.where(shown, values, 1 - values)
    return (values >= 0.5) == shown, np.maximum(values, 1 - values), -np.log(np.maximum(given, 1e-12))


def _concept(scored: Scored, column: int) -> ConceptEvaluation:
    labels, values = scored.labels[:, column], scored.values[:, column]
    positives, negatives = int((labels == SHOWN).sum()), int((labels == NOT_SHOWN).sum())
    use = scored.evaluable[:, column] & (labels != -1)
    shown, fired = labels[use] == SHOWN, values[use] >= 0.5
    if scored.mutually_exclusive:
        fired = scored.values[use].argmax(axis=1) == column
    hits = int((shown & fired).sum())
    behind = scored.background_values
    return ConceptEvaluation(
        id=scored.concepts[column],
        positives=positives,
        negatives=negatives,
        precision=hits / int(fired.sum()) if fired.any() and not shown.all() else None,
        recall=hits / int(shown.sum()) if shown.any() else None,
        average_precision=average_precision(shown, values[use]) if len(shown) else None,
        # values of an exclusive model add up to 1, so one of them is always large: is_known abstains there
        false_alarm_rate=None
        if behind is None or scored.mutually_exclusive
        else float((behind[:, column] >= 0.5).mean()),
    )


def _confusion(scored: Scored) -> Confusion:
    truth = _truth(scored)
    rows = truth >= 0
    size = len(scored.concepts)
    cells = np.bincount(truth[rows] * size + scored.values[rows].argmax(axis=1), minlength=size * size)
    return Confusion(scored.concepts, tuple(tuple(int(n) for n in row) for row in cells.reshape(size, size)))

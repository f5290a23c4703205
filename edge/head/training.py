"""From statistics to a calibrated head with its leave-one-out values: the one way every model is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.errors import CannotTrain
from edge.head.background import Background
from edge.head.calibration import Calibrator, fit_platt, fit_temperature
from edge.head.exclusive import Exclusive, fit_exclusive
from edge.head.independent import Independent, fit_independent
from edge.head.pooled import Constants, pooled
from edge.head.statistics import Labels, Statistics
from edge.head.trained import TrainedHead
from edge.head.transform import on_grid, transform
from edge.types import SHOWN

Array = NDArray[np.float64]
SAMPLE = 2000
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Rows:
    """Inputs that evaluation and calibration read: (n,) ids, (n, d) int8 embeddings, (n, K) int8 labels."""

    ids: Sequence[str]
    embeddings: NDArray[np.int8]
    labels: Labels


@dataclass(frozen=True, eq=False)
class Training:
    """A head and what it knows about itself.

    ``values`` (n, K): cross-fitted leave-one-out values of the rows; ``evaluable`` (n, K); ``known`` and ``is_known``
    (n,), leave-one-out, NaN and False where a row has no taught concept; ``background_values`` (m, K) of the held-back
    background, or None in a closed environment.
    """

    head: TrainedHead
    values: Array
    evaluable: NDArray[np.bool_]
    known: Array
    is_known: NDArray[np.bool_]
    background_values: Array | None
    notes: tuple[str, ...] = field(default=())


def evaluation_sample(ids: Sequence[str], labels: Labels, limit: int = SAMPLE) -> NDArray[np.intp]:
    """Positions of at most ``limit`` rows: stratified by their labels, chosen by a stable hash of the id."""
    if len(ids) <= limit:
        return np.arange(len(ids))
    order = np.argsort([hashlib.sha256(one.encode()).digest()[:8] for one in ids], kind="stable")
    _, stratum = np.unique(labels[order], axis=0, return_inverse=True)
    stratum = stratum.reshape(-1)
    rank = np.empty(len(order), dtype=np.int64)
    by_stratum = np.argsort(stratum, kind="stable")
    starts = np.searchsorted(stratum[by_stratum], np.arange(stratum.max() + 1))
    rank[by_stratum] = np.arange(len(order)) - starts[stratum[by_stratum]]
    return np.asarray(np.sort(order[np.argsort(rank, kind="stable")[:limit]]))


def train(
    statistics: Statistics, background: Background | None, rows: Rows, constants: Constants | None = None
) -> Training:
    """Fit, leave one out, calibrate. ``background`` None is a closed environment. Raises CannotTrain.

    The cost does not depend on the store: one (d, d) inverse, and the rows given.
    """
    check(statistics, background)
    constants = constants or Constants()
    base = pooled(statistics, background, constants)
    z = on_grid(transform(rows.embeddings, statistics.spec))
    if statistics.mutually_exclusive:
        exclusive = fit_exclusive(base, statistics.counts.astype(np.float64), statistics.sums)
        return _train_exclusive(exclusive, statistics, background, rows, z)
    independent = fit_independent(base, statistics.counts.astype(np.float64), statistics.sums)
    return _train_independent(independent, statistics, background, rows, z)


def check(statistics: Statistics, background: Background | None) -> None:
    """Raises CannotTrain, naming the concept and what to add."""
    concepts = statistics.concepts
    if statistics.mutually_exclusive and len(concepts) < 2:
        raise CannotTrain("a mutually exclusive model needs two concepts; add one, or create it without the option")
    for index, concept in enumerate(concepts):
        if statistics.counts[index] == 0:
            raise CannotTrain(f"no picture shows {concept!r}; add some with --concept {concept}")
        lonely = not statistics.mutually_exclusive and statistics.counts[len(concepts) + index] == 0
        if lonely and background is None:
            raise CannotTrain(
                f"every picture shows {concept!r} and the environment is closed; add pictures that do not show it, or "
                "create the model without --closed-environment"
            )


def _train_independent(
    fit: Independent, statistics: Statistics, background: Background | None, rows: Rows, z: Array
) -> Training:
    scores, evaluable = fit.leave_one_out(z, rows.labels)
    behind = None if background is None else fit.scores(background.held_back)
    folds = _folds(rows.ids)
    slope, offset = np.ones(len(statistics.concepts)), np.zeros(len(statistics.concepts))
    values = np.empty_like(scores)
    beta = fit.base.beta
    for c in range(len(statistics.concepts)):
        other = None if behind is None else behind[:, c]
        use = evaluable[:, c]
        slope[c], offset[c] = _platt(scores[use, c], rows.labels[use, c] == SHOWN, other, beta)
        for fold in range(_FOLDS):
            held, rest = folds == fold, use & (folds != fold)
            a, b = _platt(scores[rest, c], rows.labels[rest, c] == SHOWN, other, beta)
            values[held, c] = Calibrator(np.array([a]), np.array([b]), False).values(scores[held, c])
    calibrator = Calibrator(slope, offset, exclusive=False)
    shown = statistics.sums[: len(statistics.concepts)]
    return _finish(statistics, fit, calibrator, shown, rows, z, values, evaluable, behind)


def _platt(scores: Array, positive: NDArray[np.bool_], behind: Array | None, beta: float) -> tuple[float, float]:
    weights = np.ones(len(scores))
    if behind is not None and len(behind):
        scores = np.concatenate([scores, behind])
        positive = np.concatenate([positive, np.zeros(len(behind), dtype=bool)])
        weights = np.concatenate([weights, np.full(len(behind), beta / len(behind))])
    return fit_platt(scores, positive, weights)


def _train_exclusive(
    fit: Exclusive, statistics: Statistics, background: Background | None, rows: Rows, z: Array
) -> Training:
    concepts = len(statistics.concepts)
    groups = statistics.groups(rows.labels)
    scores, present = fit.leave_one_out(z, groups)
    kind = groups.argmax(axis=1)
    taught = groups[:, :concepts].any(axis=1) & present
    folds = _folds(rows.ids)
    values = np.empty_like(scores)
    for fold in range(_FOLDS):
        held, rest = folds == fold, taught & (folds != fold)
        values[held] = _temperature(scores[rest], kind[rest], concepts).values(scores[held])
    behind = None if background is None else fit.scores(background.held_back)
    evaluable = present[:, np.newaxis] & ((rows.labels != -1) | taught[:, np.newaxis])
    calibrator = _temperature(scores[taught], kind[taught], concepts)
    return _finish(statistics, fit, calibrator, statistics.sums[:concepts], rows, z, values, evaluable, behind)


def _temperature(scores: Array, correct: NDArray[np.intp], concepts: int) -> Calibrator:
    slope = fit_temperature(scores, correct)
    return Calibrator(np.full(concepts, slope), np.zeros(concepts), exclusive=True)


def _folds(ids: Sequence[str]) -> NDArray[np.intp]:
    """A fold per row, balanced and stable: positions in the order of the ids' hashes."""
    order = np.argsort([hashlib.sha256(one.encode()).digest()[:8] for one in ids], kind="stable")
    folds = np.empty(len(ids), dtype=np.intp)
    folds[order] = np.arange(len(ids)) % _FOLDS
    return folds


def _finish(
    statistics: Statistics,
    fit: Independent | Exclusive,
    calibrator: Calibrator,
    sums: Array,
    rows: Rows,
    z: Array,
    values: Array,
    evaluable: NDArray[np.bool_],
    behind: Array | None,
) -> Training:
    familiarity = _familiarity(sums, statistics.counts[: len(sums)], z, rows.labels)
    familiar = np.sort(familiarity[np.isfinite(familiarity)])
    threshold = max(0.05, 1.0 / (len(familiar) + 1))
    head = TrainedHead(
        concepts=statistics.concepts,
        spec=statistics.spec,
        mutually_exclusive=statistics.mutually_exclusive,
        weights=(fit.weights * calibrator.slope[:, np.newaxis]).astype(np.float32),
        bias=(fit.bias * calibrator.slope + calibrator.offset).astype(np.float32),
        directions=_unit(sums).astype(np.float32),
        familiar=familiar.astype(np.float32),
        threshold=threshold,
    )
    # a taught picture against the others: its own entry is among the familiar ones, so one is not added again
    rank = np.searchsorted(familiar, familiarity, side="right") / (len(familiar) + 1.0)
    left_out = np.where(np.isfinite(familiarity), rank, np.nan)
    notes = () if len(familiar) else ("too few pictures to tell strangers from taught ones",)
    return Training(
        head=head,
        values=values,
        evaluable=evaluable,
        known=left_out,
        is_known=np.nan_to_num(left_out) > threshold,
        background_values=None if behind is None else calibrator.values(behind),
        notes=notes,
    )


def _unit(vectors: Array) -> Array:
    norm = np.sqrt(np.einsum("kd,kd->k", vectors, vectors))
    return np.asarray(vectors / np.where(norm > 0, norm, 1.0)[:, np.newaxis])


def _familiarity(sums: Array, counts: NDArray[np.int64], z: Array, labels: Labels) -> Array:
    """(n,) largest cosine of each taught picture with a concept's mean, its own left out; NaN for the others."""
    shown = (labels == SHOWN) & (counts > 1)
    dots, squares = z @ sums.T, np.einsum("kd,kd->k", sums, sums)
    own = np.einsum("nd,nd->n", z, z)[:, np.newaxis]
    left = np.where(shown, dots - own, dots)
    norms = np.sqrt(np.maximum(np.where(shown, squares - 2 * dots + own, squares), 1e-12))
    alone = (labels == SHOWN) & (counts <= 1)
    cosine = np.where(alone, -np.inf, left / norms)
    return np.where(shown.any(axis=1), cosine.max(axis=1, initial=-np.inf), np.nan)

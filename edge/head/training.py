"""From statistics to a calibrated head with its leave-one-out values: the one way every model is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.errors import CannotTrain
from edge.head.background import Background
from edge.head.calibration import Calibrator, fit_platts, fit_temperature
from edge.head.exclusive import Exclusive, fit_exclusive
from edge.head.familiarity import Distances, combined, distances
from edge.head.independent import Independent, fit_independent
from edge.head.moments import moments
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
    (n,), leave-one-out, NaN and False where a row has no taught concept; ``moment`` (n,): rows of one moment, nearly
    the same picture, are left out together; ``background_values`` (m, K) of the held-back background, or None in a
    closed environment.
    """

    head: TrainedHead
    values: Array
    evaluable: NDArray[np.bool_]
    known: Array
    is_known: NDArray[np.bool_]
    moment: NDArray[np.intp]
    background_values: Array | None
    notes: tuple[str, ...] = field(default=())


def by_hash(ids: Sequence[str]) -> NDArray[np.intp]:
    """Positions of ids in an order that is stable and has nothing to do with when or how they came."""
    return np.argsort([hashlib.sha256(one.encode()).digest()[:8] for one in ids], kind="stable")


def evaluation_sample(ids: Sequence[str], labels: Labels, limit: int = SAMPLE) -> NDArray[np.intp]:
    """Positions of at most ``limit`` rows: stratified by their labels, chosen by a stable hash of the id."""
    if len(ids) <= limit:
        return np.arange(len(ids))
    order = by_hash(ids)
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
        exclusive = fit_exclusive(base, statistics.counts.astype(np.float64), statistics.sums, constants.shrinkage)
        return _train_exclusive(exclusive, statistics, background, rows, z)
    independent = fit_independent(base, statistics.counts.astype(np.float64), statistics.sums)
    return _train_independent(independent, statistics, background, rows, z)


def check(statistics: Statistics, background: Background | None) -> None:
    """Raises CannotTrain, naming the concept and what to add."""
    concepts = statistics.concepts
    if not concepts:
        raise CannotTrain("the model has no concept yet; name one with: edge model add-concept MODEL CONCEPT")
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
    white = fit.base.whiten(z)
    moment = moments(z)
    scores, evaluable = fit.leave_one_out(z, rows.labels, white, moment)
    behind = None if background is None else fit.scores(background.held_back)
    calibrator, values = _calibrated(scores, fit.not_alone(rows.labels), rows, moment, behind, fit.base.beta)
    points = fit.shown if background is None else np.concatenate([fit.shown, background.mean[np.newaxis]])
    left_out, taught = fit.left_out_distances(white, rows.labels, points, moment)
    measured = distances(fit.base, fit.shown, None if background is None else background.mean)
    return _finish(statistics, fit, calibrator, measured, left_out, taught, moment, values, evaluable, behind)


def _calibrated(
    scores: Array,
    usable: NDArray[np.bool_],
    rows: Rows,
    moment: NDArray[np.intp],
    behind: Array | None,
    beta: float,
) -> tuple[Calibrator, Array]:
    """The calibrator of all rows, and (n, K) values of each row by a calibrator that has not seen its moment."""
    folds, shares = _folds(rows.ids, moment), _shares(moment)
    every = _platts(scores, shares[:, np.newaxis] * usable, rows, behind, beta)
    values = np.empty_like(scores)
    for fold in range(_FOLDS):
        weights = shares[:, np.newaxis] * (usable & (folds != fold)[:, np.newaxis])
        values[folds == fold] = _platts(scores, weights, rows, behind, beta, every).values(scores[folds == fold])
    return every, values


def _platts(
    scores: Array, weights: Array, rows: Rows, behind: Array | None, beta: float, start: Calibrator | None = None
) -> Calibrator:
    """Fitted on the (n, K) rows by their weights, and on the held-back background, ``beta`` pictures in all."""
    positive = rows.labels == SHOWN
    if behind is not None and len(behind):
        scores = np.concatenate([scores, behind])
        positive = np.concatenate([positive, np.zeros(behind.shape, dtype=bool)])
        weights = np.concatenate([weights, np.full(behind.shape, beta / len(behind))])
    begin = None if start is None else (start.slope, start.offset)
    slope, offset = fit_platts(scores, positive, weights, begin)
    return Calibrator(slope, offset, exclusive=False)


def _train_exclusive(
    fit: Exclusive, statistics: Statistics, background: Background | None, rows: Rows, z: Array
) -> Training:
    concepts = len(statistics.concepts)
    groups = statistics.groups(rows.labels)
    moment = moments(z)
    kind, shares = groups.argmax(axis=1), _shares(moment)
    fixed = None if background is None else background.mean[np.newaxis]
    out = fit.leave_out(fit.base.whiten(z), groups, fixed, moment)
    fit = fit.with_noise(out.noise(kind, shares))
    scores = fit.left_out_scores(z, out)
    taught = groups[:, :concepts].any(axis=1) & out.left_out
    folds = _folds(rows.ids, moment)
    values = np.empty_like(scores)
    for fold in range(_FOLDS):
        held, rest = folds == fold, taught & (folds != fold)
        values[held] = _temperature(scores[rest], kind[rest], shares[rest], concepts).values(scores[held])
    behind = None if background is None else fit.scores(background.held_back)
    judged = (rows.labels != -1) | groups[:, :concepts].any(axis=1, keepdims=True)
    calibrator = _temperature(scores[taught], kind[taught], shares[taught], concepts)
    excess = fit.excess(fit.counts[:concepts])
    measured = distances(fit.base, fit.points, None if background is None else background.mean, excess)
    out.distances[:, :concepts] -= fit.excess(out.counts)
    return _finish(
        statistics,
        fit,
        calibrator,
        measured,
        out.distances,
        taught,
        moment,
        values,
        out.evaluable[:, np.newaxis] & judged,
        behind,
    )


def _temperature(scores: Array, correct: NDArray[np.intp], weights: Array, concepts: int) -> Calibrator:
    slope = fit_temperature(scores, correct, weights)
    return Calibrator(np.full(concepts, slope), np.zeros(concepts), exclusive=True)


def _shares(moment: NDArray[np.intp]) -> Array:
    """(n,) weights with which every moment counts as one picture."""
    return np.asarray(1.0 / np.bincount(moment)[moment]) if len(moment) else np.empty(0)


def _folds(ids: Sequence[str], moment: NDArray[np.intp]) -> NDArray[np.intp]:
    """A fold per row, balanced and stable: moments in the order of the hashes of their first ids."""
    first = np.unique(moment, return_index=True)[1]
    order = by_hash([ids[row] for row in first])
    folds = np.empty(len(first), dtype=np.intp)
    folds[order] = np.arange(len(first)) % _FOLDS
    return folds[moment]


def _finish(
    statistics: Statistics,
    fit: Independent | Exclusive,
    calibrator: Calibrator,
    measured: Distances,
    left_out: Array,
    taught: NDArray[np.bool_],
    moment: NDArray[np.intp],
    values: Array,
    evaluable: NDArray[np.bool_],
    behind: Array | None,
) -> Training:
    """``measured``: the head's distances; ``left_out`` (n, G): of rows from a head that has not seen them, meant where
    ``taught`` (n,)."""
    concepts = len(statistics.concepts)
    left_out = left_out[taught]
    to_background = left_out[:, concepts] if left_out.shape[1] > concepts else None
    familiarity = combined(left_out[:, :concepts], to_background, exclusive=statistics.mutually_exclusive)
    familiar = np.sort(familiarity)
    threshold = max(0.05, 1.0 / (len(familiar) + 1))
    head = TrainedHead(
        concepts=statistics.concepts,
        spec=statistics.spec,
        mutually_exclusive=statistics.mutually_exclusive,
        weights=(fit.weights * calibrator.slope[:, np.newaxis]).astype(np.float32),
        bias=(fit.bias * calibrator.slope + calibrator.offset).astype(np.float32),
        distances=measured,
        familiar=familiar.astype(np.float32),
        threshold=threshold,
    )
    # a taught picture against the others: its own entry is among the familiar ones, so one is not added again
    known = np.full(len(values), np.nan)
    known[taught] = np.searchsorted(familiar, familiarity, side="right") / (len(familiar) + 1.0)
    notes = () if len(familiar) else ("too few pictures to tell strangers from taught ones",)
    return Training(
        head=head,
        values=values,
        evaluable=evaluable,
        known=known,
        is_known=np.nan_to_num(known) > threshold,
        moment=moment,
        background_values=None if behind is None else calibrator.values(behind),
        notes=notes,
    )

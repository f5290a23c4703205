"""Annotations that the rest of the evidence contradicts, worst first."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.head.background import Background
from edge.head.pooled import Constants
from edge.head.statistics import Labels, Statistics
from edge.head.training import Rows, Training, train
from edge.types import NOT_SHOWN, SHOWN, UNKNOWN

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]

# Chosen on the sets of scripts/bench suspects.
_LEFT_OUT = 0.03  # the share of inputs, the worst, that judge no others
_USUAL = 0.02  # how unusual a confusion can count: 1 / _USUAL times at most
_PSEUDO = 0.5  # pictures that say every concept is taken for each other equally often
_PAIRED = 0.5  # more finds pictures in the wrong folder sooner, and single slips later
_OF_ONE_MOMENT = 4.0  # log odds that two pictures of one moment show the same
_SURE = 1e-12

SUSPICIOUS = 3.5
"""Score from which a contradicted annotation is worth a look: with 5 % of the labels wrong, 58 % of the pictures above
it are, and 96 % of the wrong ones are above it; where concepts do not exclude each other, 40 % and 95 %."""


@dataclass(frozen=True, eq=False)
class Suspects:
    """All annotations that can be judged, (m,) each, most contradicted first.

    ``rows``, ``columns``: input and concept; ``score``: log odds against what was said; ``value``: of the concept in
    [0, 1], by a head that has seen neither the input nor the strongest suspects; ``rival``: the column of an exclusive
    model that the input resembles more, else -1; ``suspicious``: the head answers otherwise, and the score is above
    ``SUSPICIOUS``; ``conflicting``: a likelier concept that excludes this one
    was given too. ``values`` (n, K).
    """

    rows: Indices
    columns: Indices
    score: Array
    value: Array
    rival: Indices
    suspicious: Flags
    conflicting: Flags
    values: Array


@dataclass(frozen=True, eq=False)
class _Said:
    """Annotations with a value: input, concept and what was said, (m,) each; ``group`` (m,) those said alike.

    ``single``: of an exclusive model, where the concept shown is compared with all others.
    """

    rows: Indices
    columns: Indices
    shown: Flags
    single: Flags
    group: Indices


def suspects(
    statistics: Statistics,
    background: Background | None,
    rows: Rows,
    training: Training,
    constants: Constants | None = None,
) -> Suspects:
    """Rank the annotations of ``rows`` (n inputs), of which ``training`` has the leave-one-out values.

    The score is confident learning's idea (Northcutt, Jiang & Chuang, JAIR 2021) on exact leave-one-out values: how
    much more the input is like another concept than like the one it was given, beyond what is usual for that concept.
    The worst inputs are then taken out and the head is fitted once more, so that wrong labels do not vouch for each
    other; that costs one training. What the same moment was said to show elsewhere counts too. Two concepts that
    exclude each other and were both given to an input come first. ``statistics`` are changed meanwhile, and exactly
    what they were afterwards.
    """
    said = _said(statistics, rows.labels, training.evaluable)
    values = training.values
    every = np.ones(len(rows.ids), dtype=bool)
    out = _worst(said, np.where(_against(said, values), _scores(said, values, every), -np.inf), len(every))
    if out.any():
        values = _values_without(out, statistics, background, rows, constants)
    score = _scores(said, values, ~out) + _OF_ONE_MOMENT * _outvoted(said, training.moment)
    return _ordered(said, score, values, _conflicting(statistics, rows.labels))


def _said(statistics: Statistics, labels: Labels, evaluable: Flags) -> _Said:
    """What can be judged: of an exclusive model one annotation per input, of another every one that is known."""
    count = labels.shape[1]
    if not statistics.mutually_exclusive:
        rows, columns = np.nonzero(evaluable & (labels != UNKNOWN))
        shown = labels[rows, columns] == SHOWN
        return _Said(rows, columns, shown, np.zeros(len(rows), dtype=bool), columns + count * ~shown)
    groups = statistics.groups(labels)
    single = groups[:, :count] == 1
    # "not this one", of an input of which nothing else is known; what shows none of them says nothing about any
    denied = (labels == NOT_SHOWN) & ~(groups.any(axis=1) | (labels == SHOWN).any(axis=1))[:, np.newaxis]
    rows, columns = np.nonzero((single | denied) & evaluable)
    shown = single[rows, columns]
    return _Said(rows, columns, shown, shown, columns + count * ~shown)


def _given(said: _Said, values: Array) -> Array:
    """(m,) how likely what was said is."""
    own = values[said.rows, said.columns]
    return np.asarray(np.where(said.shown, own, 1 - own), dtype=np.float64)


def _others(said: _Said, values: Array) -> Array:
    """(s, K) values of the single ones' other concepts, 0 for their own."""
    others = values[said.rows[said.single]]
    others[np.arange(len(others)), said.columns[said.single]] = 0.0
    return np.asarray(others)


def _scores(said: _Said, values: Array, vouching: Flags) -> Array:
    """(m,) log odds against what was said; a rival counts by how much likelier it is than usual for what was said.

    ``vouching`` (n,): the inputs that tell what is usual.
    """
    given = _given(said, values)
    unusual = np.empty(len(given))
    single, vouch = said.single, vouching[said.rows]
    if single.any():
        others, group = _others(said, values), said.group[single]
        size = others.shape[1]
        sums = np.zeros((size, size))
        np.add.at(sums, group[vouch[single]], others[vouch[single]])
        counts = np.bincount(group[vouch[single]], minlength=size)[:, np.newaxis]
        usual = (sums + _PSEUDO / size) / (counts + _PSEUDO)
        unusual[single] = (others / (usual[group] + _USUAL)).max(axis=1)
    if not single.all():
        rival, group = 1 - given[~single], said.group[~single]
        size = int(group.max()) + 1
        use = vouch[~single]
        counts = np.bincount(group[use], minlength=size)
        usual = (np.bincount(group[use], rival[use], minlength=size) + _PSEUDO / 2) / (counts + _PSEUDO)
        unusual[~single] = rival / (usual[group] + _USUAL)
    score = np.log(np.maximum(unusual, _SURE)) - np.log(np.maximum(given, _SURE))
    return np.asarray(score + _also(said, score, len(values)))


def _also(said: _Said, score: Array, inputs: int) -> Array:
    """(m,) who took one concept for another said one too many and one too few: the worst contradictions of both kinds
    in an input vouch for each other, by ``_PAIRED`` of the lesser."""
    worst = np.zeros((2, inputs))
    kind = said.shown.astype(np.intp)
    np.maximum.at(worst, (kind, said.rows), score)
    foremost = score >= np.maximum(worst[kind, said.rows], _SURE)
    return np.asarray(np.where(foremost, _PAIRED * np.minimum(worst[1 - kind, said.rows], score), 0.0))


def _against(said: _Said, values: Array) -> Flags:
    """(m,) where the head would have answered otherwise."""
    given = _given(said, values)
    against = given < 0.5
    against[said.single] = _others(said, values).max(axis=1, initial=0.0) > given[said.single]
    return np.asarray(against)


def _worst(said: _Said, score: Array, inputs: int) -> Flags:
    """(n,) the few inputs with the worst annotations, without which everything said is still said of two others."""
    out = np.zeros(inputs, dtype=bool)
    worst = np.full(inputs, -np.inf)
    np.maximum.at(worst, said.rows, score)
    left = np.bincount(said.group) if len(said.group) else np.zeros(0, dtype=np.intp)
    for one in np.argsort(-worst, kind="stable")[: int(np.ceil(_LEFT_OUT * inputs))]:
        groups = said.group[said.rows == one]
        if np.isfinite(worst[one]) and (left[groups] > 2).all():
            left[groups] -= 1
            out[one] = True
    return out


def _values_without(
    out: Flags, statistics: Statistics, background: Background | None, rows: Rows, constants: Constants | None
) -> Array:
    """(n, K) leave-one-out values of a head that was never told anything of the inputs ``out``."""
    labels = rows.labels.copy()
    labels[out] = UNKNOWN
    statistics.update(rows.embeddings[out], rows.labels[out], None)
    try:
        without = train(statistics, background, replace(rows, labels=labels), constants)
    finally:
        statistics.update(rows.embeddings[out], None, rows.labels[out])
    return without.values


def _outvoted(said: _Said, moment: Indices) -> Array:
    """(m,) by how many pictures of the same moment said otherwise outnumber those that agree, at most one."""
    where = moment[said.rows] * (said.columns.max(initial=0) + 1)
    # of an exclusive model all concepts compete; of another, only what was said of the same one
    where = np.where(said.single, -moment[said.rows] - 1, where + said.columns)
    _, place = np.unique(where, return_inverse=True)
    _, alike = np.unique(np.stack([place.reshape(-1), said.group]), axis=1, return_inverse=True)
    together, agreeing = np.bincount(place.reshape(-1)), np.bincount(alike.reshape(-1))
    agree = agreeing[alike.reshape(-1)] - 1
    differ = together[place.reshape(-1)] - 1 - agree
    return np.asarray(np.clip(differ - agree, 0, 1), dtype=np.float64)


def _conflicting(statistics: Statistics, labels: Labels) -> Flags:
    """(n, K) concepts said to be shown of which an exclusive model allows one."""
    shown = labels == SHOWN
    if not statistics.mutually_exclusive:
        return np.zeros(shown.shape, dtype=bool)
    return np.asarray(shown & (shown.sum(axis=1) > 1)[:, np.newaxis])


def _ordered(said: _Said, score: Array, values: Array, conflicting: Flags) -> Suspects:
    """Of concepts in conflict all but the likeliest, the least likely in front; then the others by their score."""
    order = np.argsort(-score, kind="stable")
    against = _against(said, values)
    rival = np.full(len(score), -1, dtype=np.intp)
    if said.single.any():
        rival[said.single] = np.where(against[said.single], _others(said, values).argmax(axis=1), -1)
    likeliest = np.where(conflicting, values, -1.0).argmax(axis=1) if len(values) else np.empty(0, dtype=np.intp)
    rows, columns = np.nonzero(conflicting)
    doubtful = columns != likeliest[rows]
    rows, columns = rows[doubtful], columns[doubtful]
    first = np.argsort(values[rows, columns], kind="stable")
    rows, columns = rows[first], columns[first]
    return Suspects(
        rows=np.concatenate([rows, said.rows[order]]),
        columns=np.concatenate([columns, said.columns[order]]),
        score=np.concatenate([-np.log(np.maximum(values[rows, columns], _SURE)), score[order]]),
        value=np.concatenate([values[rows, columns], values[said.rows, said.columns][order]]),
        rival=np.concatenate([likeliest[rows], rival[order]]),
        suspicious=np.concatenate([np.ones(len(rows), dtype=bool), (against & (score > SUSPICIOUS))[order]]),
        conflicting=np.concatenate([np.ones(len(rows), dtype=bool), np.zeros(len(order), dtype=bool)]),
        values=values,
    )

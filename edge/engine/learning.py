"""Training one version: statistics brought up to date, a sample read, a head fitted, judged and stored."""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from edge.errors import BadHead, EdgeError
from edge.head.background import Background
from edge.head.statistics import Labels, Statistics, snapshot_concepts
from edge.head.training import SAMPLE, Rows, Training, evaluation_sample, train
from edge.metrics import Scored, evaluate
from edge.store import Store
from edge.types import BackboneCard, Evaluation, Method, ModelInfo, VersionInfo, VersionStatus

# Rewriting a snapshot of several megabytes at every correction would wear out an SD card; replaying this many
# changes costs less than a tenth of a second.
SNAPSHOT_EVERY = 512
_CHUNK = 4096
_SOME = "measured on {} of {} pictures"


@dataclass
class _Fresh:
    statistics: Statistics
    watermark: int
    unsaved: int


@dataclass(frozen=True, eq=False)
class Material:
    """What is learnt from: ``rows`` are a sample of ``total`` inputs, ``numbers`` theirs in the store."""

    statistics: Statistics
    background: Background | None
    rows: Rows
    numbers: list[int]
    total: int


class Learner:
    """Keeps a model's statistics between trainings and trains versions, one at a time."""

    def __init__(self, store: Store, card: BackboneCard, background: Background | None) -> None:
        self._store = store
        self._card = card
        self._background = background
        self._kept: tuple[ModelInfo, _Fresh] | None = None  # one model's: 13 MB each at 1 280 dimensions
        self._guard = threading.Lock()

    @property
    def card(self) -> BackboneCard:
        """The backbone whose embeddings it trains on."""
        return self._card

    def now(self) -> datetime:
        """The time by the store's clock."""
        return self._store.now()

    def run(self, model: ModelInfo, version: VersionInfo, *, unlabelled: bool = False) -> VersionInfo:
        """Take a queued version to TRAINED, or to FAILED with a reason; raises what made it fail.

        ``unlabelled``: pictures of which nothing is said may take part, if that helps; its evaluation's notes say so.
        """
        try:
            with self._guard, self._store.models.training():
                self._store.models.update_version(version, VersionStatus.TRAINING)
                statistics, training, evaluation = self._train(model, unlabelled)
                return self._store.models.update_version(
                    version,
                    VersionStatus.TRAINED,
                    counts=counts_of(statistics),
                    evaluation=evaluation,
                    head=training.head.to_bytes(),
                )
        except BaseException as error:
            reason = str(error) if isinstance(error, EdgeError) else f"unexpected {type(error).__name__}: {error}"
            self._store.models.update_version(version, VersionStatus.FAILED, reason=reason)
            raise

    def material(self, model: ModelInfo) -> Material:
        """What a training of the model would learn from now; nothing is stored. Raises BackboneChanged."""
        with self._guard:
            found = self._material(model)[1]
            return replace(found, statistics=copy.deepcopy(found.statistics))  # the kept ones go on changing

    def _material(self, model: ModelInfo) -> tuple[_Fresh, Material]:
        background = None if model.closed_environment else self._background
        with self._store.reading():
            fresh = self._fresh(model)
            numbers, ids, labels = self._store.inputs.sample(model.concepts, SAMPLE)
            sample = evaluation_sample(ids, labels)
            chosen = [numbers[i] for i in sample]
            rows = Rows([ids[i] for i in sample], self._embeddings(chosen), labels[sample])
        return fresh, Material(fresh.statistics, background, rows, chosen, max(fresh.statistics.n, len(ids)))

    def _train(self, model: ModelInfo, unlabelled: bool = False) -> tuple[Statistics, Training, Evaluation]:
        fresh, found = self._material(model)
        rows = found.rows
        method: Method = "leave-one-out"
        if unlabelled:
            from edge.head.unlabelled import train_with

            with self._store.reading():
                others = self._embeddings(self._store.inputs.unlabelled(model.concepts, SAMPLE)[0])
            helped = train_with(fresh.statistics, found.background, rows, others)
            training = helped.training
            method = "five-fold" if helped.used else method
        else:
            training = train(fresh.statistics, found.background, rows)
        self._save(model, fresh)
        return fresh.statistics, training, judge(fresh.statistics, training, rows, total=found.total, method=method)

    def _fresh(self, model: ModelInfo) -> _Fresh:
        """Statistics up to the newest change: replayed from what is kept or stored, rebuilt when in doubt."""
        until = self._store.inputs.last_change()
        fresh = self._start(model)
        if fresh.watermark == 0 or fresh.watermark < int(self._store.setting("purged") or 0):
            fresh = _Fresh(self._empty(model), 0, 0)
            self._rebuild(model, fresh)
        else:
            self._replay(fresh, until)
            if fresh.statistics.concepts != model.concepts:
                fresh = self._regrouped(model, fresh)
        fresh.watermark = until
        self._kept = (model, fresh)
        return fresh

    def _start(self, model: ModelInfo) -> _Fresh:
        """What is kept of the model, or stored; it may be from before its concepts changed."""
        if self._kept is not None and self._same(self._kept[0], model):
            # taken out while it changes, so that a failure half way leaves nothing half updated
            fresh, self._kept = self._kept[1], None
            return fresh
        snapshot = self._store.models.load_snapshot(model.name)
        if snapshot is not None:
            try:
                statistics = self._empty(replace(model, concepts=snapshot_concepts(snapshot)))
                watermark = statistics.restore(snapshot, backbone_sha256=self._card.sha256)
                if watermark <= self._store.inputs.last_change():
                    return _Fresh(statistics, watermark, 0)
            except (BadHead, ValueError, KeyError, OSError, EOFError):
                pass  # a cache: rebuilt below
        return _Fresh(self._empty(model), 0, 0)

    @staticmethod
    def _same(one: ModelInfo, other: ModelInfo) -> bool:
        """Whether statistics of one go on for the other, whatever became of its concepts meanwhile."""
        return one == replace(other, concepts=one.concepts, pinned_version=one.pinned_version)

    def _regrouped(self, model: ModelInfo, fresh: _Fresh) -> _Fresh:
        """Statistics of now under other concepts: only pictures that are something else under them are read."""
        old, new = fresh.statistics, self._empty(model)
        every = tuple(dict.fromkeys((*old.concepts, *new.concepts)))
        numbers, _, labels = self._store.inputs.labels(every)
        before, after = (labels[:, [every.index(c) for c in one.concepts]] for one in (old, new))
        change = new.take_over(old, before, after)
        new.regroup(change, self._embeddings([numbers[row] for row in change.rows]))
        return _Fresh(new, fresh.watermark, fresh.unsaved + len(numbers))  # what is stored is for the old concepts

    def _empty(self, model: ModelInfo) -> Statistics:
        return Statistics(
            model.concepts,
            self._card.embedding,
            mutually_exclusive=model.mutually_exclusive,
            closed_environment=model.closed_environment,
        )

    def _rebuild(self, model: ModelInfo, fresh: _Fresh) -> None:
        numbers, _, labels = self._store.inputs.labels(model.concepts)
        for start in range(0, len(numbers), _CHUNK):
            part = slice(start, start + _CHUNK)
            fresh.statistics.update(self._embeddings(numbers[part]), None, labels[part])
        fresh.unsaved += len(numbers)

    def _replay(self, fresh: _Fresh, until: int) -> None:
        changes = self._store.inputs.label_changes(fresh.watermark, until, fresh.statistics.concepts)
        for start in range(0, len(changes), _CHUNK):
            part = changes[start : start + _CHUNK]
            before = np.array([one.before for one in part], dtype=np.int8)
            after = np.array([one.after for one in part], dtype=np.int8)
            fresh.statistics.update(self._embeddings([one.input for one in part]), before, after)
        fresh.unsaved += len(changes)

    def _save(self, model: ModelInfo, fresh: _Fresh) -> None:
        if fresh.unsaved >= SNAPSHOT_EVERY:
            data = fresh.statistics.to_bytes(watermark=fresh.watermark, backbone_sha256=self._card.sha256)
            self._store.models.save_snapshot(model.name, data)
            fresh.unsaved = 0

    def _embeddings(self, numbers: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        return self._store.inputs.embeddings(numbers, backbone_sha256=self._card.sha256, size=self._card.embedding.size)


def judge(
    statistics: Statistics, training: Training, rows: Rows, *, total: int, method: Method = "leave-one-out"
) -> Evaluation:
    """A training's evaluation on its own pictures; ``total`` inputs of which ``rows`` are a sample."""
    notes = training.notes
    if total > len(rows.ids):
        notes += (_SOME.format(len(rows.ids), total),)
    repeated = len(rows.ids) - len(np.unique(training.moment))
    if repeated:
        notes += (f"{repeated} pictures are nearly the same as others, and were left out together with them",)
    labels = judged_labels(statistics, rows.labels)
    scored = Scored(
        statistics.concepts,
        statistics.mutually_exclusive,
        labels,
        training.values,
        training.evaluable,
        training.known,
        training.is_known,
        training.background_values,
        training.moment,
    )
    return evaluate(scored, method, notes)


def inputs_of(version: VersionInfo) -> int:
    """Inputs with an annotation of any of a version's concepts when it was trained; 0 where nothing tells."""
    found = version.evaluation
    evaluated = 0 if found is None else found.inputs + found.not_evaluable
    notes = () if found is None else found.notes
    of = [int(match[1]) for match in (re.fullmatch(_SOME.format(r"\d+", r"(\d+)"), one) for one in notes) if match]
    return max([evaluated, *of, *(sum(pair) for pair in version.counts.values())])


def judged_labels(statistics: Statistics, labels: Labels) -> Labels:
    """(n, K) int8 labels as values are judged by them: in an exclusive model what the statistics made of them, where
    one concept's positives are the others' negatives."""
    if not statistics.mutually_exclusive:
        return labels
    groups = statistics.groups(labels)
    return np.where(groups.any(axis=1, keepdims=True), groups[:, : len(statistics.concepts)], -1).astype(np.int8)


def counts_of(statistics: Statistics) -> Mapping[str, tuple[int, int]]:
    """Concept id -> inputs that (show, do not show) it."""
    count = len(statistics.concepts)
    shown = statistics.counts[:count].tolist()
    if statistics.mutually_exclusive:
        rest = [statistics.n - n for n in shown]
    else:
        rest = statistics.counts[count:].tolist()
    return {name: (shown[i], rest[i]) for i, name in enumerate(statistics.concepts)}

"""Which of two heads is better on this device's own annotated pictures, without flattering either.

A head that was trained on a picture knows it. So every picture is judged by a head that has not seen it: by
leave-one-out where it was trained on, here or at the hub, and by the head itself elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.engine.learning import Learner, counts_of, judge, judged_labels
from edge.head.statistics import Labels
from edge.head.trained import TrainedHead
from edge.head.training import SAMPLE, train
from edge.store import Store
from edge.store.records import NewVersion
from edge.types import NOT_SHOWN, SHOWN, BackboneCard, ModelInfo

Verdicts = Mapping[str, tuple[int, int]]
"""Input id -> (annotations that were got right, annotations that were judged); an exclusive model judges one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that could be used, and what it got right."""

    version: NewVersion
    verdicts: Verdicts


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sets of verdicts on the pictures both have: how many, and the share of annotations that was right."""

    pictures: int
    before: float
    after: float


def trained_now(learner: Learner, info: ModelInfo) -> Candidate:
    """What a training under the learner's backbone would make now, by leave-one-out; nothing is stored.

    Raises CannotTrain, BackboneChanged.
    """
    found = learner.material(info)
    statistics, rows = found.statistics, found.rows
    training = train(statistics, found.background, rows)
    evaluation = judge(statistics, training, rows, total=found.total)
    version = NewVersion(
        info.name,
        info.concepts,
        info.mutually_exclusive,
        info.closed_environment,
        learner.card.name,
        learner.card.sha256,
        counts_of(statistics),
        learner.now(),
        evaluation,
        training.head.to_bytes(),
    )
    labels = judged_labels(statistics, rows.labels)
    right = _verdicts(rows.ids, labels, training.values, training.evaluable, exclusive=info.mutually_exclusive)
    return Candidate(version, right)


def by_head(store: Store, head: TrainedHead, card: BackboneCard, info: ModelInfo) -> Verdicts:
    """What a head gets right of the pictures annotated for a model, whoever it was trained on; at most some thousand.

    Their embeddings under ``card`` must be there. Only concepts both have are judged.
    """
    concepts = [one for one in head.concepts if one in info.concepts]
    if not concepts:
        return {}
    numbers, ids, labels = store.inputs.sample(concepts, SAMPLE)
    if not numbers:
        return {}
    embeddings = store.inputs.embeddings(numbers, backbone_sha256=card.sha256, size=card.embedding.size)
    columns = [head.concepts.index(one) for one in concepts]
    values = head.predict(embeddings)[0]
    if head.mutually_exclusive:
        every = np.full((len(ids), len(head.concepts)), -1, np.int8)
        shown = (labels == SHOWN).sum(axis=1) == 1
        every[np.ix_(shown, range(len(head.concepts)))] = NOT_SHOWN
        every[:, columns] = np.where((labels == SHOWN) & shown[:, None], SHOWN, every[:, columns])
        return _verdicts(ids, every, values, every >= 0, exclusive=True)
    return _verdicts(ids, labels, values[:, columns], labels >= 0, exclusive=False)


def compare(before: Verdicts, after: Verdicts) -> Comparison:
    """On the pictures that both judge; every picture counts the same."""
    both = [id for id in before if id in after and before[id][1] and after[id][1]]
    if not both:
        return Comparison(0, 0.0, 0.0)
    shares = np.array([[before[id][0] / before[id][1], after[id][0] / after[id][1]] for id in both]).mean(axis=0)
    return Comparison(len(both), float(shares[0]), float(shares[1]))


def _verdicts(
    ids: Sequence[str], labels: Labels, values: NDArray[np.float64], evaluable: NDArray[np.bool_], *, exclusive: bool
) -> dict[str, tuple[int, int]]:
    """(n, K) labels and values of inputs; what may not be judged is left out."""
    if exclusive:
        rows = (labels == SHOWN).any(axis=1) & evaluable.any(axis=1)
        right = values.argmax(axis=1) == (labels == SHOWN).argmax(axis=1)
        return {ids[row]: (int(right[row]), 1) for row in np.flatnonzero(rows).tolist()}
    judged = (labels >= 0) & evaluable
    good = judged & ((values >= 0.5) == (labels == SHOWN))
    rows = judged.any(axis=1)
    return {ids[row]: (int(good[row].sum()), int(judged[row].sum())) for row in np.flatnonzero(rows).tolist()}

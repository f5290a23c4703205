"""Few-shot accuracy of the shipped head beside the baselines, on the same embeddings and splits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.head.background import Background
from edge.head.exclusive import fit_exclusive
from edge.head.pooled import Constants, pooled
from edge.head.statistics import Statistics
from edge.head.training import Rows, Training, train
from edge.head.transform import on_grid
from edge.types import BackboneCard, EmbeddingSpec
from trainer.embeddings import unit
from trainer.sets import LabelledSet, Split

Float = NDArray[np.float64]
SHIPPED = Constants()


@dataclass(frozen=True, slots=True)
class Variant:
    """A choice of the head's constants. ``middle``: weight of every part after the first, None as in the card; 0
    leaves them out. ``plain``: no part has its root taken. ``excused``: means are excused for their uncertainty."""

    constants: Constants = SHIPPED
    middle: float | None = None
    plain: bool = False
    excused: bool = True

    def spec(self, spec: EmbeddingSpec) -> EmbeddingSpec:
        """The embedding under this choice."""
        if self.plain:
            spec = EmbeddingSpec(tuple(replace(part, transform="l2") for part in spec.parts))
        if self.middle is None:
            return spec
        if self.middle == 0:
            return EmbeddingSpec(spec.parts[:1])
        return EmbeddingSpec(spec.parts[:1] + tuple(replace(part, weight=self.middle) for part in spec.parts[1:]))


AS_SHIPPED = Variant()


def one_hot(labels: NDArray[np.int64], concepts: int) -> NDArray[np.int8]:
    """(n,) column numbers -> (n, K) labels that know only the positive."""
    out = np.full((len(labels), concepts), -1, dtype=np.int8)
    out[np.arange(len(labels)), labels] = 1
    return out


class Judge:
    """Fits the shipped head on splits of one set. Keeps z and the background of the last variant."""

    def __init__(self, one: LabelledSet, card: BackboneCard, background: NDArray[np.int8] | None) -> None:
        self.one = one
        self.card = card
        self._rows = background
        self._kept: tuple[EmbeddingSpec, Float, Background | None] | None = None

    def scores(self, split: Split, variant: Variant = AS_SHIPPED) -> Float:
        """(m, K) scores of the test pictures; the order of concepts is what counts."""
        spec, z, background = self._prepared(variant)
        statistics = Statistics(self.one.concepts, spec, mutually_exclusive=True)
        labels = one_hot(self.one.labels[split.train], len(self.one.concepts))
        statistics.update_unit(on_grid(z[split.train]), None, labels)
        base = pooled(statistics, background if variant.constants.background_weight else None, variant.constants)
        counts, shrinkage = statistics.counts.astype(np.float64), variant.constants.shrinkage
        fit = fit_exclusive(base, counts, statistics.sums, shrinkage)
        if not variant.excused:
            return fit.scores(z[split.test])
        groups = statistics.groups(labels)
        noise = fit.leave_out(fit.base.whiten(on_grid(z[split.train])), groups).noise(
            groups.argmax(axis=1), np.ones(len(groups))
        )
        return fit.with_noise(noise).scores(z[split.test])

    def training(self, split: Split, variant: Variant = AS_SHIPPED, rows: NDArray[np.intp] | None = None) -> Training:
        """The whole training: calibrated, with leave-one-out values. Needs int8 embeddings."""
        spec, _, background = self._prepared(variant)
        statistics = Statistics(self.one.concepts, spec, mutually_exclusive=True)
        taught = split.train if rows is None else rows
        labels = one_hot(self.one.labels[taught], len(self.one.concepts))
        embeddings = self.one.embeddings[taught][:, : spec.size]
        statistics.update(embeddings, None, labels)  # type: ignore[arg-type]
        sample = Rows([str(self.one.paths[i]) for i in taught], embeddings, labels)  # type: ignore[arg-type]
        return train(statistics, background, sample, variant.constants)

    def _prepared(self, variant: Variant) -> tuple[EmbeddingSpec, Float, Background | None]:
        spec = variant.spec(self.card.embedding)
        if self._kept is None or self._kept[0] != spec:
            background = None
            if self._rows is not None:
                rows = self._rows[:, : spec.size]
                background = Background.from_embeddings(rows, spec, self.card.held_back)
            self._kept = (spec, unit(self.one.embeddings, spec), background)
        return self._kept

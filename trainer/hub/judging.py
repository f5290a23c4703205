"""How good a model is for each device of the fleet and each concept, by leave-one-out over all of their pictures."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from edge.engine import Engine
from edge.engine.judging import trained_now
from edge.metrics import wilson
from edge.types import Evaluation


@dataclass(frozen=True, slots=True)
class Share:
    """``right`` of ``judged`` annotations, on ``pictures``; ``low``, ``high``: 95 % interval by pictures (Wilson)."""

    name: str
    pictures: int
    judged: int
    right: int
    low: float
    high: float

    @property
    def accuracy(self) -> float:
        """In [0, 1]."""
        return self.right / self.judged


@dataclass(frozen=True, slots=True)
class Judged:
    """The evaluation of a training of now, and its parts by device; "this store" is the hub itself."""

    evaluation: Evaluation
    devices: tuple[Share, ...]


def judge(engine: Engine, model: str) -> Judged:
    """Train in memory and see what is got right, device by device. Raises NotFound, CannotTrain."""
    candidate = trained_now(engine.learner, engine.model(model).info)
    assert candidate.version.evaluation is not None
    origins = engine.store.origins(candidate.verdicts)
    names = {one.id: one.name or one.id[:8] for one in engine.store.devices()}
    parts: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for id, pair in candidate.verdicts.items():
        parts[origins.get(id, "")].append(pair)
    shares = [_share(names.get(device, "this store"), pairs) for device, pairs in parts.items()]
    return Judged(candidate.version.evaluation, tuple(sorted(shares, key=lambda one: one.name)))


def _share(name: str, pairs: list[tuple[int, int]]) -> Share:
    right, judged = (sum(one) for one in zip(*pairs, strict=True))
    low, high = wilson(right / judged, len(pairs))
    return Share(name, len(pairs), judged, right, low, high)

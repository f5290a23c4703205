"""Which pictures are behind the figures of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.head.training import Training, train
from edge.types import NOT_SHOWN, SHOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.engine.engine import Engine
    from edge.engine.learning import Material
    from edge.engine.model import Model

SEEN, MISSED, FALSE_ALARM, PASSED = "seen", "missed", "false-alarm", "passed"


@dataclass(frozen=True, slots=True)
class Cell:
    """``count`` pictures with the same outcome, the ids of some of them.

    ``outcome`` in an exclusive model: the concept that was answered for pictures that show ``concept``. In an
    independent one: "seen" or "missed" where it is shown, "false-alarm" or "passed" where it is not.
    """

    concept: str
    outcome: str
    count: int
    inputs: tuple[str, ...]


def confusions(engine: Engine, model: Model, *, limit: int = 24) -> tuple[Cell, ...]:
    """What each annotated picture gets from a head that has not seen it, by the annotations of now.

    Empty cells are left out, others name at most ``limit`` inputs. Trains in memory and stores nothing. Raises
    CannotTrain, NotFound (deleted), BackboneChanged.
    """
    material = engine.learner.material(model.info)
    training = train(material.statistics, material.background, material.rows)
    grid = (
        _exclusive(material, training) if material.statistics.mutually_exclusive else _independent(material, training)
    )
    ids = material.rows.ids
    return tuple(
        Cell(concept, outcome, len(rows), tuple(ids[int(row)] for row in rows[:limit]))
        for concept, outcome, rows in grid
        if len(rows)
    )


_Grid = list[tuple[str, str, "NDArray[np.intp]"]]


def _exclusive(material: Material, training: Training) -> _Grid:
    """As ``metrics.evaluate`` counts: pictures that show exactly one concept and can be judged."""
    concepts = material.statistics.concepts
    shown = material.statistics.groups(material.rows.labels)[:, : len(concepts)] == SHOWN
    truth, answer = shown.argmax(axis=1), training.values.argmax(axis=1)
    usable = (shown.sum(axis=1) == 1) & training.evaluable[np.arange(len(truth)), truth]
    return [
        (one, other, np.flatnonzero(usable & (truth == i) & (answer == j)))
        for i, one in enumerate(concepts)
        for j, other in enumerate(concepts)
    ]


def _independent(material: Material, training: Training) -> _Grid:
    grid: _Grid = []
    for column, concept in enumerate(material.statistics.concepts):
        labels, fired = material.rows.labels[:, column], training.values[:, column] >= 0.5
        usable = training.evaluable[:, column]
        for outcome, said, answered in (
            (SEEN, SHOWN, True),
            (MISSED, SHOWN, False),
            (FALSE_ALARM, NOT_SHOWN, True),
            (PASSED, NOT_SHOWN, False),
        ):
            grid.append((concept, outcome, np.flatnonzero(usable & (labels == said) & (fired == answered))))
    return grid

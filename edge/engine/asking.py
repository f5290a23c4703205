"""Predicting many pictures at once: one that cannot be read does not stop the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import BadImage, NotFound
from edge.types import Prediction

if TYPE_CHECKING:
    from edge.engine.engine import Progress
    from edge.engine.model import Model


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions in the order of the pictures, and (path, reason) of the pictures that were refused."""

    predictions: tuple[Prediction, ...]
    refused: tuple[tuple[str, str], ...] = ()


def predict_many(
    model: Model,
    paths: Sequence[str | Path],
    *,
    version: str | None = None,
    min_value: float = 0.0,
    max_concepts: int | None = None,
    select: str | Iterable[str] = (),
    progress: Progress | None = None,
) -> Predicted:
    """``Model.predict`` of every path. A bad file is listed in ``refused``; if there is only one path, it raises.

    Raises as ``Model.predict`` does for everything that is not about a single file.
    """
    wanted = (select,) if isinstance(select, str) else tuple(select)
    model.check_output(version, min_value, max_concepts, wanted)
    found: list[Prediction] = []
    refused: list[tuple[str, str]] = []
    for done, path in enumerate(paths, start=1):
        try:
            found.append(
                model.predict(path, version=version, min_value=min_value, max_concepts=max_concepts, select=wanted)
            )
        except (BadImage, NotFound) as error:
            if len(paths) == 1:
                raise
            refused.append((str(path), str(error)))
        if progress:
            progress(done, len(paths))
    return Predicted(tuple(found), tuple(refused))

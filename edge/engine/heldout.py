"""Measuring a head on a folder with one sub-folder per concept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.engine.pictures import concept_folders, files_below
from edge.errors import BadImage, NotFound
from edge.head.trained import TrainedHead
from edge.image import prepare
from edge.metrics import Scored, evaluate
from edge.types import NOT_SHOWN, SHOWN, Evaluation

if TYPE_CHECKING:
    from edge.backbone.base import Backbone
    from edge.engine.engine import Progress


def evaluate_folder(
    backbone: Backbone,
    head: TrainedHead,
    folder: Path,
    renamed: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Held-out evaluation. A picture shows its folder's concept and none of the model's others.

    A folder has the concept's name, which is its id or what ``renamed`` says of that. Folders that are no concept of
    the model hold strangers: they show none. Raises NotFound.
    """
    files = files_of_concepts(folder, head.concepts, "the model", renamed)
    rows, labels, bad = [], [], 0
    for done, (path, name) in enumerate(files, start=1):
        try:
            rows.append(backbone.embed(prepare(path, backbone.card.preprocessing)))
            labels.append([SHOWN if concept == name else NOT_SHOWN for concept in head.concepts])
        except BadImage:
            bad += 1
        if progress:
            progress(done, len(files))
    if not rows:
        raise no_pictures(folder)
    return _judge(head, np.stack(rows), np.array(labels, dtype=np.int8), bad)


def files_of_concepts(
    folder: Path, concepts: Sequence[str], owner: str, renamed: Mapping[str, str] | None = None
) -> list[tuple[Path, str]]:
    """Every file in the sub-folders, with the id of the concept that its sub-folder is named after.

    ``owner`` ("the model") has the ``concepts``. Raises NotFound when no sub-folder is one of them.
    """
    names = renamed or {}
    ids = {name: id for id, name in names.items()}
    folders = [(one, ids.get(one.name, one.name)) for one in concept_folders(folder)]
    if not any(id in concepts for _, id in folders):
        has = ", ".join(names.get(one, one) for one in concepts)
        raise NotFound(f"no sub-folder of {folder} is a concept of {owner}; it has: {has}")
    return [(path, id) for one, id in folders for path in files_below(one)]


def no_pictures(folder: Path) -> NotFound:
    """What to raise when none of the files can be read as a picture."""
    return NotFound(f"no pictures in the sub-folders of {folder}; give JPEG, PNG or other image files")


def _judge(
    head: TrainedHead,
    embeddings: np.ndarray[tuple[int, ...], np.dtype[np.int8]],
    labels: np.ndarray[tuple[int, ...], np.dtype[np.int8]],
    bad: int,
) -> Evaluation:
    values, known = head.predict(embeddings)
    is_known = known > head.threshold
    stranger = ~(labels == SHOWN).any(axis=1)
    notes = []
    if stranger.any():
        notes.append(f"{int((~is_known[stranger]).sum())} of {int(stranger.sum())} strangers are told as none of these")
    if bad:
        notes.append(f"{bad} files could not be read as pictures and were left out")
    scored = Scored(
        head.concepts,
        head.mutually_exclusive,
        labels,
        values,
        np.ones(labels.shape, dtype=bool),
        np.where(stranger, np.nan, known),
        is_known,
    )
    return evaluate(scored, "held-out", tuple(notes))

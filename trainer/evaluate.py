"""Measure a fused file as anybody runs it: the bare graph on pictures, nothing of the engine between."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.backbone.card import parse_card
from edge.backbone.runtime import read_file
from edge.config import Config
from edge.engine.exporting import quantised, run
from edge.engine.heldout import files_of_concepts, no_pictures
from edge.engine.install import read_head
from edge.errors import BadImage
from edge.image import prepare
from edge.metrics import Scored, evaluate
from edge.types import NOT_SHOWN, SHOWN, BackboneCard, Evaluation


def evaluate_file(file: Path, data: Path, *, config: Config | None = None) -> Evaluation:
    """Held-out evaluation on a folder with one sub-folder per concept (its ``test`` folder where it is split).

    A picture shows its folder's concept and none of the file's others. ``known`` is no output of a fused file, so
    ``known_rate`` is None. Raises NotFound, BadHead (the file holds no concepts), BadBackbone.
    """
    config = config or Config.from_environment(os.environ)
    record, _ = read_head(file)
    card = parse_card(record.card, str(file))
    root = data / "test" if (data / "test").is_dir() else data
    files = files_of_concepts(root, record.concepts, "the file")
    shows: list[str] = []
    pictures = _pictures(files, card, shows)
    first = next(pictures, None)
    if first is None:
        raise no_pictures(root)
    values = run(read_file(file), _with(first, pictures), config)
    labels = np.array([[SHOWN if one == name else NOT_SHOWN for one in record.concepts] for name in shows], np.int8)
    bad = len(files) - len(shows)
    scored = Scored(
        record.concepts,
        record.mutually_exclusive,
        labels,
        values,
        np.ones(labels.shape, dtype=bool),
        np.full(len(labels), np.nan),
        np.zeros(len(labels), dtype=bool),
    )
    return evaluate(
        scored, "held-out", (f"{bad} files could not be read as pictures and were left out",) if bad else ()
    )


def _pictures(files: list[tuple[Path, str]], card: BackboneCard, shows: list[str]) -> Iterator[NDArray[np.generic]]:
    """Prepared pictures as the graph takes them; what each shows goes to ``shows``."""
    for path, name in tqdm(files, desc="pictures", disable=None, leave=False):
        try:
            picture = prepare(path, card.preprocessing)
        except BadImage:
            continue
        shows.append(name)
        yield quantised(picture, card)


def _with(first: NDArray[np.generic], rest: Iterator[NDArray[np.generic]]) -> Iterator[NDArray[np.generic]]:
    yield first
    yield from rest

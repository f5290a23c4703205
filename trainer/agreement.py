"""How far a fused file is from ``predict``: on the pictures it learned from and, what counts, on others.

    python -m trainer.agreement --data DIR... [--shots 10] [--seeds 1]

prints, for every folder of concepts, the share of pictures with the same highest concept and the largest difference of
any value, with the head in floats and in INT8. Only the head differs, so it runs on embeddings.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.backbone import catalogue
from edge.backbone.base import Backbone
from edge.config import DEFAULT_BACKBONE, Config
from edge.engine.exporting import run
from edge.errors import InvalidArgument
from edge.export.fuse import head_alone
from edge.head.background import Background
from edge.head.statistics import Statistics
from edge.head.trained import TrainedHead
from edge.head.training import Rows, train
from edge.types import BackboneCard
from trainer.data import concept_folders, embed_all, pictures

Embeddings = NDArray[np.int8]
_HEADER = "set                 concepts  head    stored same  held-out same  largest difference  accuracy  predict's"


@dataclass(frozen=True, eq=False)
class _Set:
    """Pictures of K concepts: (n, d) int8 embeddings, (n,) labels, (n,) True where held out."""

    concepts: tuple[str, ...]
    embeddings: Embeddings
    labels: NDArray[np.int64]
    test: NDArray[np.bool_]

    def split(self, shots: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows to learn from, and rows to be judged on: the test folder's, or all others. Raises InvalidArgument."""
        generator = np.random.Generator(np.random.PCG64(seed))
        chosen = []
        for label, concept in enumerate(self.concepts):
            rows = np.flatnonzero((self.labels == label) & ~self.test)
            if len(rows) < shots:
                raise InvalidArgument(f"{concept} has {len(rows)} pictures, {shots} are wanted; use fewer --shots")
            chosen.append(generator.permutation(rows)[:shots])
        taught = np.concatenate(chosen)
        held_out = np.flatnonzero(self.test) if self.test.any() else np.setdiff1d(np.arange(len(self.labels)), taught)
        return taught, held_out


def lines(folders: Sequence[Path], backbone: str, shots: int, seeds: int, config: Config) -> Iterator[str]:
    """The report, line by line. Raises NotFound, InvalidArgument (too few pictures for ``shots``)."""
    folder, card = catalogue.find_card(backbone, config)
    behind = catalogue.background(folder, card)
    opened: Backbone = catalogue.open_backbone(backbone, config)
    yield f"{backbone}, {opened.runtime}, {shots} shots, {seeds} seeds, mutually exclusive"
    yield _HEADER
    totals: dict[str, list[NDArray[np.float64]]] = {"float": [], "INT8": []}
    for one in folders:
        found = _load(one, opened)
        for kind, rows in _measured(found, card, behind, shots, seeds, config).items():
            totals[kind].append(rows)
            yield _line(one.name, len(found.concepts), kind, rows)
    for kind, all_rows in totals.items():
        yield _line("mean", 0, kind, np.mean(all_rows, axis=0))
    opened.close()


def _load(folder: Path, backbone: Backbone) -> _Set:
    concepts = tuple(path.name for path in concept_folders(folder))
    parts = [folder / "train", folder / "test"] if (folder / "train").is_dir() else [folder]
    files = [
        (path, label, part.name == "test")
        for part in parts
        for label, concept in enumerate(concepts)
        if (part / concept).is_dir()
        for path in pictures(part / concept)
    ]
    rows = embed_all([path for path, _, _ in files], backbone.card.preprocessing, backbone.embed, folder.name)
    labels, test = np.array([label for _, label, _ in files]), np.array([held for _, _, held in files])
    return _Set(concepts, np.asarray(rows, dtype=np.int8), labels, test)


def _line(name: str, concepts: int, kind: str, row: NDArray[np.float64]) -> str:
    stored, held_out, difference, accuracy, wanted = row
    return (
        f"{name:20}{concepts or '':>8}  {kind:6}{100 * stored:11.2f} %{100 * held_out:13.2f} %{difference:20.4f}"
        f"{100 * accuracy:8.1f} %{100 * wanted:9.1f} %"
    )


def _measured(
    one: _Set, card: BackboneCard, behind: Embeddings | None, shots: int, seeds: int, config: Config
) -> dict[str, NDArray[np.float64]]:
    """Kind of head -> means over seeds: same on stored, on held-out, difference, accuracy, accuracy of predict."""
    found: dict[str, list[list[float]]] = {"float": [], "INT8": []}
    for seed in range(seeds):
        taught, held_out = one.split(shots, seed)
        head = _head(one, taught, card, behind)
        stored, others, truth = one.embeddings[taught], one.embeddings[held_out], one.labels[held_out]
        samples = stored if behind is None else np.concatenate([stored, behind])
        known, wanted = head.predict(stored)[0], head.predict(others)[0]
        for kind, given in (("float", None), ("INT8", samples)):
            file = head_alone(card, head.linear(), given)
            values = run(file, others, config)
            found[kind].append(
                [
                    float((run(file, stored, config).argmax(axis=1) == known.argmax(axis=1)).mean()),
                    float((values.argmax(axis=1) == wanted.argmax(axis=1)).mean()),
                    float(np.abs(values - wanted).max()),
                    float((values.argmax(axis=1) == truth).mean()),
                    float((wanted.argmax(axis=1) == truth).mean()),
                ]
            )
    return {kind: np.mean(rows, axis=0) for kind, rows in found.items()}


def _head(one: _Set, taught: NDArray[np.intp], card: BackboneCard, behind: Embeddings | None) -> TrainedHead:
    labels = (one.labels[taught][:, np.newaxis] == np.arange(len(one.concepts))).astype(np.int8)
    statistics = Statistics(one.concepts, card.embedding, mutually_exclusive=True)
    statistics.update(one.embeddings[taught], None, labels)
    background = None if behind is None else Background.from_embeddings(behind, card.embedding, card.held_back)
    rows = Rows([str(number) for number in taught], one.embeddings[taught], labels)
    return train(statistics, background, rows).head


def main() -> None:
    """The command in this module's first lines."""
    parser = argparse.ArgumentParser(description="How far fused files are from predict.")
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--backbone", default=DEFAULT_BACKBONE)
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    config = Config.from_environment(os.environ)
    for line in lines(given.data, given.backbone, given.shots, given.seeds, config):
        print(line, flush=True)


if __name__ == "__main__":
    main()

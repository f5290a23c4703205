"""Which part of a picture to look at: few-shot accuracy of the INT8 backbone under each way to make it a square."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from _common import machine

from edge.backbone.catalogue import open_backbone
from edge.backbone.tflite import TfliteBackbone
from edge.config import DEFAULT_BACKBONE, Config
from edge.types import Preprocessing
from trainer.data import concept_folders, embed_all, pictures
from trainer.embeddings import unit
from trainer.parity import few_shot
from trainer.tables import print_table

# the first is what the others are compared with
WAYS: dict[str, tuple[str, float]] = {
    "centre 0.875": ("centre", 0.875),
    "centre 1.0": ("centre", 1.0),
    "whole, stretched": ("stretch", 1.0),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders of concepts, or folders of such"
    )
    arguments.add_argument("--backbone", default=DEFAULT_BACKBONE)
    arguments.add_argument("--shots", type=int, default=10)
    arguments.add_argument("--seeds", type=int, default=20)
    chosen = arguments.parse_args()
    backbone = open_backbone(chosen.backbone, Config(delegate="none", threads=1))
    print(machine())
    rows, all_sets = [], []
    for folder in sets(chosen.data):
        accuracies = measured(folder, backbone, chosen.shots, chosen.seeds)
        all_sets.append(accuracies)
        rows.append((folder.name, *_cells(accuracies)))
    rows.append(("mean", *_cells(np.mean(all_sets, axis=0))))
    print_table(
        ("set", *WAYS),
        rows,
        f"{chosen.shots}-shot accuracy in points, {chosen.backbone}, {chosen.seeds} draws; in brackets the paired "
        "difference from the first and its standard error over the draws",
    )


def sets(folders: list[Path]) -> Iterator[Path]:
    """Folders split into train and test, or with pictures one level down, among ``folders`` and their sub-folders."""
    for folder in folders:
        inner = sorted(path for path in folder.iterdir() if (path / "train").is_dir())
        yield from inner or [folder]


def measured(folder: Path, backbone: TfliteBackbone, shots: int, seeds: int) -> np.ndarray:
    """(ways, seeds) accuracies; the pictures of ``train`` and ``test`` together, those not learned from judge."""
    paths, labels = listing(folder)
    found = []
    for fit, crop in WAYS.values():
        size = backbone.card.preprocessing
        way: Preprocessing = replace(size, fit=fit, crop=crop)  # type: ignore[arg-type]
        z = unit(embed_all(paths, way, backbone.embed, folder.name), backbone.card.embedding)
        found.append([few_shot(z, labels, shots, seed) for seed in range(seeds)])
    return np.array(found)


def listing(folder: Path) -> tuple[list[Path], np.ndarray]:
    """Every picture of a set and the number of its concept."""
    concepts = [one.name for one in concept_folders(folder)]
    parts = [folder / "train", folder / "test"] if (folder / "train").is_dir() else [folder]
    found = [
        (path, label)
        for part in parts
        for label, concept in enumerate(concepts)
        if (part / concept).is_dir()
        for path in pictures(part / concept)
    ]
    return [path for path, _ in found], np.array([label for _, label in found])


def _cells(accuracies: np.ndarray) -> Iterator[str]:
    for way in 100 * accuracies:
        difference = way - 100 * accuracies[0]
        error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
        mark = f" ({difference.mean():+.2f} ±{error:.2f})" if difference.any() else ""
        yield f"{way.mean():.2f}{mark}"


if __name__ == "__main__":
    main()

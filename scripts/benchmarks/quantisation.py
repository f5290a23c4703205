"""What each step of the INT8 conversion is worth: embeddings and few-shot accuracy beside the float network's."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _common import machine
from crop import listing, sets
from tqdm import tqdm

from edge.image import prepare
from edge.types import EmbeddingPart, EmbeddingSpec, Preprocessing
from trainer.convert import float_embedder, quantise, to_float_tflite
from trainer.data import pictures, shuffled
from trainer.embeddings import unit
from trainer.export import CROP, FIT, MIDDLE_WEIGHT
from trainer.network import LICENCE, MEAN, SOURCE, STD, build
from trainer.parity import cosines, few_shot
from trainer.publish import card_for, open_bytes
from trainer.rounding import PICTURES, equalise, fold, round_weights, tensor
from trainer.tables import print_table

# steps before the quantiser, and the share of pictures whose extremes a range holds
ROWS = {
    "nearest": ((), 0.75),
    "nearest, equalised": ((equalise,), 0.75),
    "rounded": ((round_weights,), 0.75),
    "rounded, equalised": ((equalise, round_weights), 0.75),
    "the same, ranges 0.5": ((equalise, round_weights), 0.5),
    "the same, ranges 1.0": ((equalise, round_weights), 1.0),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders of concepts, or folders of such"
    )
    arguments.add_argument("--representative", type=Path, required=True)
    arguments.add_argument("--backbone", default="efficientnet-lite0")
    arguments.add_argument("--size", type=int, default=224)
    arguments.add_argument("--seeds", type=int, default=20)
    chosen = arguments.parse_args()
    bench = Bench(chosen.backbone, chosen.size, chosen.representative, chosen.data, chosen.seeds)
    print(machine())
    rows = [(name, *bench.cells(bench.int8(steps, share))) for name, (steps, share) in ROWS.items()]
    rows.append(("float network, embedding on 256 steps", *bench.cells(bench.on_steps())))
    print_table(
        ("conversion", "cosine", "lowest", "10-shot INT8", "points lost"),
        rows,
        f"{chosen.backbone} at {chosen.size}: {bench.used} representative pictures, {len(bench.labels)} sets, "
        f"{chosen.seeds} draws; float network {100 * bench.float_accuracy.mean():.2f}",
    )


class Bench:
    """The float network's embeddings and accuracies, and the same of its INT8 conversions."""

    def __init__(self, name: str, size: int, representative: Path, data: list[Path], seeds: int) -> None:
        self.size, self.seeds = size, seeds
        self.preprocessing = Preprocessing(size, size, FIT, CROP, MEAN, STD)
        found = shuffled(pictures(representative))
        self.used = len(found)
        listed = [listing(folder) for folder in sets(data)]
        self.labels = [labels for _, labels in listed]
        every = found + [path for paths, _ in listed for path in paths]
        self.pictures = np.stack([prepare(path, self.preprocessing) for path in tqdm(every, "pictures", disable=None)])
        network = build(name, size)
        self.folded = fold(deepcopy(network))
        embed = float_embedder(network, size)
        self.float_rows = np.stack([embed(picture) for picture in tqdm(self.pictures, "float", disable=None)])
        self.spec = _spec(network, self.pictures[:1])
        self.float_z = unit(self.float_rows, self.spec)
        self.float_accuracy = self._accuracy(self.float_z)

    def on_steps(self) -> np.ndarray:
        """z of the float network with every part of the embedding on 256 steps."""
        rows = self.float_rows.copy()
        for columns, _, _ in self.spec.shares():
            step = float(np.ptp(rows[:, columns])) / 255
            rows[:, columns] = np.rint(rows[:, columns] / step) * step
        return unit(rows, self.spec)

    def int8(self, steps: tuple, share: float) -> np.ndarray:  # type: ignore[type-arg]
        """z (n, d) of a conversion."""
        import torch

        network = deepcopy(self.folded)
        batches = [tensor(self.pictures[i : i + 8]) for i in range(0, min(self.used, PICTURES), 8)]
        with torch.no_grad():
            for step in steps:
                network = step(network, batches)
        with TemporaryDirectory() as folder:
            file = Path(folder) / "float.tflite"
            to_float_tflite(network, self.size, file)
            data = quantise(file, self.pictures[: self.used], share)
        card = card_for("trial", data, self.preprocessing, SOURCE, LICENCE, middle_weight=MIDDLE_WEIGHT)
        backbone = open_bytes(card, data)
        rows = [backbone.embed(picture) for picture in tqdm(self.pictures, "INT8", disable=None)]
        return unit(np.stack(rows), card.embedding)

    def _accuracy(self, rows: np.ndarray) -> np.ndarray:
        """(seeds,) mean over the sets."""
        ends = self.used + np.cumsum([0, *map(len, self.labels)])
        parts = [rows[start:end] for start, end in pairwise(ends)]
        found = [
            [few_shot(z, y, 10, seed) for seed in range(self.seeds)] for z, y in zip(parts, self.labels, strict=True)
        ]
        return np.mean(found, axis=0)

    def cells(self, rows: np.ndarray) -> Iterator[str]:
        cosine = cosines(self.float_z, rows)
        accuracy = self._accuracy(rows)
        lost = 100 * (self.float_accuracy - accuracy)
        yield f"{cosine.mean():.4f}"
        yield f"{cosine.min():.3f}"
        yield f"{100 * accuracy.mean():.2f}"
        yield f"{lost.mean():.2f} ±{lost.std(ddof=1) / np.sqrt(len(lost)):.2f}"


def _spec(network: object, pictures: np.ndarray) -> EmbeddingSpec:
    import torch

    with torch.no_grad():
        widths = [part.shape[1] for part in network(tensor(pictures))]  # type: ignore[operator]
    middle = [EmbeddingPart(width, 0, 1.0, "l2", MIDDLE_WEIGHT) for width in widths[1:]]
    return EmbeddingSpec((EmbeddingPart(widths[0], 0, 1.0), *middle))


if __name__ == "__main__":
    main()

"""Do frames of one moment vouch for each other? Which pictures count as one moment, and what leaving them out changes.

    scripts/bench moments --data DIR... [--shots 12] [--seeds 5]

Of every concept a third of the pictures is photographs (of the set); each comes with two more frames: a little turned,
reframed, brighter or darker, blurred, recompressed. "one by one" leaves single pictures out, "by moment" is what a
version says of itself, "held out" the truth on the set's other pictures.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from _sets import Bench, options
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from edge.head import training as head_training
from edge.head.moments import moments
from edge.head.training import Training
from edge.head.transform import transform
from edge.image import prepare
from trainer.sets import LabelledSet, Split, few_shot
from trainer.tables import print_table

_FRAMES = 2
_WHAT = ("photographs joined", "frames joined", "one by one", "by moment", "held out")


def main() -> None:
    chosen = options(__doc__, shots=12)
    bench = Bench(chosen)
    figures: dict[str, list[list[float]]] = {}
    for one in bench.sets():
        for seed in range(chosen.seeds):
            split = few_shot(one, chosen.shots // (_FRAMES + 1), seed)
            figures.setdefault(one.name, []).append(_measure(bench, one, split, seed))
    print(f"\n{chosen.backbone}, {chosen.shots} pictures per concept, {chosen.seeds} seeds; in %\n")
    means = {name: np.mean(rows, axis=0) for name, rows in figures.items()}
    rows = [
        [
            what,
            *(f"{100 * mean[index]:.1f}" for mean in means.values()),
            f"{100 * np.mean([*means.values()], 0)[index]:.1f}",
        ]
        for index, what in enumerate(_WHAT)
    ]
    print_table(["", *means, "mean"], rows)
    for index in (2, 3):
        wrong = np.mean([abs(mean[index] - mean[4]) for mean in means.values()])
        print(f"{_WHAT[index]}: {100 * wrong:.1f} points from the truth, mean over sets")


def _measure(bench: Bench, one: LabelledSet, split: Split, seed: int) -> list[float]:
    rng = np.random.Generator(np.random.PCG64(seed))
    photographs = one.embeddings[split.train]
    frames = [
        bench.backbone.embed(prepare(f, bench.card.preprocessing))
        for row in split.train
        for f in _burst(one.paths[row], rng)
    ]
    embeddings = np.concatenate([photographs, np.stack(frames)])
    origin = np.concatenate([np.arange(len(split.train)), np.repeat(np.arange(len(split.train)), _FRAMES)])
    found = moments(transform(embeddings, bench.card.embedding))  # type: ignore[arg-type]
    taught = replace(
        one,
        embeddings=embeddings,
        labels=one.labels[split.train][origin],
        paths=tuple(Path(str(number)) for number in range(len(origin))),
    )
    judge = bench.judge(taught)
    everything = np.arange(len(origin))
    by_moment = judge.training(Split(everything, everything))
    with patch.object(head_training, "moments", lambda z: np.arange(len(z))):
        one_by_one = judge.training(Split(everything, everything))
    held_out = by_moment.head.predict(one.embeddings[split.test])[0].argmax(axis=1) == one.labels[split.test]  # type: ignore[arg-type]
    apart = len(np.unique(found[: len(split.train)])) / len(split.train)
    together = found[len(split.train) :] == found[origin[len(split.train) :]]
    return [
        1 - apart,
        float(together.mean()),
        _accuracy(one_by_one, taught.labels),
        _accuracy(by_moment, taught.labels),
        float(held_out.mean()),
    ]


def _accuracy(training: Training, labels: NDArray[np.int64]) -> float:
    judged = training.evaluable.any(axis=1)
    return float((training.values.argmax(axis=1) == labels)[judged].mean())


def _burst(path: Path, rng: np.random.Generator) -> list[bytes]:
    """Frames that a hand would have taken in the same second."""
    frames = []
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    for number in range(_FRAMES):
        turned = picture.rotate(rng.uniform(-2, 2), resample=Image.Resampling.BICUBIC)
        scale = 1 - rng.uniform(0, 0.06)
        width, height = int(picture.width * scale), int(picture.height * scale)
        left, top = (
            int(rng.uniform(0, whole - part)) for whole, part in ((picture.width, width), (picture.height, height))
        )
        frame = ImageEnhance.Brightness(turned.crop((left, top, left + width, top + height))).enhance(
            rng.uniform(0.9, 1.1)
        )
        if number % 2:
            frame = frame.filter(ImageFilter.GaussianBlur(picture.width / 500))
        buffer = io.BytesIO()
        frame.save(buffer, "JPEG", quality=80)
        frames.append(buffer.getvalue())
    return frames


if __name__ == "__main__":
    main()

"""Are the scores honest? Top-label calibration error and log loss on held-out pictures, beside logistic regression.

    scripts/bench calibration --data DIR... [--shots 10] [--seeds 5]

Calibration error over 10 bins of equal mass. A perfectly honest head does not reach 0 on a finite test set: "floor" is
what it would print on the same values, with outcomes drawn from them. "leave-one-out" is what the version says of
itself, from the taught pictures alone.
"""

from __future__ import annotations

import numpy as np
from _sets import Bench, options
from numpy.typing import NDArray

from edge.metrics import calibration_error
from trainer.baselines import logistic_regression, plain
from trainer.sets import LabelledSet, Split
from trainer.tables import interval, print_table

Float = NDArray[np.float64]
_COMPARED = ("ours", "logistic regression")


def main() -> None:
    chosen = options(__doc__)
    bench = Bench(chosen)
    figures: dict[str, dict[str, list[list[float]]]] = {}
    for one in bench.sets():
        judge = bench.judge(one)
        x = plain(one.embeddings, bench.card.embedding.parts[0])  # type: ignore[arg-type]
        for seed, split in enumerate(bench.splits(one)):
            training = judge.training(split)
            ours = training.head.predict(one.embeddings[split.test])[0]  # type: ignore[arg-type]
            baseline = logistic_regression(x[split.train], one.labels[split.train], x[split.test])
            for name, values in zip(_COMPARED, (ours, baseline), strict=True):
                figures.setdefault(name, {}).setdefault(one.name, []).append(_judged(values, one, split, seed))
            itself = _judged_values(training.values, one.labels[split.train], seed)
            figures.setdefault("ours, leave-one-out", {}).setdefault(one.name, []).append(itself)
    print(f"\n{chosen.backbone}, {chosen.shots} pictures per concept, {chosen.seeds} seeds\n")
    for index, what in enumerate(("calibration error", "floor of the calibration error", "log loss", "accuracy")):
        print(what)
        _table(figures, index)
    losses = [np.mean([[one[2] for one in seeds] for seeds in figures[m].values()], axis=0) for m in _COMPARED]
    print("log loss, ours minus logistic regression: {} ({})".format(*interval(losses[0] - losses[1])))


def _judged(values: Float, one: LabelledSet, split: Split, seed: int) -> list[float]:
    return _judged_values(values, one.labels[split.test], seed)


def _judged_values(values: Float, labels: NDArray[np.int64], seed: int) -> list[float]:
    """[calibration error, its floor, log loss, accuracy]."""
    top = values.max(axis=1)
    right = values.argmax(axis=1) == labels
    generator = np.random.Generator(np.random.PCG64(seed))
    floor = np.mean([calibration_error(top, generator.random(len(top)) < top) for _ in range(20)])
    loss = -np.log(np.maximum(values[np.arange(len(labels)), labels], 1e-12)).mean()
    return [calibration_error(top, right), float(floor), float(loss), float(right.mean())]


def _table(figures: dict[str, dict[str, list[list[float]]]], index: int) -> None:
    names = list(figures["ours"])
    rows = []
    for method, sets in figures.items():
        means = [float(np.mean([one[index] for one in sets[name]])) for name in names]
        rows.append([method, *(f"{mean:.3f}" for mean in means), f"{np.mean(means):.3f}"])
    print_table(["", *names, "mean"], rows)
    print()


if __name__ == "__main__":
    main()

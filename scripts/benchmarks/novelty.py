"""Does it know what it has never been taught? ``known`` on strangers, beside the largest softmax probability.

    scripts/bench novelty --data DIR... [--shots 10] [--seeds 5]

Near strangers: half of a set's concepts are taught, its test pictures of the other half are strangers. Far strangers:
test pictures of all other sets. AUROC of ``known`` (100: every taught picture above every stranger), share of
strangers taken for known where 95 % of the taught test pictures are (FPR95), and what ``is_known`` does at the
version's own threshold. Logistic regression is fitted on the plain last-layer embeddings.
"""

from __future__ import annotations

import numpy as np
from _sets import Bench, options
from numpy.typing import NDArray

from trainer.baselines import logistic_regression, plain
from trainer.comparison import Judge
from trainer.sets import LabelledSet, Split
from trainer.tables import interval, print_table

Float = NDArray[np.float64]


def main() -> None:
    chosen = options(__doc__)
    bench = Bench(chosen)
    sets = list(bench.sets())
    figures: dict[str, dict[str, list[float]]] = {}
    for one in sets:
        foreign = [other.embeddings[_sample(other)] for other in sets if other is not one]
        far = np.concatenate(foreign) if foreign else None
        for seed in range(chosen.seeds):
            for name, value in _measure(bench, one, far, chosen.shots, seed).items():
                figures.setdefault(name, {}).setdefault(one.name, []).append(value)
    print(f"\n{chosen.backbone}, {chosen.shots} pictures per concept, {chosen.seeds} seeds; in %\n")
    names = [one.name for one in sets]
    print_table(["", *names, "mean"], [
        [what, *(f"{np.mean(found[name]):.1f}" for name in names),
         f"{np.mean([np.mean(found[name]) for name in names]):.2f}"]
        for what, found in figures.items()
    ])  # fmt: skip
    for where in ("near", "far"):
        if f"{where}: logistic regression, AUROC" in figures:
            apart = [
                np.subtract(figures[f"{where}: known, AUROC"][n], figures[f"{where}: logistic regression, AUROC"][n])
                for n in names
            ]
            print(f"{where}, known minus logistic regression: {' ('.join(interval(np.mean(apart, axis=0)))})")


def _sample(one: LabelledSet) -> NDArray[np.intp]:
    """Every eighth test picture: strangers enough."""
    rows = np.flatnonzero(one.test) if one.test.any() else np.arange(len(one.labels))
    return rows[::8]


def _measure(
    bench: Bench, one: LabelledSet, far: NDArray[np.generic] | None, shots: int, seed: int
) -> dict[str, float]:
    generator = np.random.Generator(np.random.PCG64(1000 + seed))
    taught = np.sort(generator.permutation(len(one.concepts))[: max(2, len(one.concepts) // 2)])
    part, split = _half(one, taught, shots, generator)
    head = Judge(part, bench.card, bench.background).training(split).head
    x = plain(part.embeddings, bench.card.embedding.parts[0])  # type: ignore[arg-type]

    def both(embeddings: NDArray[np.generic]) -> tuple[Float, Float]:
        plain_rows = plain(embeddings, bench.card.embedding.parts[0])  # type: ignore[arg-type]
        other = logistic_regression(x[split.train], part.labels[split.train], plain_rows).max(axis=1)
        return head.predict(embeddings)[1], other  # type: ignore[arg-type]

    held = np.flatnonzero(one.test) if one.test.any() else np.arange(len(one.labels))
    rows = {"taught": part.embeddings[split.test], "near": one.embeddings[held[~np.isin(one.labels[held], taught)]]}
    if far is not None:
        rows["far"] = far
    count = np.cumsum([len(one) for one in rows.values()])[:-1]
    ours, theirs = (np.split(values, count) for values in both(np.concatenate(list(rows.values()))))
    found = {"taught: is_known": 100 * float((ours[0] > head.threshold).mean())}
    for index, where in enumerate(list(rows)[1:], start=1):
        found[f"{where}: known, AUROC"] = auroc(ours[0], ours[index])
        found[f"{where}: logistic regression, AUROC"] = auroc(theirs[0], theirs[index])
        found[f"{where}: known, FPR95"] = false_alarms(ours[0], ours[index])
        found[f"{where}: logistic regression, FPR95"] = false_alarms(theirs[0], theirs[index])
        found[f"{where}: is_known"] = 100 * float((ours[index] > head.threshold).mean())
    return found


def _half(
    one: LabelledSet, taught: NDArray[np.intp], shots: int, generator: np.random.Generator
) -> tuple[LabelledSet, Split]:
    """The set with only the taught concepts, and a split of it."""
    keep = np.flatnonzero(np.isin(one.labels, taught))
    part = LabelledSet(
        one.name,
        tuple(one.concepts[k] for k in taught),
        tuple(one.paths[i] for i in keep),
        one.embeddings[keep],
        np.searchsorted(taught, one.labels[keep]),
        one.test[keep],
    )
    pool = ~part.test
    rows = [generator.permutation(np.flatnonzero(pool & (part.labels == k)))[:shots] for k in range(len(taught))]
    train = np.concatenate(rows)
    test = np.flatnonzero(part.test) if part.test.any() else np.setdiff1d(np.arange(len(part.labels)), train)
    return part, Split(train, test)


def auroc(inside: Float, outside: Float) -> float:
    """Share of (taught, stranger) pairs in the right order, ties half, in %."""
    order = np.sort(outside)
    below = np.searchsorted(order, inside, side="left") + np.searchsorted(order, inside, side="right")
    return 100 * float(below.mean()) / (2 * len(outside))


def false_alarms(inside: Float, outside: Float) -> float:
    """Share of strangers at least as known as 95 % of the taught, in %."""
    return 100 * float((outside >= np.quantile(inside, 0.05)).mean())


if __name__ == "__main__":
    main()

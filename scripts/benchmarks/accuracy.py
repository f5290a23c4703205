"""Few-shot accuracy of our head beside logistic regression, prototypes and nearest neighbours; INT8 beside FP32.

    scripts/bench accuracy --data DIR... [--shots 10] [--seeds 5] [--unequal]

Each DIR holds one folder per concept (or train/ and test/ with those), or several such sets. All methods see the same
embeddings and splits. "ours" uses the constants that ship; "ours, chosen elsewhere" uses, for each set, the constants
that did best on the other sets. Differences come with 95 % intervals over seeds, paired. --unequal: concepts have a
fifth, two fifths, four fifths or all of the shots, as they have in life.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from _sets import CACHE, Bench, options

from edge.head.pooled import Constants
from edge.types import BackboneCard
from trainer.baselines import cosine_prototypes, logistic_regression, nearest_neighbours, plain
from trainer.comparison import Judge, Variant
from trainer.sets import LabelledSet, Split, load_set
from trainer.tables import interval, print_table

GRID = [
    Variant(Constants(prior_share=nu, background_weight=beta, shrinkage=shrinkage), middle)
    for nu in (1.0, 2.0)
    for beta in (5.0, 20.0)
    for shrinkage in (1.0, 2.0, 4.0)
    for middle in (0.35, 0.5)
]


def main() -> None:
    chosen = options(__doc__)
    bench = Bench(chosen)
    card, background = bench.card, bench.background
    results: dict[str, dict[str, list[float]]] = {}
    grid: dict[str, list[list[float]]] = {}
    names = []
    for one in bench.sets():
        floats = None if chosen.no_float else _float_set(one, card, chosen.backbone)
        names.append(one.name)
        splits = bench.splits(one)
        for name, accuracies in _methods(one, floats, card, background, splits, chosen.unequal).items():
            results.setdefault(name, {})[one.name] = accuracies
        judge = bench.judge(one)
        grid[one.name] = [[_accuracy(one, split, judge.scores(split, v)) for split in splits] for v in GRID]
    if len(names) > 2:
        results["ours, chosen elsewhere"] = {name: grid[name][_best(grid, name)] for name in names}
    _report(results, names, chosen)


def _methods(
    one: LabelledSet,
    floats: LabelledSet | None,
    card: BackboneCard,
    background: np.ndarray[tuple[int, ...], np.dtype[np.int8]] | None,
    splits: list[Split],
    unequal: bool,
) -> dict[str, list[float]]:
    x = plain(one.embeddings, card.embedding.parts[0])  # type: ignore[arg-type]
    judge = Judge(one, card, background)

    def of(scores: Callable[[Split], np.ndarray[tuple[int, ...], np.dtype[np.float64]]]) -> list[float]:
        return [_accuracy(one, split, scores(split)) for split in splits]

    def on_plain(method: Callable[..., np.ndarray[tuple[int, ...], np.dtype[np.float64]]]) -> list[float]:
        return of(lambda s: method(x[s.train], one.labels[s.train], x[s.test]))

    found = {
        "ours": of(judge.scores),
        "logistic regression": on_plain(logistic_regression),
        "cosine prototype": on_plain(cosine_prototypes),
        "5 nearest neighbours": on_plain(nearest_neighbours),
    }
    if unequal:
        found["the same, concepts weighed alike"] = on_plain(partial(logistic_regression, balanced=True))
    if len(card.embedding.parts) > 1:
        found["ours, last layer only"] = of(lambda s: judge.scores(s, Variant(middle=0)))
    if floats is not None:
        float_judge = Judge(floats, card, background)
        found["ours, FP32"] = [_accuracy(floats, split, float_judge.scores(split)) for split in splits]
    return found


def _float_set(one: LabelledSet, card: BackboneCard, name: str) -> LabelledSet:
    from trainer.convert import float_embedder
    from trainer.network import build

    architecture, _, size = name.rpartition("-")
    embed = float_embedder(build(architecture, int(size)), int(size))
    folder = one.paths[0].parents[2] if one.test.any() else one.paths[0].parents[1]
    return load_set(folder, card.preprocessing, embed, CACHE, f"float {name} {card.sha256}")


def _accuracy(one: LabelledSet, split: Split, scores: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return 100 * float((scores.argmax(axis=1) == one.labels[split.test]).mean())


def _best(grid: dict[str, list[list[float]]], left_out: str) -> int:
    others = [np.mean(grid[name], axis=1) for name in grid if name != left_out]
    return int(np.mean(others, axis=0).argmax())


def _report(results: dict[str, dict[str, list[float]]], names: list[str], chosen: argparse.Namespace) -> None:
    shots = f"at most {chosen.shots}" if chosen.unequal else f"{chosen.shots}"
    print(f"\n{chosen.backbone}, {shots} pictures per concept, {chosen.seeds} seeds; accuracy in %\n")
    print_table(["", *names, "mean"], [
        [method, *(f"{np.mean(results[method][name]):.1f}" for name in names),
         f"{np.mean([np.mean(results[method][name]) for name in names]):.2f}"]
        for method in results
    ])  # fmt: skip
    print("\nours minus each, in points: mean over sets, 95 % interval over seeds, and the worst set")
    rows = []
    for method in results:
        if method != "ours":
            apart = np.array([np.subtract(results["ours"][name], results[method][name]) for name in names])
            worst = int(apart.mean(axis=1).argmin())
            rows.append([method, *interval(apart.mean(axis=0)), f"{names[worst]} {apart[worst].mean():+.1f}"])
    print_table(["", "difference", "interval", "worst set"], rows)


if __name__ == "__main__":
    main()

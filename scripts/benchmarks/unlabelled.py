"""Do unlabelled pictures help? Accuracy without them, always with them, and where the model says that they help.

    scripts/bench unlabelled --data DIR... [--shots 5] [--seeds 5]

The other training pictures are the unlabelled ones; judged on the held-out pictures, which no training sees. A version
takes unlabelled pictures in when the log loss of labelled ones, held out by fifths, falls by over a standard error.
"always, chosen elsewhere": how sure the head must be of a picture to take it in is, for each set, what did best on the
others. "it says" is what the version's own evaluation says of its accuracy.
"""

from __future__ import annotations

import numpy as np
from _sets import Bench, options
from numpy.typing import NDArray

from edge.head.background import Background
from edge.head.statistics import Statistics
from edge.head.training import Rows, Training
from edge.head.unlabelled import SURE, Helped, join, train_with
from trainer.comparison import one_hot
from trainer.sets import LabelledSet, Split
from trainer.tables import interval, print_table

_WAYS = ("off", "always", "where it says it helps", "always, chosen elsewhere")
_GRID = (0.7, SURE, 0.9)


def main() -> None:
    chosen = options(__doc__, shots=5)
    bench = Bench(chosen)
    background = None
    if bench.background is not None:
        background = Background.from_embeddings(bench.background, bench.card.embedding, bench.card.held_back)
    accuracy: dict[str, dict[str, list[float]]] = {way: {} for way in _WAYS}
    loss: dict[str, dict[str, list[float]]] = {way: {} for way in _WAYS}
    grid: dict[float, dict[str, list[tuple[float, float, float]]]] = {sure: {} for sure in _GRID}
    seen: dict[str, dict[str, list[float]]] = {way: {} for way in _WAYS[:3]}
    says: dict[str, dict[str, list[float]]] = {way: {} for way in ("off", _WAYS[2])}
    used: dict[str, list[bool]] = {}
    part: dict[str, list[float]] = {}
    for one in bench.sets():
        for split in bench.splits(one):
            found, test, others = _helped(bench, background, one, split)
            used.setdefault(one.name, []).append(found.used)
            part.setdefault(one.name, []).append(found.took_part)
            for way, training in zip(_WAYS, (found.alone, found.together, found.training), strict=False):
                for figures, value in zip((accuracy, loss, seen), _judged(training, one, test), strict=True):
                    figures[way].setdefault(one.name, []).append(value)
            for way, training in (("off", found.alone), (_WAYS[2], found.training)):
                says[way].setdefault(one.name, []).append(_itself(training, one.labels[split.train]))
            for sure, other in {**others, SURE: found.together}.items():
                grid[sure].setdefault(one.name, []).append(_judged(other, one, test))
    for name in used:
        others = [float(np.mean([np.mean(grid[s][n], axis=0)[0] for n in used if n != name] or [0.0])) for s in _GRID]
        best = grid[_GRID[int(np.argmax(others))]][name]
        accuracy[_WAYS[3]][name], loss[_WAYS[3]][name] = ([one[index] for one in best] for index in (0, 1))
    print(f"\n{chosen.backbone}, {chosen.shots} pictures per concept, {chosen.seeds} seeds\n")
    names = list(used)
    if len(names) < 2:
        del accuracy[_WAYS[3]], loss[_WAYS[3]]
    _table("accuracy in %", accuracy, names, ".1f")
    _table("log loss", loss, names, ".3f")
    _table("accuracy it says it has, in %", says, names, ".1f")
    _table("held-out pictures with is_known, in %", seen, names, ".1f")
    print_table(["", *names], [
        ["versions that took them in", *(f"{sum(used[n])} of {len(used[n])}" for n in names)],
        ["pictures that took part", *(f"{np.mean(part[n]):.0f}" for n in names)],
    ])  # fmt: skip
    for way in list(accuracy)[1:]:
        for what, figures in (("accuracy", accuracy), ("log loss", loss)):
            apart = np.array([np.subtract(figures[way][n], figures["off"][n]) for n in names])
            worst = int((apart if what == "accuracy" else -apart).mean(axis=1).argmin())
            print("{}, {} minus off: {} ({}), worst {} {:+.2f}".format(
                what, way, *interval(apart.mean(axis=0)), names[worst], apart[worst].mean()
            ))  # fmt: skip


def _judged(training: Training, one: LabelledSet, test: NDArray[np.intp]) -> tuple[float, float, float]:
    """Accuracy in %, log loss and share of ``is_known`` in % on the ``test`` pictures."""
    values, known = training.head.predict(one.embeddings[test])  # type: ignore[arg-type]
    right = one.labels[test]
    true = np.maximum(values[np.arange(len(test)), right], 1e-12)
    hits = values.argmax(axis=1) == right
    return 100 * float(hits.mean()), float(-np.log(true).mean()), 100 * float((known > training.head.threshold).mean())


def _itself(training: Training, labels: NDArray[np.int64]) -> float:
    """The accuracy in % that the version's own evaluation states."""
    which = training.evaluable.any(axis=1)
    return 100 * float((training.values[which].argmax(axis=1) == labels[which]).mean())


def _helped(
    bench: Bench, background: Background | None, one: LabelledSet, split: Split
) -> tuple[Helped, NDArray[np.intp], dict[float, Training]]:
    """The training with the rest of the training pictures, the test pictures, and trainings less or more sure.

    Without a test folder half of the rest is held out.
    """
    rest = np.setdiff1d(np.flatnonzero(~one.test), split.train)
    pool, test = (rest, split.test) if one.test.any() else (rest[::2], rest[1::2])
    statistics = Statistics(one.concepts, bench.card.embedding, mutually_exclusive=True)
    labels = one_hot(one.labels[split.train], len(one.concepts))
    embeddings = one.embeddings[split.train]
    statistics.update(embeddings, None, labels)  # type: ignore[arg-type]
    rows = Rows([str(one.paths[i]) for i in split.train], embeddings, labels)  # type: ignore[arg-type]
    others: NDArray[np.int8] = one.embeddings[pool]  # type: ignore[assignment]
    found = train_with(statistics, background, rows, others)
    more = {s: join(statistics, background, rows, others, found.alone, s) for s in _GRID if s != SURE}
    return found, test, more


def _table(what: str, figures: dict[str, dict[str, list[float]]], names: list[str], form: str) -> None:
    print(what)
    print_table(["", *names, "mean"], [
        [way, *(f"{np.mean(found[n]):{form}}" for n in names), f"{np.mean([np.mean(found[n]) for n in names]):.3f}"]
        for way, found in figures.items()
    ])  # fmt: skip
    print()


if __name__ == "__main__":
    main()

"""Several concepts in one picture: mean average precision beside one-vs-rest logistic regression.

    scripts/bench multilabel --data DIR... [--shots 10] [--seeds 5]

Each DIR holds labels.csv with the columns file, split (train or test) and labels (joined by "|"), or several such
folders. Random training pictures are drawn until --shots of them show each concept; all methods see the same pictures
and labels, and are judged on the test pictures. Three ways to annotate them:

complete    every picture says of every concept whether it shows it
positives   what a picture shows is said, nothing else; logistic regression must take the rest for "not shown"
explicit    besides, each concept is said not to be shown by as many pictures as show it; the rest stays unknown, and
            logistic regression, one model per concept, leaves it out

Logistic regression has its C chosen by cross-validation, on the plain last layer and on all parts of z. Differences
come with 95 % intervals over seeds, paired.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _sets import CACHE, Bench, options
from numpy.typing import NDArray

from edge.errors import InvalidArgument, NotFound
from edge.head.background import Background
from edge.head.statistics import Statistics
from edge.head.training import Rows, train
from edge.metrics import average_precision
from trainer.baselines import logistic_regression, plain
from trainer.embeddings import unit
from trainer.sets import embedded
from trainer.tables import interval, print_table

Float = NDArray[np.float64]
Labels = NDArray[np.int8]
_FOLDS = 3


@dataclass(frozen=True, eq=False)
class Pictures:
    """A set whose pictures show several concepts: ``shown`` (n, K), ``test`` (n,) held out."""

    name: str
    concepts: tuple[str, ...]
    paths: tuple[Path, ...]
    embeddings: NDArray[np.int8]
    shown: NDArray[np.bool_]
    test: NDArray[np.bool_]


def main() -> None:
    chosen = options(__doc__)
    bench = Bench(chosen)
    background = None
    if bench.background is not None:
        background = Background.from_embeddings(bench.background, bench.card.embedding, bench.card.held_back)
    for one in sets(bench, chosen.data):
        print(f"{one.name}: {len(one.paths)} pictures, {len(one.concepts)} concepts", flush=True)
        found: dict[str, dict[str, list[Float]]] = {}
        sizes = []
        for seed in range(chosen.seeds):
            generator = np.random.Generator(np.random.PCG64(seed))
            rows = drawn(one, chosen.shots, generator)
            sizes.append(len(rows))
            for way, labels in annotated(one.shown[rows], generator).items():
                for method, values in _answers(bench, background, one, rows, labels).items():
                    found.setdefault(way, {}).setdefault(method, []).append(precisions(one, values))
        pictures = f"{min(sizes)} to {max(sizes)} pictures"
        print(f"\n{chosen.backbone}, {one.name}: {chosen.shots} pictures or more of each concept, {pictures} in all")
        print(f"{chosen.seeds} seeds; average precision in %")
        report(one.concepts, found)


def sets(bench: Bench, folders: Sequence[Path]) -> Iterator[Pictures]:
    """Folders with a ``labels.csv`` among ``folders`` and one level below. Raises NotFound when there is none."""
    files = [file for folder in folders for file in (folder / "labels.csv", *sorted(folder.glob("*/labels.csv")))]
    files = [file for file in files if file.is_file()]
    if not files:
        raise NotFound(f"no labels.csv in {', '.join(map(str, folders))}; give --data DIR with one")
    for file in files:
        with file.open(newline="", encoding="utf-8") as text:
            table = list(csv.DictReader(text))
        said = [set(row["labels"].split("|")) - {""} for row in table]
        concepts = tuple(sorted(set().union(*said)))
        paths = tuple(file.parent / row["file"] for row in table)
        embeddings: NDArray[np.int8] = embedded(  # type: ignore[assignment]
            paths, file.parent.name, bench.card.preprocessing, bench.backbone.embed, CACHE, bench.card.sha256
        )
        shown = np.array([[concept in each for concept in concepts] for each in said])
        yield Pictures(
            file.parent.name, concepts, paths, embeddings, shown, np.array([row["split"] == "test" for row in table])
        )


def drawn(one: Pictures, shots: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Training rows of which at least ``shots`` show each concept: each in turn draws what it still lacks."""
    rows: list[int] = []
    for column in generator.permutation(len(one.concepts)):
        can = np.flatnonzero(one.shown[:, column] & ~one.test)
        if len(can) < shots:
            raise InvalidArgument(f"{len(can)} pictures show {one.concepts[column]}, {shots} are wanted")
        lacking = shots - int(one.shown[rows, column].sum())
        rows += generator.permutation(np.setdiff1d(can, rows))[: max(0, lacking)].tolist()
    return np.sort(np.array(rows))


def annotated(shown: NDArray[np.bool_], generator: np.random.Generator) -> dict[str, Labels]:
    """(n, K) labels in {1, 0, -1} for each way to annotate."""
    complete = shown.astype(np.int8)
    positives = np.where(shown, 1, -1).astype(np.int8)
    explicit = positives.copy()
    for column in range(shown.shape[1]):
        others = generator.permutation(np.flatnonzero(~shown[:, column]))
        explicit[others[: int(shown[:, column].sum())], column] = 0
    return {"complete": complete, "positives": positives, "explicit": explicit}


def _answers(
    bench: Bench, background: Background | None, one: Pictures, rows: NDArray[np.intp], labels: Labels
) -> dict[str, Float]:
    """(m, K) values of the test pictures by each method."""
    spec = bench.card.embedding
    statistics = Statistics(one.concepts, spec, mutually_exclusive=False)
    statistics.update(one.embeddings[rows], None, labels)
    ids = [str(one.paths[row]) for row in rows]
    head = train(statistics, background, Rows(ids, one.embeddings[rows], labels)).head
    last, whole = plain(one.embeddings, spec.parts[0]), unit(one.embeddings, spec)
    return {
        "ours": head.predict(one.embeddings[one.test])[0],
        "logistic regression": one_vs_rest(last[rows], labels, last[one.test]),
        "logistic regression on z": one_vs_rest(whole[rows], labels, whole[one.test]),
    }


def one_vs_rest(x: Float, labels: Labels, test: Float) -> Float:
    """(m, K) probabilities: a model per concept on the pictures that say something of it, or on all of them, unknown
    as not shown, where nothing says "not shown"."""
    out = np.empty((len(test), labels.shape[1]))
    for column in range(labels.shape[1]):
        y = labels[:, column]
        use = y != -1 if (y == 0).any() else np.ones(len(y), dtype=bool)
        out[:, column] = logistic_regression(x[use], (y[use] == 1).astype(np.int64), test, _FOLDS)[:, 1]
    return out


def precisions(one: Pictures, values: Float) -> Float:
    """(K,) average precision on the test pictures, in %."""
    shown = one.shown[one.test]
    return np.array([100 * (average_precision(shown[:, k], values[:, k]) or 0.0) for k in range(shown.shape[1])])


def report(concepts: Sequence[str], found: dict[str, dict[str, list[Float]]]) -> None:
    for way, methods in found.items():
        print(f"\n{way}")
        print_table(["", *concepts, "mean"], [
            [method, *(f"{one:.1f}" for one in np.mean(seeds, axis=0)), f"{np.mean(seeds):.2f}"]
            for method, seeds in methods.items()
        ])  # fmt: skip
    print("\nours minus each, mean average precision in points, 95 % interval over seeds")
    rows = [
        [f"{way}: {method}", *interval(np.mean(methods["ours"], axis=1) - np.mean(seeds, axis=1))]
        for way, methods in found.items()
        for method, seeds in methods.items()
        if method != "ours"
    ]
    print_table(["", "difference", "interval"], rows)
    rows = [
        [
            f"{way} minus complete",
            *interval(np.subtract(np.mean(found[way]["ours"], 1), np.mean(found["complete"]["ours"], 1))),
        ]
        for way in ("explicit", "positives")
    ]
    print("\nours, what less annotation costs")
    print_table(["", "difference", "interval"], rows)


if __name__ == "__main__":
    main()

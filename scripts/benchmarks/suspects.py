"""Are wrong labels found? 5 % are flipped, and the share of them in the first 10 % of the list is counted.

    scripts/bench suspects --data DIR... [--shots 20] [--seeds 5] [--flipped 0.05]

The list is ``edge.head.suspects``. Beside it: the leave-one-out value it begins with, confident learning as
cleanlab does it (Northcutt, Jiang & Chuang 2021: out-of-sample probabilities by cross-validated logistic regression,
ranked by the given label's, or by its distance to the best other) and how few of the 5 nearest neighbours agree.
A set with fewer pictures of a concept than --shots takes what there is. What else is wrong with a set's own labels
counts against every method alike. "independent": the same pictures as a model of concepts that do not exclude each
other, each picture said to show its own and none of the others.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from _sets import Bench
from numpy.typing import NDArray

from edge.config import DEFAULT_BACKBONE
from edge.head.background import Background
from edge.head.statistics import Statistics
from edge.head.suspects import suspects
from edge.head.training import Rows, train
from trainer.baselines import nearest_neighbours, plain
from trainer.comparison import one_hot
from trainer.network import trainer_packages
from trainer.sets import LabelledSet
from trainer.tables import interval, print_table

Float = NDArray[np.float64]
Labels = NDArray[np.int64]
_OURS, _INDEPENDENT = "ours", "ours, independent"
_FIGURES = ("flipped labels found in the first 10 %", "in as many as were flipped", "average precision")


def main() -> None:
    chosen = _options()
    bench = Bench(chosen)
    background = None
    if bench.background is not None:
        background = Background.from_embeddings(bench.background, bench.card.embedding, bench.card.held_back)
    found: dict[str, dict[str, list[Float]]] = {}
    listed: dict[str, list[Float]] = {}
    for one in bench.sets():
        for seed in range(chosen.seeds):
            rows, labels, flipped = _flipped(one, chosen.shots, chosen.flipped, seed)
            for method, (score, suspicious) in _methods(bench, background, one, rows, labels).items():
                found.setdefault(method, {}).setdefault(one.name, []).append(_judged(score, flipped))
                if suspicious is not None:
                    listed.setdefault(method, []).append(_listed(suspicious, flipped))
    print(
        f"\n{chosen.backbone}, at most {chosen.shots} pictures per concept, {100 * chosen.flipped:g} % of the labels "
        f"flipped, {chosen.seeds} seeds; in %\n"
    )
    for index, what in enumerate(_FIGURES):
        print(what)
        _table(found, index)
    _compared(found)
    print(
        "\npictures it calls suspicious, of all; how many of them are flipped; how many of the flipped are among them"
    )
    print_table(["", "listed", "wrong", "found"], [
        [method, *(f"{one:.1f}" for one in np.mean(rows, axis=0))] for method, rows in listed.items()
    ])  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of concepts, or of such folders")
    parser.add_argument("--shots", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--flipped", type=float, default=0.05, help="share of the labels that are made wrong")
    parser.add_argument("--backbone", default=DEFAULT_BACKBONE)
    return parser.parse_args()


def _flipped(
    one: LabelledSet, shots: int, share: float, seed: int
) -> tuple[NDArray[np.intp], Labels, NDArray[np.bool_]]:
    """Pictures to learn from, their labels with some moved to a random other concept, and which those are."""
    generator = np.random.Generator(np.random.PCG64(seed))
    concepts = len(one.concepts)
    chosen = [generator.permutation(np.flatnonzero((one.labels == k) & ~one.test))[:shots] for k in range(concepts)]
    rows = np.concatenate(chosen)
    labels, flipped = one.labels[rows].copy(), np.zeros(len(rows), dtype=bool)
    flipped[generator.permutation(len(rows))[: max(1, round(share * len(rows)))]] = True
    labels[flipped] = (labels[flipped] + generator.integers(1, concepts, int(flipped.sum()))) % concepts
    return rows, labels, flipped


def _methods(
    bench: Bench, background: Background | None, one: LabelledSet, rows: NDArray[np.intp], labels: Labels
) -> dict[str, tuple[Float, NDArray[np.bool_] | None]]:
    """(n,) how suspicious each picture is, by method, and which of them it calls suspicious."""
    x = plain(one.embeddings[rows], bench.card.embedding.parts[0])  # type: ignore[arg-type]
    regression = _cross_validated(x, labels)
    ours, suspicious, alone = _ours(bench, background, one, rows, one_hot(labels, len(one.concepts)), exclusive=True)
    everything = np.where(one_hot(labels, len(one.concepts)) == 1, 1, 0).astype(np.int8)
    independent, doubtful, _ = _ours(bench, background, one, rows, everything, exclusive=False)
    given = alone[np.arange(len(labels)), labels]
    return {
        _OURS: (ours, suspicious),
        "ours, leave-one-out value alone": (-given, None),
        _INDEPENDENT: (independent, doubtful),
        "confident learning, self-confidence": (-regression[np.arange(len(labels)), labels], None),
        "confident learning, margin": (_margin(regression, labels), None),
        "5 nearest neighbours": (_margin(_neighbours(x, labels), labels), None),
    }


def _ours(
    bench: Bench,
    background: Background | None,
    one: LabelledSet,
    rows: NDArray[np.intp],
    labels: NDArray[np.int8],
    *,
    exclusive: bool,
) -> tuple[Float, NDArray[np.bool_], Float]:
    """(n,) the worst score of each picture's annotations and whether any is suspicious; leave-one-out values (n, K)."""
    statistics = Statistics(one.concepts, bench.card.embedding, mutually_exclusive=exclusive)
    embeddings = one.embeddings[rows]
    statistics.update(embeddings, None, labels)  # type: ignore[arg-type]
    taught = Rows([str(one.paths[i]) for i in rows], embeddings, labels)  # type: ignore[arg-type]
    training = train(statistics, background, taught)
    found = suspects(statistics, background, taught, training)
    score = np.full(len(rows), -np.inf)
    np.maximum.at(score, found.rows, found.score)
    suspicious = np.zeros(len(rows), dtype=bool)
    suspicious[found.rows[found.suspicious]] = True
    return score, suspicious, training.values


def _cross_validated(x: Float, y: Labels, folds: int = 5) -> Float:
    """(n, K) probabilities by logistic regressions that have not seen the row; C by cross-validation."""
    with trainer_packages():
        from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
        from sklearn.model_selection import StratifiedKFold, cross_val_predict

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converging at the largest C; a concept in fewer rows than folds
        best = LogisticRegressionCV(Cs=np.logspace(-5, 2, 8), cv=3, max_iter=200, tol=1e-3).fit(x, y).C_
        model = LogisticRegression(C=float(np.mean(best)), max_iter=200, tol=1e-3)
        parts = StratifiedKFold(folds, shuffle=True, random_state=0)
        return np.asarray(cross_val_predict(model, x, y, cv=parts, method="predict_proba"))


def _neighbours(x: Float, y: Labels) -> Float:
    """(n, K) votes of each row's nearest others."""
    rest = [np.delete(np.arange(len(y)), i) for i in range(len(y))]
    votes = np.zeros((len(y), int(y.max()) + 1))
    for i, others in enumerate(rest):
        row = nearest_neighbours(x[others], y[others], x[i : i + 1])[0]
        votes[i, : len(row)] = row
    return votes


def _margin(values: Float, given: Labels) -> Float:
    """(n,) by how much the best other concept is above the given one."""
    rows = np.arange(len(given))
    others = values.copy()
    others[rows, given] = -np.inf
    return np.asarray(others.max(axis=1) - values[rows, given])


def _judged(score: Float, flipped: NDArray[np.bool_]) -> Float:
    """[share found in the first 10 %, in as many as were flipped, average precision], in %."""
    hits = flipped[np.argsort(-score, kind="stable")]
    count = int(hits.sum())
    precision = (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()
    return 100 * np.array([hits[: int(np.ceil(len(hits) / 10))].sum() / count, hits[:count].mean(), precision])


def _listed(suspicious: NDArray[np.bool_], flipped: NDArray[np.bool_]) -> Float:
    """[share of pictures listed, share of those that are flipped, share of the flipped that are listed], in %."""
    hits = int((suspicious & flipped).sum())
    return 100 * np.array([suspicious.mean(), hits / max(int(suspicious.sum()), 1), hits / int(flipped.sum())])


def _table(found: dict[str, dict[str, list[Float]]], index: int) -> None:
    names = list(found[_OURS])
    means = {method: [float(np.mean([one[index] for one in sets[n]])) for n in names] for method, sets in found.items()}
    rows = [[method, *(f"{one:.1f}" for one in row), f"{np.mean(row):.2f}"] for method, row in means.items()]
    print_table(["", *names, "mean"], rows)
    print()


def _compared(found: dict[str, dict[str, list[Float]]]) -> None:
    """Paired over seeds: the mean over sets of one seed is one observation."""

    def mean(method: str, index: int) -> Float:
        return np.asarray(np.mean([[one[index] for one in seeds] for seeds in found[method].values()], axis=0))

    print("ours minus each, in points: mean over sets, 95 % interval over seeds")
    rows = [
        [method, *(text for index in (0, 2) for text in interval(mean(_OURS, index) - mean(method, index)))]
        for method in found
        if method not in (_OURS, _INDEPENDENT)
    ]
    print_table(["", "first 10 %", "interval", "average precision", "interval"], rows)


if __name__ == "__main__":
    main()

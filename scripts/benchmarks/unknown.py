"""Is "not known" ever read as "not shown"? How well a concept is told when more of its pictures are unknown.

    scripts/bench unknown --data DIR... [--shots 10] [--seeds 5]

A model of two concepts: --shots pictures show the first, as many do not. Three times as many further pictures say
something of the second concept only: all of them show the first ("shown"), half of them do, or none does. Printed is
the AUROC of the first concept on held-out pictures, in %: without the further pictures, with them as they are
(unknown), and with those that show it said not to, which is what an unknown label must not act like. Concepts with too
few pictures are left out; at most four of each set are taken.
"""

from __future__ import annotations

import numpy as np
from _sets import Bench, options
from numpy.typing import NDArray

from edge.head.background import Background
from edge.head.statistics import Statistics
from edge.head.training import Rows, train
from trainer.sets import LabelledSet
from trainer.tables import interval, print_table

MORE = 3
MOST = 4
_KINDS = {"shown": 1.0, "half": 0.5, "none": 0.0}


def main() -> None:
    chosen = options(__doc__)
    bench = Bench(chosen)
    assert bench.background is not None
    background = Background.from_embeddings(bench.background, bench.card.embedding, bench.card.held_back)
    found: dict[str, dict[str, list[list[float]]]] = {}
    for one in bench.sets():
        if min(np.bincount(one.labels[~one.test])) < (MORE + 1) * chosen.shots:
            print(f"{one.name} has too few pictures of a concept")
            continue
        for seed in range(chosen.seeds):
            each = [_measured(bench, background, one, column, chosen.shots, seed) for column in _columns(one)]
            for what in each[0]:
                found.setdefault(what, {}).setdefault(one.name, []).append([row[what] for row in each])
    names = list(next(iter(found.values())))
    print(
        f"\n{chosen.backbone}, {chosen.shots} pictures of each side, {MORE * chosen.shots} further ones; AUROC in %\n"
    )
    print_table(["", *names, "mean"], [
        [what, *(f"{np.mean(sets[name]):.1f}" for name in names),
         f"{np.mean([np.mean(sets[name]) for name in names]):.2f}"]
        for what, sets in found.items()
    ])  # fmt: skip
    print("\nminus without them: mean over sets, 95 % interval over seeds")
    base = _by_seed(found["without them"])
    rows = [[what, *interval(_by_seed(sets) - base)] for what, sets in found.items() if what != "without them"]
    print_table(["", "difference", "interval"], rows)


def _by_seed(sets: dict[str, list[list[float]]]) -> NDArray[np.float64]:
    return np.mean([[np.mean(each) for each in seeds] for seeds in sets.values()], axis=0)


def _columns(one: LabelledSet) -> range:
    return range(min(MOST, len(one.concepts)))


def _measured(
    bench: Bench, background: Background, one: LabelledSet, column: int, shots: int, seed: int
) -> dict[str, float]:
    generator = np.random.Generator(np.random.PCG64([seed, column]))
    shows = one.labels == column
    inside = generator.permutation(np.flatnonzero(shows & ~one.test))
    outside = generator.permutation(np.flatnonzero(~shows & ~one.test))
    known = np.concatenate([inside[:shots], outside[:shots]])
    truth = [(1, 0)] * shots + [(0, 1)] * shots
    held = np.flatnonzero(one.test) if one.test.any() else np.setdiff1d(np.arange(len(shows)), inside[: shots * 4])
    held = np.setdiff1d(held, outside[: shots * 4])

    def auroc(rows: NDArray[np.intp], labels: list[tuple[int, int]]) -> float:
        statistics = Statistics(("concept", "other"), bench.card.embedding, mutually_exclusive=False)
        table, embeddings = np.array(labels, np.int8), one.embeddings[rows]
        statistics.update(embeddings, None, table)  # type: ignore[arg-type]
        taught = Rows([str(row) for row in rows], embeddings, table)  # type: ignore[arg-type]
        head = train(statistics, background, taught).head
        values = head.predict(one.embeddings[held])[0][:, 0]  # type: ignore[arg-type]
        above, below = values[shows[held]], np.sort(values[~shows[held]])
        ranks = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
        return 100 * float(ranks.mean()) / (2 * len(below))

    found = {"without them": auroc(known, truth)}
    for kind, share in _KINDS.items():
        count = round(share * MORE * shots)
        more = np.concatenate([inside[shots : shots + count], outside[shots : shots + MORE * shots - count]])
        rows = np.concatenate([known, more])
        found[f"unknown: {kind}"] = auroc(rows, truth + [(-1, 1)] * len(more))
        if count:
            said = [(0, 1)] * count + [(-1, 1)] * (len(more) - count)
            found[f"said not to: {kind}"] = auroc(rows, truth + said)
    return found


if __name__ == "__main__":
    main()

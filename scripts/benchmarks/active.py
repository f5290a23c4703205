"""Which pictures to label next? Accuracy after 20 chosen labels, beside 20 random ones and other ways to choose.

    scripts/bench active --data DIR... [--shots 3] [--seeds 5]

Three labelled pictures of each concept to begin with; 20 of the other training pictures are then labelled, at once or
in four rounds of five with a training between; judged on the held-out pictures. "herding" is what ``edge inputs
--uncertain`` does (Bae, Oliveira & Sutherland, ICLR 2025); "coverage" is the same without the head's uncertainty (Bae,
Noh & Sutherland, ECCV 2024); "BADGE" takes the picture farthest in gradient space (Ash et al., ICLR 2020, its k-means++
made greedy), "k-centre" in embedding space (Sener & Savarese, ICLR 2018), "entropy" the highest entropy of the values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from _sets import Bench, options
from numpy.typing import NDArray

from edge.head.choosing import choose, uncertainty
from edge.head.transform import transform
from trainer.comparison import Judge
from trainer.sets import LabelledSet, Split
from trainer.tables import interval, print_table

Float = NDArray[np.float64]
Rows = NDArray[np.intp]
BUDGET, ROUNDS = 20, 4
_DRAWS = 5  # of random labels: their mean is what the others are compared with


@dataclass(frozen=True, eq=False)
class State:
    """``values`` (n, K) and unit vectors ``z`` (n, d) of the pool, ``taught`` (t, d) of what is labelled."""

    values: Float
    z: Float
    taught: Float


Choose = Callable[[State, int], Rows]


def herding(state: State, count: int) -> Rows:
    unsure = uncertainty(state.values, mutually_exclusive=True)
    return choose(state.z.astype(np.float32), state.taught.astype(np.float32), unsure, count).rows


def coverage(state: State, count: int) -> Rows:
    every = np.ones(len(state.z))
    return choose(state.z.astype(np.float32), state.taught.astype(np.float32), every, count).rows


def entropy(state: State, count: int) -> Rows:
    p = np.maximum(state.values, 1e-12)
    return np.argsort((p * np.log(p)).sum(axis=1), kind="stable")[:count]


def badge(state: State, count: int) -> Rows:
    """Gradients of the last layer are (values - predicted) z: their distances come from two Gram matrices."""
    p = state.values.copy()
    p[np.arange(len(p)), p.argmax(axis=1)] -= 1
    gram = (p @ p.T) * (state.z @ state.z.T)
    lengths = np.diag(gram).copy()
    return _farthest(lengths[:, np.newaxis] + lengths - 2 * gram, lengths, count)


def k_centre(state: State, count: int) -> Rows:
    return _farthest(2 - 2 * state.z @ state.z.T, (2 - 2 * state.z @ state.taught.T).min(axis=1), count)


def _farthest(apart: Float, nearest: Float, count: int) -> Rows:
    """Greedily the row farthest from what is chosen; ``nearest`` (n,) how far it is before anything is."""
    rows: list[int] = []
    for _ in range(count):
        nearest[rows] = -1.0
        rows.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, apart[rows[-1]])
    return np.array(rows, dtype=np.intp)


METHODS: dict[str, Choose] = {
    "herding": herding, "coverage": coverage, "BADGE": badge, "k-centre": k_centre, "entropy": entropy,
}  # fmt: skip


def main() -> None:
    chosen = options(__doc__, shots=3)
    bench = Bench(chosen)
    results: dict[str, dict[str, list[float]]] = {}
    names = []
    for one in bench.sets():
        names.append(one.name)
        judge = bench.judge(one)
        z = transform(one.embeddings, bench.card.embedding)  # type: ignore[arg-type]
        for seed, split in enumerate(bench.splits(one)):
            for method, accuracy in _measure(one, judge, z, split, seed).items():
                results.setdefault(method, {}).setdefault(one.name, []).append(accuracy)
    print(f"\n{chosen.backbone}, {chosen.shots} pictures per concept and {BUDGET} more, {chosen.seeds} seeds; in %\n")
    print_table(["", *names, "mean"], [
        [method, *(f"{np.mean(found[name]):.1f}" for name in names),
         f"{np.mean([np.mean(found[name]) for name in names]):.2f}"]
        for method, found in results.items()
    ])  # fmt: skip
    _compare(results, names)


def _measure(one: LabelledSet, judge: Judge, z: Float, split: Split, seed: int) -> dict[str, float]:
    pool = np.setdiff1d(np.flatnonzero(~one.test) if one.test.any() else np.arange(len(one.labels)), split.train)
    test = split.test if one.test.any() else pool
    budget = min(BUDGET, len(pool))

    def accuracy(rows: Rows) -> float:
        scores = judge.scores(Split(rows, test))
        return 100 * float((scores.argmax(axis=1) == one.labels[test]).mean())

    def state(rows: Rows) -> State:
        rest = np.setdiff1d(pool, rows)
        head = judge.training(Split(rows, test)).head
        return State(head.predict(one.embeddings[rest])[0], z[rest], z[rows])  # type: ignore[arg-type]

    generator = np.random.Generator(np.random.PCG64(7000 + seed))
    draws = [np.append(split.train, generator.permutation(pool)[:budget]) for _ in range(_DRAWS)]
    found = {"nothing more": accuracy(split.train), "random": float(np.mean([accuracy(rows) for rows in draws]))}
    first = state(split.train)
    for name, method in METHODS.items():
        found[name] = accuracy(np.append(split.train, pool[method(first, budget)]))
    for name, method in METHODS.items():
        rows, now = split.train, first
        for step in range(ROUNDS):
            rest = np.setdiff1d(pool, rows)
            rows = np.append(rows, rest[method(now, budget // ROUNDS)])
            if step < ROUNDS - 1:
                now = state(rows)
        found[f"{name}, {ROUNDS} rounds"] = accuracy(rows)
    return found


def _compare(results: dict[str, dict[str, list[float]]], names: list[str]) -> None:
    print("\neach minus random, in points: mean over sets, 95 % interval over seeds, and on how many sets it is better")
    rows = []
    for method in list(results)[2:]:
        apart = np.array([np.subtract(results[method][name], results["random"][name]) for name in names])
        better = int((apart.mean(axis=1) > 0).sum())
        rows.append([method, *interval(apart.mean(axis=0)), f"{better} of {len(names)}"])
    print_table(["", "difference", "interval", "sets"], rows)


if __name__ == "__main__":
    main()

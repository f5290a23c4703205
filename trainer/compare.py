"""Accuracy against the number of pictures: our head, its parts switched off one at a time, and the baselines."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.backbone import catalogue
from edge.config import DEFAULT_BACKBONE, Config
from edge.errors import InvalidArgument
from edge.head.pooled import Constants
from edge.types import BackboneCard
from trainer.baselines import cosine_prototypes, logistic_regression, nearest_neighbours, plain
from trainer.comparison import AS_SHIPPED, Judge, Variant
from trainer.network import trainer_packages
from trainer.sets import LabelledSet, Split, few_shot, find_sets, load_set
from trainer.tables import interval, mean_and_half, print_table

Float = NDArray[np.float64]
Scores = Callable[[Judge, Split], Float]

OURS = "ours"
LOGISTIC = "logistic regression"
WEIGHED = "the same, concepts weighed alike"
PLACE = 10
"""Pictures per concept at which parts are told apart, or the nearest number that was asked for."""

PARTS: Mapping[str, Variant] = {
    "shared scatter": Variant(Constants(prior_share=1000.0)),
    "full prior": Variant(Constants(prior_share=0.1)),
    "middle parts": Variant(middle=0),
    "square root": Variant(plain=True),
    "background": Variant(Constants(background_weight=0.0)),
    "means pulled in": Variant(Constants(shrinkage=0.0)),
    "means excused": Variant(excused=False),
    "both of these": Variant(Constants(shrinkage=0.0), excused=False),
}
"""What each part is off: without the scatter only the prior's round one is left; the prior is a tenth as strong."""


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What to compare on. ``data``: folders of concepts, or of such folders. ``shots``: pictures per concept."""

    data: tuple[Path, ...]
    shots: tuple[int, ...] = (2, 5, 10, 20)
    seeds: int = 5
    backbone: str = DEFAULT_BACKBONE
    out: Path = Path("comparison")
    cache: Path = Path(".cache/bench")


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of the table."""

    set: str
    shots: int
    unequal: bool
    method: str


@dataclass(eq=False)
class Comparison:
    """Accuracies in %, one per seed, of every cell; ``skipped`` says what could not be measured and why."""

    backbone: str
    seeds: int
    sets: list[str] = field(default_factory=list)
    shots: list[int] = field(default_factory=list)
    accuracy: dict[Cell, list[float]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @property
    def place(self) -> int:
        """The number of shots at which parts are told apart."""
        return min(self.shots, key=lambda one: (abs(one - PLACE), one))

    def methods(self, *, unequal: bool = False) -> list[str]:
        """Those measured, in the order of the table."""
        return list(dict.fromkeys(cell.method for cell in self.accuracy if cell.unequal == unequal))

    def sets_with(self, shots: Sequence[int]) -> list[str]:
        """The sets that have enough pictures for every number of shots."""
        return [name for name in self.sets if all(Cell(name, n, False, OURS) in self.accuracy for n in shots)]

    def of(self, name: str, shots: int, method: str, *, unequal: bool = False) -> Float:
        """(seeds,) accuracies of one cell."""
        return np.array(self.accuracy[Cell(name, shots, unequal, method)])

    def mean(self, names: Sequence[str], shots: int, method: str, *, unequal: bool = False) -> Float:
        """(seeds,) accuracies, each the mean over sets."""
        return np.asarray(np.mean([self.of(name, shots, method, unequal=unequal) for name in names], axis=0))

    def shared(self) -> tuple[list[int], list[str]]:
        """Numbers of shots, and the sets that have them all: a mean over other sets at each would jump."""
        shots = list(self.shots)
        while not self.sets_with(shots):
            shots.pop()
        return shots, self.sets_with(shots)

    def lost(self, shots: int, method: str, *, unequal: bool = False) -> Float:
        """(seeds,) points that ours is above ``method``, on the same splits, mean over all sets that have ``shots``."""
        names = self.sets_with([shots])
        ours = self.mean(names, shots, OURS, unequal=unequal)
        return np.asarray(ours - self.mean(names, shots, method, unequal=unequal))


def compare(options: CompareOptions, config: Config | None = None) -> Comparison:
    """Measure everything. Raises NotFound (no sets, no backbone), InvalidArgument (too few pictures everywhere),
    RuntimeMissing (scikit-learn or matplotlib)."""
    with trainer_packages():
        import matplotlib as mpl  # noqa: F401  before minutes of work, not after
        import sklearn  # noqa: F401
    config = config or Config.from_environment(os.environ)
    folders = find_sets(options.data)
    opened = catalogue.open_backbone(options.backbone, config)
    try:
        rows = _background(options.backbone, config)
        result = Comparison(opened.card.name, options.seeds)
        sets = [
            load_set(one, opened.card.preprocessing, opened.embed, options.cache, opened.card.sha256) for one in folders
        ]
        _measure(result, sets, opened.card, rows, sorted(set(options.shots)))
    finally:
        opened.close()
    return result


def _background(name: str, config: Config) -> NDArray[np.int8] | None:
    if name in catalogue.BUILTIN:
        return None
    return catalogue.background(*catalogue.find_card(name, config))


def _measure(
    result: Comparison,
    sets: Sequence[LabelledSet],
    card: BackboneCard,
    background: NDArray[np.int8] | None,
    shots: Sequence[int],
) -> None:
    work: list[tuple[LabelledSet, int, bool]] = []
    for one in sets:
        fewest, smallest = _fewest(one)
        for count in shots:
            if count > fewest:
                result.skipped.append(
                    f"{one.name}: {smallest} has {fewest} pictures to learn from, so not measured with {count}"
                )
            else:
                work.append((one, count, False))
    if not work:
        raise InvalidArgument(f"no set has {min(shots)} pictures of every concept; use fewer --shots or add pictures")
    result.sets = [one.name for one in sets if any(other is one for other, _, _ in work)]
    result.shots = sorted({count for _, count, _ in work})
    work += [(one, count, True) for one, count, _ in work if count == result.place]
    found = {uneven: _methods(card, background, unequal=uneven) for uneven in (False, True)}
    judges = {one.name: Judge(one, card, background) for one in sets}
    steps = [(*what, method) for what in work for method in found[what[2]]]
    for one, count, uneven, method in tqdm(steps, desc="fits", disable=None, leave=False):
        scores = found[uneven][method]
        splits = [few_shot(one, count, seed, unequal=uneven) for seed in range(result.seeds)]
        result.accuracy[Cell(one.name, count, uneven, method)] = [
            100 * float((scores(judges[one.name], split).argmax(axis=1) == one.labels[split.test]).mean())
            for split in splits
        ]


def _fewest(one: LabelledSet) -> tuple[int, str]:
    """The concept with the fewest pictures that splits may learn from, and one stays to be judged on."""
    counts = np.bincount(one.labels[~one.test], minlength=len(one.concepts))
    fewest = int(counts.min()) - (0 if one.test.any() else 1)
    return fewest, one.concepts[int(counts.argmin())]


def _methods(card: BackboneCard, background: NDArray[np.int8] | None, *, unequal: bool) -> dict[str, Scores]:
    """Every method that is another one than ours under this backbone and these numbers of pictures."""
    found: dict[str, Scores] = {OURS: _ours}
    for name, variant in PARTS.items():
        same_embedding = (variant.middle is not None or variant.plain) and variant.spec(
            card.embedding
        ) == card.embedding
        no_background = background is None and not variant.constants.background_weight
        all_excused = not variant.excused and not unequal  # by the same amount
        if not (same_embedding or no_background or all_excused):
            found[without(name)] = partial(_ours, variant=variant)
    found[LOGISTIC] = _on_plain(card, logistic_regression)
    if unequal:
        found[WEIGHED] = _on_plain(card, partial(logistic_regression, balanced=True))
    found["cosine prototypes"] = _on_plain(card, cosine_prototypes)
    found["5 nearest neighbours"] = _on_plain(card, nearest_neighbours)
    return found


def without(part: str) -> str:
    """The name of our head with a part switched off."""
    return f"ours without {part}"


def _ours(judge: Judge, split: Split, variant: Variant = AS_SHIPPED) -> Float:
    return judge.scores(split, variant)


def _on_plain(card: BackboneCard, method: Callable[..., Float]) -> Scores:
    """A baseline on the last layer's numbers as they are."""

    def scores(judge: Judge, split: Split) -> Float:
        x, y = plain(judge.one.embeddings, card.embedding.parts[0]), judge.one.labels  # type: ignore[arg-type]
        return method(x[split.train], y[split.train], x[split.test])

    return scores


def report(result: Comparison) -> None:
    """Print the tables."""
    shots, names = result.shared()
    place, all_names = result.place, result.sets_with([result.place])
    print(f"{result.backbone}, {result.seeds} draws of pictures; right answers in %")
    for line in result.skipped:
        print(f"left out: {line}")
    print_table(
        ["pictures per concept", *map(str, shots)],
        [[method, *(_plus_minus(result.mean(names, n, method)) for n in shots)] for method in result.methods()],
        f"mean of {_sets(names)}, and half of its 95 % interval over draws",
    )
    print_table(
        ["", *all_names, "mean"],
        [
            [
                method,
                *(f"{result.of(name, place, method).mean():.1f}" for name in all_names),
                f"{result.mean(all_names, place, method).mean():.2f}",
            ]
            for method in result.methods()
        ],
        f"{place} pictures of every concept",
    )
    others = [method for method in result.methods(unequal=True) if method != OURS]
    ours = result.mean(all_names, place, OURS, unequal=True)
    print_table(
        ["", "equal: lost", "interval", "unequal: right", "lost", "interval"],
        [[OURS, "", "", f"{ours.mean():.2f}", "", ""], *(_lost(result, all_names, method) for method in others)],
        f"points below ours, mean of {_sets(all_names)}: {place} pictures of every concept, and, unequal, a fifth, two "
        f"fifths, four fifths or all of them",
    )


def _sets(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} sets ({', '.join(names)})"


def _plus_minus(values: Float) -> str:
    mean, half = mean_and_half(values)
    return f"{mean:.2f}" if np.isnan(half) else f"{mean:.2f} ±{half:.2f}"


def _lost(result: Comparison, names: Sequence[str], method: str) -> list[str]:
    place = result.place
    equal = interval(result.lost(place, method)) if method in result.methods() else ("", "")
    right = result.mean(names, place, method, unequal=True).mean()
    return [method, *equal, f"{right:.2f}", *interval(result.lost(place, method, unequal=True))]


def write_csv(result: Comparison, file: Path) -> Path:
    """Write every accuracy, one a line; returns ``file``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["set", "shots", "unequal", "method", "seed", "accuracy"])
        for cell, values in result.accuracy.items():
            for seed, value in enumerate(values):
                writer.writerow([cell.set, cell.shots, int(cell.unequal), cell.method, seed, f"{value:.3f}"])
    return file


def as_document(result: Comparison) -> dict[str, Any]:
    """For JSON; accuracies are shares in [0, 1], one per seed."""
    return {
        "backbone": result.backbone,
        "seeds": result.seeds,
        "skipped": result.skipped,
        "accuracy": [
            {**dataclasses.asdict(cell), "accuracy": [value / 100 for value in values]}
            for cell, values in result.accuracy.items()
        ],
    }

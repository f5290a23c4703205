"""A training after one more picture, in stores of growing size, beside scikit-learn's refit on the same embeddings."""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from _common import Goal, machine, milliseconds, photograph, verdicts

from edge import Engine
from edge.backbone import catalogue
from edge.config import DEFAULT_BACKBONE, Config
from edge.engine.engine import background_of
from edge.head.exclusive import fit_exclusive
from edge.head.independent import fit_independent
from edge.head.pooled import Constants, pooled
from edge.head.statistics import Statistics
from edge.head.transform import transform
from edge.types import EmbeddingSpec
from trainer.tables import print_table

SIZES = (100, 1_000, 10_000, 100_000)
CONCEPTS = tuple(f"concept-{number}" for number in range(10))
REFIT_LIMIT = 10_000
KINDS = {"independent": False, "exclusive": True}
CONFIG = Config(delegate="none", threads=1)
_AT = "2026-01-01T00:00:00.000000+00:00"
_COLD = """
import sys, time
from edge.faces.cli import main
try:
    main(sys.argv[1:], prog_name="edge")
finally:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""


@dataclass
class Measured:
    """Milliseconds for one size and kind; ``memory`` in MB, of a process of its own."""

    size: int
    kind: str
    first: float = 0.0
    fits: list[float] = field(default_factory=list)
    wholes: list[float] = field(default_factory=list)
    cold: float = 0.0
    memory: float = 0.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="up to 10 000 embeddings, fewer repeats")
    arguments.add_argument("--sizes", type=int, nargs="+")
    arguments.add_argument("--repeats", type=int)
    arguments.add_argument("--backbone", default=DEFAULT_BACKBONE)
    asked = arguments.parse_args()
    sizes = asked.sizes or (SIZES[:3] if asked.quick else SIZES)
    print(machine())
    print(f"{len(CONCEPTS)} concepts, embeddings of {asked.backbone} drawn, every picture annotated for every concept")
    found, refits = [], {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            embeddings, shown = drawn(size, asked.backbone)
            store = Path(place) / "store"
            filled(store, asked.backbone, embeddings, shown)
            for kind in KINDS:
                found.append(measured(store, kind, size, asked.repeats or (3 if asked.quick else 7)))
            if size <= REFIT_LIMIT:
                refits[size] = refit(embeddings, shown, asked.backbone)
    report(found, refits)


# --- stores ----------------------------------------------------------------------------------------------------------


def drawn(size: int, backbone: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, d) int8 embeddings and (n,) the concept each shows: mixtures of real embeddings, a centre per concept."""
    rng = np.random.default_rng(0)
    folder, card = catalogue.find_card(backbone, CONFIG)
    real = catalogue.background(folder, card)
    assert real is not None
    zero = per_number(card.embedding, "zero_point")
    active = real.astype(np.float32) - zero
    shown = rng.permutation(np.arange(size) % len(CONCEPTS))
    out = np.empty((size, card.embedding.size), dtype=np.int8)
    for start in range(0, size, 4096):
        part = slice(start, start + 4096)
        one, other = rng.integers(0, len(active), (2, len(shown[part])))
        share = rng.uniform(0.15, 0.45, (len(one), 1)).astype(np.float32)
        mixed = share * active[shown[part]] + (1 - share) * (active[one] + active[other]) / 2
        out[part] = np.clip(np.rint(mixed) + zero, -128, 127).astype(np.int8)
    return out, shown


def per_number(spec: EmbeddingSpec, fact: str) -> np.ndarray:
    """(d,) a fact of the part that each number of an embedding belongs to."""
    return np.concatenate([np.full(part.size, getattr(part, fact)) for part in spec.parts])


def filled(store: Path, backbone: str, embeddings: np.ndarray, shown: np.ndarray) -> None:
    """A real store, filled as ``add`` would have, but in bulk and without the pictures' bytes."""
    with Engine.open(store, backbone=backbone, config=CONFIG) as engine:
        for kind, exclusive in KINDS.items():
            engine.create_model(kind, CONCEPTS, mutually_exclusive=exclusive)
        sha256 = engine.card.sha256
    with sqlite3.connect(store / "store.sqlite") as connection:
        concepts = [
            connection.execute("SELECT number FROM concepts WHERE id = ?", (c,)).fetchone()[0] for c in CONCEPTS
        ]
        numbers = range(1, len(embeddings) + 1)
        connection.executemany(
            "INSERT INTO inputs (number, id, sha256, media_type, size, width, height, source, added_at, metadata) "
            "VALUES (?, ?, ?, 'image/png', 0, 0, 0, 'drawn', ?, '{}')",
            ((number, f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}", "0" * 64, _AT) for number in numbers),
        )
        connection.executemany(
            "INSERT INTO embeddings VALUES (?, ?, ?)",
            ((number, sha256, row.tobytes()) for number, row in zip(numbers, embeddings, strict=True)),
        )
        connection.executemany(
            "INSERT INTO annotations (input, concept, value, by, at) VALUES (?, ?, ?, 'user', ?)",
            ((*one, _AT) for one in _annotations(numbers, shown, concepts)),
        )
        connection.executemany(
            "INSERT INTO changes (input, concept, before, after, by, at) VALUES (?, ?, -1, ?, 'user', ?)",
            ((*one, _AT) for one in _annotations(numbers, shown, concepts)),
        )
    connection.close()


def _annotations(numbers: range, shown: np.ndarray, concepts: list[int]) -> Iterator[tuple[int, int, int]]:
    for number, right in zip(numbers, shown.tolist(), strict=True):
        for column, concept in enumerate(concepts):
            yield number, concept, int(column == right)


# --- what is measured ------------------------------------------------------------------------------------------------


def measured(store: Path, kind: str, size: int, repeats: int) -> Measured:
    out = Measured(size, kind)
    with Engine.open(store, config=CONFIG) as engine:
        model = engine.model(kind)
        out.first = milliseconds(lambda: trained(model))
        for repeat in range(repeats):
            add_one(engine, repeat)
            out.wholes.append(milliseconds(lambda: trained(model)))
        fit = Fit(engine, kind)
        for repeat in range(repeats):
            add_one(engine, repeats + repeat)
            out.fits.append(milliseconds(fit))
    out.cold, out.memory = cold(store, kind)
    return out


def trained(model: Any) -> None:
    """The whole of it: brought up to date, fitted, left one out, calibrated, judged, stored."""
    assert model.train().evaluation is not None


def add_one(engine: Engine, number: int) -> None:
    """A real picture, embedded and annotated; not part of any time."""
    pixels = np.roll(np.asarray(photograph("coffee.png").resize((224, 224))), 7 * number + engine.store.inputs.count())
    right = CONCEPTS[number % len(CONCEPTS)]
    engine.add(pixels, concepts=[right], not_concepts=[one for one in CONCEPTS if one != right])


class Fit:
    """The fit alone, as the engine does it: what has changed read from the store, statistics updated, solved."""

    def __init__(self, engine: Engine, kind: str) -> None:
        self._inputs, self._card = engine.store.inputs, engine.card
        self._background = background_of(self._card.name, engine.config)
        self._statistics = Statistics(CONCEPTS, self._card.embedding, mutually_exclusive=KINDS[kind])
        numbers, _, labels = self._inputs.labels(CONCEPTS)
        for start in range(0, len(numbers), 4096):
            part = slice(start, start + 4096)
            self._statistics.update(self._embeddings(numbers[part]), None, labels[part])
        self._watermark = self._inputs.last_change()

    def _embeddings(self, numbers: list[int]) -> np.ndarray:
        size = self._card.embedding.size
        return self._inputs.embeddings(numbers, backbone_sha256=self._card.sha256, size=size)

    def __call__(self) -> None:
        until = self._inputs.last_change()
        changes = self._inputs.label_changes(self._watermark, until, CONCEPTS)
        assert len(changes) == 1
        before, after = (np.array([getattr(one, which) for one in changes], np.int8) for which in ("before", "after"))
        statistics = self._statistics
        statistics.update(self._embeddings([one.input for one in changes]), before, after)
        solve = fit_exclusive if statistics.mutually_exclusive else fit_independent
        base = pooled(statistics, self._background, Constants())
        solve(base, statistics.counts.astype(np.float64), statistics.sums)
        self._watermark = until


def cold(store: Path, kind: str) -> tuple[float, float]:
    """Milliseconds and peak memory (MB) of ``edge train`` in a process of its own, right after one more picture."""
    with Engine.open(store, config=CONFIG) as engine:
        add_one(engine, 1000)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _COLD, "--store", str(store), "train", kind], capture_output=True, text=True
    )
    took = 1e3 * (time.perf_counter() - start)
    if done.returncode:
        raise SystemExit(f"edge train failed: {done.stderr}")
    return took, int(done.stderr.split()[-1]) / 1024


def refit(embeddings: np.ndarray, shown: np.ndarray, backbone: str) -> dict[str, float]:
    """Milliseconds of scikit-learn's logistic regression with its own settings, on the embeddings as the backbone gives
    them and on the unit vectors our head uses: there the same C regularises far more, and it ends sooner."""
    from sklearn.linear_model import LogisticRegression

    spec = catalogue.find_card(backbone, CONFIG)[1].embedding
    raw = (embeddings - per_number(spec, "zero_point")) * per_number(spec, "scale")
    times = {}
    for name, x in (("raw", raw), ("unit", transform(embeddings, spec))):
        model = LogisticRegression(max_iter=1000)
        times[name] = milliseconds(lambda model=model, x=x: model.fit(x, shown))
        print(f"refit, {len(x)} {name} embeddings: {times[name]:.0f} ms, {int(model.n_iter_[0])} steps", flush=True)
    return times


# --- report ----------------------------------------------------------------------------------------------------------


def report(found: list[Measured], refits: dict[int, dict[str, float]]) -> None:
    rows, goals = [], []
    for one in found:
        fit, whole = float(np.median(one.fits)), float(np.median(one.wholes))
        refitted = refits.get(one.size, {})
        figures = (fit, max(one.fits), whole, max(one.wholes), one.first, one.cold, one.memory)
        beside = [f"{refitted[name]:.0f}" if name in refitted else "-" for name in ("raw", "unit")]
        rows.append((f"{one.size}", one.kind, *(f"{figure:.0f}" for figure in figures), *beside))
        what = f"{one.kind}, {one.size}"
        goals.append(Goal(f"{what}: whole training", whole / 1e3, 1.5, "s"))
        for name, took in refitted.items() if one.size == REFIT_LIMIT else ():
            goals.append(Goal(f"{what}: refit ({name}) / fit", took / fit, 100, "x", at_least=True))
            goals.append(Goal(f"{what}: refit ({name}) / whole", took / whole, 8, "x", at_least=True))
    heads = (
        "pictures",
        "model",
        "fit ms",
        "max",
        "whole ms",
        "max",
        "first ms",
        "cold ms",
        "cold MB",
        "refit raw",
        "unit ms",
    )
    print_table(
        heads, rows, "training after one more picture (medians); first: a new model; cold: edge train, own process"
    )
    for kind in KINDS:
        fits = [float(np.median(one.fits)) for one in found if one.kind == kind]
        goals.append(Goal(f"{kind}: fit, slowest size / fastest size (flat)", max(fits) / min(fits), 1.5))
    verdicts(goals)


if __name__ == "__main__":
    main()

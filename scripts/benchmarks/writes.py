"""Bytes that reach the disk for one annotation, by the kernel's own count, and for a training apart.

    scripts/bench writes [--annotations 200] [--pictures 10000] [--folder DIR]

An SD card wears out by what is written to it. Counted are the pages of 4 KB that this process made the kernel write
(/proc/self/io: write_bytes less cancelled_write_bytes, those of files that were gone before), so the folder must be on
a disk and not in memory. Not counted is what the file system writes for itself, such as its journal. "new" says of a
picture something that was not known; "corrected" turns what was said into its opposite, on pictures from all over the
store. "store opened for it" opens and closes the store each time, as the command line does; the goal is not for that.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from _common import Goal, machine, verdicts
from train import CONCEPTS, CONFIG, drawn, filled

from edge import Engine
from edge.config import DEFAULT_BACKBONE
from edge.engine.learning import SNAPSHOT_EVERY
from trainer.tables import print_table

LIMIT = 32
TRAININGS = 10


def main() -> None:
    """Print the bytes; exit 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=int, default=200, help="how many, one by one (default 200)")
    parser.add_argument("--pictures", type=int, default=10_000, help="in the large store (default 10000)")
    parser.add_argument("--folder", type=Path, default=Path(), help="where to make the stores (default: here)")
    given = parser.parse_args()
    print(machine())
    rows, goals = [], []
    for size in (given.annotations, given.pictures):
        with tempfile.TemporaryDirectory(dir=given.folder) as place:
            store = Path(place) / "store"
            filled(store, DEFAULT_BACKBONE, *drawn(size, DEFAULT_BACKBONE))
            for what, count, written in measured(store, given.annotations):
                rows.append((f"{size} pictures", what, count, f"{written / count / 1024:.1f}"))
                if what.startswith("annotation, "):
                    goals.append(Goal(f"{size} pictures: {what}", written / count / 1024, LIMIT, "KB"))
    print_table(("store", "what", "how many", "KB each"), rows)
    print(f"\nA training writes the statistics when {SNAPSHOT_EVERY} changes have come since they were written.")
    verdicts(goals)
    sys.exit(not all(goal.met for goal in goals))


def measured(store: Path, count: int) -> Iterator[tuple[str, int, int]]:
    """(what, how many, bytes written) of everything that is done to a store."""
    chance = random.Random(0)
    with Engine.open(store, config=CONFIG) as engine:
        ids = [one.id for one in engine.inputs()]
        some = chance.sample(ids, count)
        yield "annotation, new", count, counted(lambda: new(engine, some))
        yield "annotation, corrected", count, counted(lambda: corrected(engine, some, chance))
        model = engine.model("independent")
        yield "first training", 1, counted(lambda: trained(model))
        yield "training again", TRAININGS, counted(lambda: [trained(model) for _ in range(TRAININGS)])
        statistics = next((store / "versions").glob("*.statistics"), None)
        if statistics is not None:
            yield f"statistics, per change of {SNAPSHOT_EVERY}", SNAPSHOT_EVERY, statistics.stat().st_size
    yield "store opened for it, corrected", count, counted(lambda: alone(store, some))


def new(engine: Engine, ids: list[str]) -> None:
    for id in ids:
        engine.annotate(id, concepts=["never seen before"])


def corrected(engine: Engine, ids: list[str], chance: random.Random) -> None:
    for id in ids:
        turned(engine, id, chance.choice(CONCEPTS))


def turned(engine: Engine, id: str, concept: str) -> None:
    """Say the opposite of what was said."""
    said = {one.concept_id: one.value for one in engine.input(id).annotations}
    if said[concept]:
        engine.annotate(id, not_concepts=[concept])
    else:
        engine.annotate(id, concepts=[concept])


def alone(store: Path, ids: list[str]) -> None:
    for id in ids:
        with Engine.open(store, config=CONFIG) as engine:
            turned(engine, id, CONCEPTS[0])


def trained(model: object) -> None:
    assert model.train().evaluation is not None  # type: ignore[attr-defined]


def counted(part: Callable[[], object]) -> int:
    """Bytes that ``part`` makes this process write to a disk."""
    before = _written()
    part()
    return _written() - before


def _written() -> int:
    facts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(facts["write_bytes"]) - int(facts["cancelled_write_bytes"])


if __name__ == "__main__":
    main()

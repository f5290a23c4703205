"""time and memory of pictures and labels going out, and coming in, in each format"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from _common import SMALL, Cost, Goal, command, machine, print_table, small_jpeg, verdicts

from edge import Engine
from edge.config import Config
from edge.engine.interchange.catalogue import FORMATS
from edge.store import NewInput

BYTES_EACH = 1000.0
_BATCH = 250


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    options = parser.parse_args()
    os.environ["EDGE_DELEGATE"] = "none"
    print(machine())
    counts = options.pictures // 10, options.pictures
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in counts:
            fill(folder / f"store-{count}", count)
        costs = {one: [there_and_back(folder, one, count) for count in counts] for one in FORMATS}
    show(costs, counts)


def fill(store: Path, count: int) -> None:
    """A store of small photographs, each with one concept that it shows and one that it does not."""
    with Engine.open(store, backbone="fake", config=Config(delegate="none", threads=1)) as engine:
        for start in range(0, count, _BATCH):
            new = [
                NewInput(
                    data=small_jpeg(str(number)),
                    media_type="image/jpeg",
                    width=SMALL[0],
                    height=SMALL[1],
                    source=f"orchard/{number:06}.jpg",
                    embedding=bytes(engine.card.embedding.size),
                    backbone_sha256=engine.card.sha256,
                    annotations={"ripe": number % 2, "green": 1 - number % 2},
                )
                for number in range(start, min(start + _BATCH, count))
            ]
            engine.store.inputs.add(new, by="ann")


def there_and_back(folder: Path, format: str, count: int) -> tuple[Cost, Cost]:
    """The two commands, each in a process of its own, into a new folder and from it into a new store."""
    out, store = folder / f"{format}-{count}", folder / f"{format}-{count}-store"
    exported = command("edge", "--store", folder / f"store-{count}", "export-data", out, "--format", format)
    command("edge", "--store", store, "init", "--backbone", "fake")
    imported = command("edge", "--store", store, "import", out, "--format", format)
    with Engine.open(store, create=False) as engine:
        found = engine.store.inputs.count()
    assert found == count, f"{found} of {count} came back from {format}"
    return exported, imported


def show(costs: dict[str, list[tuple[Cost, Cost]]], counts: tuple[int, int]) -> None:
    rows, goals = [], []
    for format, (few, many) in costs.items():
        grown = [(after.peak - before.peak) / (counts[1] - counts[0]) for before, after in zip(few, many, strict=True)]
        ratios = [(after.wall / counts[1]) / (before.wall / counts[0]) for before, after in zip(few, many, strict=True)]
        figures = (
            figure
            for after, each, ratio in zip(many, grown, ratios, strict=True)
            for figure in (
                f"{1e3 * after.wall / counts[1]:.2f}",
                f"{ratio:.2f}x",
                f"{after.peak / 1e6:.0f}",
                f"{each:.0f}",
            )
        )
        rows.append((format, *figures))
        goals.append(Goal(f"bytes of memory for each picture, {format}", max(grown), BYTES_EACH))
    heads = (
        "format",
        *(f"{way} {what}" for way in ("out", "in") for what in ("ms each", "slower", "peak MB", "B each")),
    )
    what = f"{counts[1]} pictures of {len(small_jpeg(''))} bytes, fake backbone"
    title = f"{what}; slower, B each: compared with {counts[0]} pictures"
    print_table(heads, rows, title)
    verdicts(goals)


if __name__ == "__main__":
    main()

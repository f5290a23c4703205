"""time and memory of a hub that merges what ten devices sent"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from _common import SMALL, Goal, command, machine, print_table, small_jpeg, verdicts
from tqdm import tqdm

from edge import Engine
from edge.config import Config
from edge.engine.syncing import Syncing
from edge.store import NewInput

TIME_RATIO, MEMORY_MB = 1.25, 1.0
_BATCH = 250


@dataclass(frozen=True, slots=True)
class Pull:
    """One ``trainer hub pull``: new inputs, seconds of wall and processor, bytes."""

    new: int
    inputs: int
    disagreements: int
    wall: float
    processor: float
    peak: int
    database: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--inputs", type=int, default=10_000, help="of each device, in the end")
    parser.add_argument("--rounds", type=int, default=4, help="in which they come in")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        pulls = list(rounds(Path(folder), options.devices, options.inputs // options.rounds, options.rounds))
    show(pulls, options.devices)


def rounds(folder: Path, devices: int, count: int, times: int) -> Iterable[Pull]:
    """Devices label, and push; the hub pulls; and so on."""
    remote = folder / "stick"
    remote.mkdir()
    with opened(folder / "hub"):
        pass
    for number in range(times):
        for device in tqdm(range(devices), desc=f"devices, {number + 1} of {times}", leave=False, disable=None):
            with opened(folder / f"device-{device}") as engine:
                fill(engine, device, range(number * count, (number + 1) * count))
                send(engine, remote)
        yield pulled(folder / "hub", remote)
    yield pulled(folder / "hub", remote)  # nothing new


def opened(store: Path) -> Engine:
    return Engine.open(store, backbone="fake", config=Config(delegate="none", threads=1))


def send(engine: Engine, remote: Path) -> None:
    syncing = Syncing(engine, os.environ)
    if not syncing.remotes.registry.all():
        syncing.remotes.add("stick", str(remote), "all")
    met = syncing.sync("stick", pull=False)
    assert met.to_send == (0, 0), met


def fill(engine: Engine, device: int, numbers: range) -> None:
    """Inputs as a camera makes them, every third one annotated. Every hundredth was on the device's neighbour, too, and
    was annotated otherwise there."""
    for start in range(numbers.start, numbers.stop, _BATCH):
        new = [
            NewInput(
                data=small_jpeg(f"{0 if number % 100 == 0 else device + 1}/{number}"),
                media_type="image/jpeg",
                width=SMALL[0],
                height=SMALL[1],
                source=f"camera://orchard/{datetime.fromtimestamp(1.7e9 + 60 * number, UTC):%Y%m%d-%H%M%S}.jpg",
                embedding=bytes(engine.card.embedding.size),
                backbone_sha256=engine.card.sha256,
                annotations={"ripe": (number + device) % 2} if number % 3 == 0 else {},
            )
            for number in range(start, min(start + _BATCH, numbers.stop))
        ]
        engine.store.inputs.add(new, by=f"device {device}")


def pulled(hub: Path, remote: Path) -> Pull:
    """The command itself, in a process of its own, with what it cost."""
    cost = command("trainer", "--json", "hub", "pull", hub, remote)
    told = json.loads(cost.said)
    assert told["to_fetch"] == [0, 0] and not told["refused"], told
    database = sum(path.stat().st_size for path in hub.glob("store.sqlite*"))
    return Pull(
        told["pictures_fetched"], told["inputs"], told["disagreements"], cost.wall, cost.processor, cost.peak, database
    )  # fmt: skip


def show(pulls: list[Pull], devices: int) -> None:
    *rounds, again = pulls
    rows = [
        (f"{one.inputs}", f"{one.new}", f"{one.wall:.1f}", f"{1e3 * one.wall / one.new:.2f}" if one.new else "-",
         f"{one.processor:.1f}", f"{one.peak / 1e6:.0f}", f"{one.database / 1e6:.1f}", f"{one.disagreements}")
        for one in pulls
    ]  # fmt: skip
    heads = ("inputs", "new", "s", "ms each", "processor s", "peak MB", "database MB", "disagreements")
    print_table(
        heads, rows, f"trainer hub pull, {devices} devices, pictures of {len(small_jpeg(''))} bytes, fake backbone"
    )
    first, last = rounds[0], rounds[-1]
    grown = (last.peak - first.peak) / 1e6 / (last.inputs - first.inputs) * 1e3 if last is not first else 0.0
    ratio = (last.wall / last.new) / (first.wall / first.new)
    verdicts(
        [
            Goal("time for each input, last round / first", ratio, TIME_RATIO),
            Goal("memory, for each 1 000 inputs more", grown, MEMORY_MB, "MB"),
            Goal("a pull with nothing new, of the last round's time", again.wall / last.wall, 0.1),
        ]
    )


if __name__ == "__main__":
    main()

"""bytes, requests and memory of a sync over a thin line, on a clock of its own"""

from __future__ import annotations

import argparse
import gc
import hashlib
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from _common import Goal, machine, print_table, verdicts

from edge import Engine
from edge.config import Config
from edge.store import NewInput
from edge.sync.book import LogBook
from edge.sync.contract import Met
from edge.sync.registry import Known
from edge.sync.remotes.base import Object
from edge.sync.remotes.memory import Bucket, MemoryRemote
from edge.sync.remotes.probe import mark, read_mark
from edge.sync.session import Meeting
from edge.sync.transfer import Transfer

RATIO, RATIO_FAILING, REQUESTS, GROWTH_MB = 1.03, 1.10, 5, 20.0
FAULTS = ("refused", "half", "error", "lost")
SEED = 7


class Line:
    """A line on a clock of its own: every request costs its latency, every byte its time."""

    def __init__(self, bits: float, latency: float) -> None:
        self.bits, self.latency = bits, latency
        self.now = 0.0
        self.bytes = 0

    def wire(self, sent: int, received: int) -> None:
        self.bytes += sent + received
        self.now += self.latency + 8 * (sent + received) / self.bits

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Facts(Bucket):
    """Remembers of pictures how long they are, and checks that they are the right ones; the disk is not needed."""

    def write(self, key: str, data: bytes) -> None:
        if "/blobs/" not in key:
            super().write(key, data)
            return
        assert key.endswith(hashlib.sha256(data).hexdigest()), "not the picture that it is named as"
        assert key not in self.objects or self.lengths[key] == len(data)
        self.objects[key] = b""
        self.lengths[key] = len(data)

    def __init__(self) -> None:
        super().__init__()
        self.lengths: dict[str, int] = {}

    def facts(self, key: str) -> Object:
        return Object(key, self.lengths[key], "") if key in self.lengths else super().facts(key)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=200_000, help="of each picture")
    parser.add_argument("--bits", type=float, default=1e6, help="a second, of the line")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds a request takes at least")
    parser.add_argument("--failing", type=float, default=0.05, help="share of requests that fail, of the second line")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, Pictures(options.bytes).instead_of_files() as pictures:
        store = Path(folder) / "store"
        with Engine.open(store, backbone="fake", config=Config(delegate="none", threads=1)) as engine:
            fill(engine, pictures, options.inputs)
            payload = options.inputs * options.bytes
            goals = [*measured(engine, options, payload, 0.0), *measured(engine, options, payload, options.failing)]
    verdicts(goals)


class Pictures:
    """Contents made when they are read, from their number."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.numbers: dict[str, int] = {}

    def content(self, number: int) -> bytes:
        return random.Random(number).randbytes(self.size)

    def add(self, number: int) -> bytes:
        data = self.content(number)
        self.numbers[hashlib.sha256(data).hexdigest()] = number
        return data

    def _read(self, path: Path, start: int, limit: int) -> bytes:
        return self.content(self.numbers[path.stem])[start : start + limit]

    @contextmanager
    def instead_of_files(self) -> Iterator[Pictures]:
        with (
            mock.patch("edge.store.blobs.stage", lambda *_: None),
            mock.patch("edge.store.blobs.sync_folders", lambda *_: None),
            mock.patch("edge.sync.pictures._read", self._read),
        ):
            yield self


def fill(engine: Engine, pictures: Pictures, count: int) -> None:
    """Inputs as a camera makes them, every third one annotated."""
    inputs = engine.store.inputs
    for start in range(0, count, 100):
        new = [
            NewInput(
                data=pictures.add(number),
                media_type="image/jpeg",
                width=1280,
                height=960,
                source=f"camera://orchard/{datetime.fromtimestamp(1.7e9 + 60 * number, UTC):%Y%m%d-%H%M%S}.jpg",
                embedding=bytes(engine.card.embedding.size),
                backbone_sha256=engine.card.sha256,
                annotations={"ripe": number % 2} if number % 3 == 0 else {},
            )
            for number in range(start, min(start + 100, count))
        ]
        inputs.add(new, by="user")


def measured(engine: Engine, options: argparse.Namespace, payload: int, failing: float) -> list[Goal]:
    line, bucket, chance = Line(options.bits, options.latency), Facts(), random.Random(SEED)

    def faults(_verb: str, _key: str) -> str:
        return chance.choice(FAULTS) if chance.random() < failing else ""

    calm = MemoryRemote(bucket)
    known = Known("home", "memory://", mark(calm), True, True)
    gc.collect()
    before = resident()
    rows, runs = [], []
    for name in ("first", "again"):
        remote = MemoryRemote(bucket, faults=faults, wire=line.wire)
        remote.requests = Counted()
        began, wire = line.now, line.bytes
        met = meet(engine, known, remote, line, chance)
        runs.append((met, line.bytes - wire))
        spent, hours = line.bytes - wire, (line.now - began) / 3600
        rows.append(
            (name, f"{met.pictures_sent}", f"{met.segments_sent}", f"{len(remote.requests)}", f"{met.failures}",
             f"{spent / 1e6:.3f}", f"{spent / payload:.4f}", f"{hours:.2f}")
        )  # fmt: skip
    growth = (peak() - before) / 1e6
    heads = ("run", "pictures", "segments", "requests", "failed", "MB on the wire", "of the payload", "hours")
    title = f"{options.inputs} inputs of {options.bytes} bytes, {options.bits / 1e6:g} Mbit/s, {options.latency:g} s"
    print_table(heads, rows, f"{title}, {failing:.0%} of requests failing")
    assert len(bucket.lengths) == options.inputs, "pictures are missing"
    limit = RATIO_FAILING if failing else RATIO
    label = f"{failing:.0%} failing" if failing else "no failures"
    goals = [
        Goal(f"bytes on the wire / payload, {label}", runs[0][1] / payload, limit),
        Goal(f"memory growth, {label}", growth, GROWTH_MB, "MB"),
    ]
    if not failing:
        goals.append(Goal("requests of a second run", runs[1][0].requests, REQUESTS))
    return goals


class Counted(list):  # type: ignore[type-arg]
    """Counts requests without keeping them."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def append(self, _: object) -> None:
        self.count += 1

    def __len__(self) -> int:
        return self.count


def meet(engine: Engine, known: Known, remote: MemoryRemote, line: Line, chance: random.Random) -> Met:
    """As ``edge sync``, with the remote and the clock of this benchmark."""
    transfer = Transfer(remote, clock=line, chance=chance)
    assert read_mark(transfer) == known.id
    store = engine.store
    meeting = Meeting(store.path, store.shelf, LogBook(store), known, transfer, arrived=lambda _: [])
    try:
        return meeting.run()
    finally:
        meeting.close()


def resident() -> int:
    """Bytes in memory now; the highest figure starts anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def peak() -> int:
    return status("VmHWM")


def status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


if __name__ == "__main__":
    main()

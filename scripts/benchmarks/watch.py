"""Camera loops: trigger to action beside camera and bare invoke, what a quiet loop costs, and 100 000 captures."""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from _common import PHOTOGRAPHS, Goal, machine, photograph, taught, verdicts
from PIL import Image

sys.path.pop(0)  # the benchmark of the serial line is called as the package of pyserial is
from edge import Engine
from edge.camera.base import Capture
from edge.config import DEFAULT_BACKBONE, Config
from edge.engine.watching import watch
from edge.image import prepare
from edge.watch.base import Event
from edge.watch.config import LoopConfig, WatchConfig
from edge.watch.decision import Rules
from edge.watch.specs import spec
from edge.watch.triggers import Motion, changed, grey
from trainer.tables import print_table

_PAUSE = 0.03
"""Seconds before whatever is timed: real triggers come to a processor that was doing something else."""
WARM = 2000
EACH = 200
"""Captures that one photograph is shown for, in the long run."""
BETWEEN = 50
"""Captures from one bare invoke to the next, in the long run."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer of everything")
    arguments.add_argument("--triggers", type=int, help="looks whose time is taken (2000)")
    arguments.add_argument("--captures", type=int, help="of the long run (100 000); 0 leaves it out")
    arguments.add_argument("--idle", type=float, help="seconds that a quiet process is watched for (60); 0: not")
    arguments.add_argument("--size", type=int, default=640, help="longer side of the JPEGs")
    arguments.add_argument("--backbone", default=DEFAULT_BACKBONE)
    asked = arguments.parse_args()
    triggers = asked.triggers or (200 if asked.quick else 2000)
    captures = (4 * WARM if asked.quick else 100_000) if asked.captures is None else asked.captures
    seconds = (15.0 if asked.quick else 60.0) if asked.idle is None else asked.idle
    print(machine())
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        photographs(place, asked.size)
        motion()
        config = Config(threads=1, delegate="none", quiet=True)
        with Engine.open(place / "store", backbone=asked.backbone, config=config) as engine:
            model = taught(engine)
            goals += latency(engine, model, place, triggers)
            if seconds:
                goals += idle(place, seconds)
            if captures:
                goals += long_run(engine, place, captures)
    print(f"load after: {os.getloadavg()[0]:.1f}")
    verdicts(goals)


def photographs(place: Path, size: int) -> None:
    """Folders that a fake camera shows: ``all``, ``still`` with one, ``slow`` with each many times."""
    for folder in ("all", "still", "slow"):
        (place / folder).mkdir()
    total = 0
    for number, name in enumerate(PHOTOGRAPHS):
        photo = photograph(name)
        photo.thumbnail((size, size))
        buffer = io.BytesIO()
        photo.save(buffer, "JPEG", quality=88)
        total += len(buffer.getvalue())
        first = place / "all" / f"{number}.jpg"
        first.write_bytes(buffer.getvalue())
        for again in range(EACH):
            (place / "slow" / f"{number}-{again:03}.jpg").hardlink_to(first)
    (place / "still" / "0.jpg").hardlink_to(place / "all" / "0.jpg")
    print(f"{len(PHOTOGRAPHS)} JPEGs of {size} pixels, {total / len(PHOTOGRAPHS) / 1e3:.0f} kB each")


# --- motion ----------------------------------------------------------------------------------------------------------


def motion() -> None:
    """What share of the cells of each photograph moves for what does not, and for what does."""
    generator = np.random.default_rng(0)
    pictures = [np.asarray(photograph(name).resize((640, 480))).astype(float) for name in PHOTOGRAPHS]
    kinds: dict[str, Any] = {
        "noise of 20 of 255": lambda one: one + generator.normal(0, 20, one.shape),
        "light 15 % up": lambda one: one * 1.15,
        "light 30 % up": lambda one: one * 1.3,
        "light 40 % down": lambda one: one * 0.6,
        "a patch of 1.6 %": patch,
    }
    level = Motion(spec("motion")).level
    rows = []
    for name, change in kinds.items():
        shares = [100 * changed(cells(one), cells(change(one)), level).mean() for one in pictures]
        rows.append((name, f"{min(shares):.2f}", f"{np.median(shares):.2f}", f"{max(shares):.2f}"))
    begun = time.perf_counter()
    for one in (encoded := [capture(one) for one in pictures]) * 10:
        grey(one)
    took = 1e3 * (time.perf_counter() - begun) / (10 * len(encoded))
    print_table(
        ("% of the cells move", "least", "median", "most"),
        rows,
        f"{len(pictures)} photographs of 640 x 480, {took:.2f} ms to decode one",
    )


def patch(picture: np.ndarray) -> np.ndarray:
    """Something that was not there before, of a brightness that the photograph has little of."""
    found = picture.copy()
    found[200:270, 300:370] = 30 if picture[200:270, 300:370].mean() > 128 else 225
    return found


def cells(picture: np.ndarray) -> np.ndarray:
    return grey(capture(picture))


def capture(picture: np.ndarray) -> Capture:
    buffer = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return Capture(buffer.getvalue(), 0.0, datetime.now(UTC), 1, "a photograph")


# --- trigger to action -----------------------------------------------------------------------------------------------


class Timed:
    """An action that notes when it was done."""

    name = "timed"

    def __init__(self) -> None:
        self.done = threading.Event()
        self.at = 0.0
        self.picture: Any = None

    def check(self) -> str:
        return "note the time"

    def start(self) -> None:
        pass

    def act(self, event: Event) -> bool:
        self.at = time.perf_counter()
        self.picture = None if event.capture is None else event.capture.picture
        self.done.set()
        return True

    def close(self, seconds: float) -> None:
        pass


def latency(engine: Engine, model: Any, place: Path, count: int) -> list[Goal]:
    """Each trigger is looked at by a running loop, then its very picture by bare calls."""
    timed = Timed()
    loop = LoopConfig("gate", f"fake://?fps=50&folder={place / 'all'}", model.name, ("api",), ())
    loops = watch(engine, WatchConfig((loop,)))
    loops.loops[0].actions = (timed,)
    loops.start()
    backbone = engine.backbone
    names = ("trigger to action", "camera + bare invoke", "bare invoke alone")
    times = {name: np.empty(count) for name in names}
    gc.collect()
    for number in range(-20, count):
        time.sleep(_PAUSE)
        timed.done.clear()
        begun = time.perf_counter()
        loops.ask("gate")
        timed.done.wait(30)
        time.sleep(_PAUSE)
        took = timed.at - begun, *bare(loops.loops[0].camera, timed.picture, backbone)
        for name, one in zip(names, took, strict=True):
            if number >= 0:
                times[name][number] = 1e3 * one
    loops.stop()
    rows = [
        (name, *(f"{value:.2f}" for value in np.percentile(values, (50, 90, 99))), f"{values.max():.2f}")
        for name, values in times.items()
    ]
    print_table(("ms", "p50", "p90", "p99", "largest"), rows, f"{count} triggers, the same pictures in every row")
    more = {
        share: float(np.percentile(times[names[0]], share) - np.percentile(times[names[1]], share))
        for share in (50, 99)
    }
    return [
        Goal("trigger to action, p50 above camera + bare invoke", more[50], 1.5, "ms"),
        Goal("trigger to action, p99 above camera + bare invoke", more[99], 5.0, "ms"),
    ]


def bare(camera: Any, picture: Any, backbone: Any) -> tuple[float, float]:
    """Seconds for the newest picture, decoding ``picture`` and the network; and for the network alone."""
    begun = time.perf_counter()
    camera.peek()
    pixels = prepare(picture, backbone.card.preprocessing)
    decoded = time.perf_counter()
    backbone.embed(pixels)
    done = time.perf_counter()
    return done - begun, done - decoded


# --- nothing happens -------------------------------------------------------------------------------------------------


def idle(place: Path, seconds: float) -> list[Goal]:
    """The processor time of ``edge watch`` in a process of its own."""
    camera = f"fake://?fps=5&folder={place / 'still'}"
    kinds = {
        "motion on 5 pictures a second": ("motion",),
        "motion, api, and a look an hour": ("interval:1h+motion+api",),
        "a look every 2 s": ("interval:2s",),
    }
    rows, shares = [], []
    for name, triggers in kinds.items():
        share, memory = quiet(place, camera, triggers, seconds)
        rows.append((name, f"{100 * share:.2f} %", f"{memory / 1e6:.0f} MB"))
        shares.append(100 * share)
    print_table(("loop", "of one core", "memory"), rows, f"a still scene, {seconds:g} s each")
    return [Goal("one core while nothing happens", max(shares[:2]), 2.0, "%")]


def quiet(place: Path, camera: str, triggers: tuple[str, ...], seconds: float) -> tuple[float, int]:
    """The share of a core, and the memory in bytes, once it has settled."""
    command = [sys.executable, "-m", "edge.faces.cli", "--store", str(place / "store"), "--json", "watch", camera]
    command += ["--model", "things", *(word for one in triggers for word in ("--trigger", one))]
    environment = {**os.environ, "EDGE_THREADS": "1", "EDGE_DELEGATE": "none"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        time.sleep(5)
        before, begun = used(process.pid), time.monotonic()
        time.sleep(seconds)
        share = (used(process.pid) - before) / (time.monotonic() - begun)
        memory = resident(process.pid)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0, "edge watch did not run"
    return share, memory


def used(pid: int) -> float:
    """Seconds of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int | str = "self") -> int:
    """Bytes of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


# --- for a long time -------------------------------------------------------------------------------------------------


def long_run(engine: Engine, place: Path, count: int) -> list[Goal]:
    """Captures of a fake camera as fast as they are looked at, written down and now and then stored."""
    looks, bares = np.ones(count), np.ones(count // BETWEEN + 1)
    memory = np.zeros(count // WARM + 1, dtype=np.int64)
    backbone, seen = engine.backbone, 0

    def told(event: Event) -> None:
        nonlocal seen
        looks[seen] = event.seconds
        if seen % BETWEEN == 0:
            bares[seen // BETWEEN] = sum(bare_of(event, backbone))
        seen += 1
        if seen % WARM == 0:
            memory[seen // WARM] = resident()

    loop = LoopConfig(
        "soak",
        f"fake://?fps=0&count={count}&folder={place / 'slow'}",
        "things",
        ("each", "motion"),
        (f"log:{place / 'soak.jsonl'}?size=1MB", "store:changed?count=50"),
        Rules(smoothing=3),
    )
    loops = watch(engine, WatchConfig((loop,)), told)
    begun = time.monotonic()
    loops.start()
    while not loops.wait(30):
        pass
    took = time.monotonic() - begun
    facts = loops.document()["soak"]
    loops.stop()
    assert seen == count, f"{seen} of {count} captures were looked at: {json.dumps(facts)}"
    tenth = max(BETWEEN, (count - WARM) // 10)
    first, last = slice(WARM, WARM + tenth), slice(count - tenth, count)
    ratio = [
        float(np.median(looks[part]) / np.median(bares[part.start // BETWEEN : part.stop // BETWEEN]))
        for part in (first, last)
    ]
    grown = (memory[count // WARM] - memory[1]) / 1e6
    rows = [
        (name, f"{1e3 * np.median(looks[part]):.2f}", f"{1e3 * np.percentile(looks[part], 99):.2f}", f"{one:.3f}")
        for name, part, one in (("first tenth", first, ratio[0]), ("last tenth", last, ratio[1]))
    ]
    print_table(
        ("captures", "p50 ms", "p99 ms", "p50 to bare invoke"),
        rows,
        f"{count} captures in {took:.0f} s, {facts['actions']} actions; {memory[1] / 1e6:.1f} MB after {WARM}, "
        f"{memory[count // WARM] / 1e6:.1f} MB at the end, {memory.max() / 1e6:.1f} MB at most",
    )
    return [
        Goal("memory grows", float(grown), 5.0, "MB"),
        Goal("a look takes longer at the end", 100 * (ratio[1] / ratio[0] - 1), 3.0, "%"),
    ]


def bare_of(event: Event, backbone: Any) -> tuple[float]:
    begun = time.perf_counter()
    backbone.embed(prepare(event.capture.picture, backbone.card.preprocessing))
    return (time.perf_counter() - begun,)


if __name__ == "__main__":
    main()

"""What the benchmarks share: the machine's name, paired timing, tables with goals and verdicts, photographs."""

from __future__ import annotations

import gc
import io
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainer.tables import print_table

PHOTOGRAPHS = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png",
    "coins.png", "grass.png", "gravel.png", "moon.png", "rocket.jpg",
)  # fmt: skip
_PACKAGES = ("ai-edge-litert", "tflite-runtime", "numpy", "pillow", "scikit-learn")


# --- the machine -----------------------------------------------------------------------------------------------------


def machine() -> str:
    """One paragraph that says where the figures come from."""
    packages = [f"{name} {found}" for name in _PACKAGES if (found := _version(name))]
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"machine: {_processor()}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, {platform.machine()}, "
        f"Linux {platform.release().split('-')[0]}; load before: {load}\n"
        f"software: Python {platform.python_version()}, {', '.join(packages)}"
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The model as the kernel names it; boards say it in their device tree."""
    board = Path("/proc/device-tree/model")
    if board.exists():
        return board.read_text().strip("\0\n")
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


# --- time ------------------------------------------------------------------------------------------------------------


def paired(parts: Mapping[str, Callable[[], Any]], *, repeats: int, warm: int = 5) -> dict[str, np.ndarray]:
    """Milliseconds of each part, (repeats,): all parts once per repeat, one after another, each time another first.

    What disturbs the machine then disturbs all of them, and ratios of one repeat can be compared.
    """
    names = list(parts)
    for _ in range(warm):
        for part in parts.values():
            part()
    times = {name: np.empty(repeats) for name in names}
    gc.collect()
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in names[first:] + names[:first]:
            times[name][repeat] = milliseconds(parts[name])
    return times


def milliseconds(part: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    part()
    return 1e3 * (time.perf_counter() - start)


def spread(values: np.ndarray, digits: int = 2) -> tuple[str, str, str]:
    """Smallest, median and 90th percentile, as text."""
    return tuple(f"{one:.{digits}f}" for one in (values.min(), np.median(values), np.percentile(values, 90)))  # type: ignore[return-value]


# --- commands --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command printed and took: seconds of wall and processor, bytes of memory at its highest."""

    said: str
    wall: float
    processor: float
    peak: int


_MEASURE = """
import json, os, resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
facts = [code, time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]
os.write(int(sys.argv[1]), json.dumps(facts).encode())
"""


def command(*words: object) -> Cost:
    """One of this project's commands in a process of its own. Raises SystemExit when it fails.

    A small process starts and measures it: what Linux calls a process's highest memory includes that of its parent.
    """
    program = [Path(sys.executable).with_name(str(words[0])), *map(str, words[1:])]
    read, write = os.pipe()
    with os.fdopen(read) as facts:
        measured = [sys.executable, "-S", "-c", _MEASURE, str(write), *program]
        said = subprocess.run(measured, pass_fds=[write], stdout=subprocess.PIPE, text=True).stdout
        os.close(write)
        code, wall, processor, peak = json.loads(facts.read())
    if code:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {code}")
    return Cost(said, wall, processor, peak)


# --- tables ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and what it has to be: at most ``limit``, or at least it."""

    what: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def row(self) -> tuple[str, ...]:
        relation = "at least" if self.at_least else "at most"
        return (
            self.what,
            f"{self.value:.3g} {self.unit}".rstrip(),
            f"{relation} {self.limit:g} {self.unit}".rstrip(),
            "met" if self.met else "MISSED",
        )


def verdicts(goals: Iterable[Goal]) -> None:
    """The goals as a table."""
    print_table(("goal", "measured", "wanted", "verdict"), [goal.row() for goal in goals])


# --- pictures --------------------------------------------------------------------------------------------------------


def photograph(name: str) -> Image.Image:
    """A photograph inside scikit-image's wheel, RGB; ``skimage`` itself is not imported."""
    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise SystemExit("scikit-image is not installed; run scripts/bench, or: pip install scikit-image")
    with Image.open(Path(found.origin).parent / "data" / name) as image:
        return image.convert("RGB")


def camera_jpeg(width: int = 4000, height: int = 3000, name: str = "coffee.png") -> bytes:
    """A photograph scaled up to a camera's size, with a sensor's noise, compressed as cameras do: 3 to 5 MB."""
    picture = np.asarray(photograph(name).resize((width, height), Image.Resampling.BICUBIC)).astype(np.float32)
    noise = np.random.default_rng(0).standard_normal((height, width, 1), dtype=np.float32)
    pixels = (picture + 5.5 * noise).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90, subsampling="4:2:0")
    return buffer.getvalue()


SMALL = 160, 120
"""Width and height of ``small_jpeg``."""


def small_jpeg(name: str) -> bytes:
    """A JPEG of some 5 kB with a name in its comment: no other one has these bytes."""
    plain, comment = _plain_jpeg(), name.encode()
    return plain[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + plain[2:]


@cache
def _plain_jpeg() -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (SMALL[1] // 8, SMALL[0] // 8, 3), np.uint8)
    Image.fromarray(noise).resize(SMALL).save(buffer, "JPEG")
    return buffer.getvalue()


def crops(name: str, count: int) -> list[np.ndarray]:
    """Crops of half a photograph's height, from its left to its right."""
    pixels = np.asarray(photograph(name))
    side = pixels.shape[0] // 2
    lefts = np.linspace(0, pixels.shape[1] - side, count).astype(int)
    return [pixels[side // 2 : side // 2 + side, left : left + side] for left in lefts]


def taught(engine: Any, name: str = "things", pictures: int = 4, **settings: bool) -> Any:
    """A model of ten concepts, trained on a few real photographs of each."""
    concepts = [photo.partition(".")[0] for photo in PHOTOGRAPHS]
    for photo, concept in zip(PHOTOGRAPHS, concepts, strict=True):
        others = [one for one in concepts if one != concept]
        engine.add(crops(photo, pictures), concepts=[concept], not_concepts=others)
    model = engine.create_model(name, concepts, **settings)
    model.train().wait()
    return model

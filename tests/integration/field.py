"""A device in the field as a process: adds, labels and synchronises until it is killed; says what was acknowledged."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]


def work(store: str, url: str, seed: int) -> None:
    """Until killed. A line for every call that returned."""
    from edge.errors import EdgeError
    from tests.integration.meetings import Device

    device = Device(Path(store), url, os.environ, attempts=3)
    say({"ready": True})
    number = 0
    while True:
        label = {random.Random(seed + number).choice(("red", "green")): number % 2}
        seeds = (seed, number), (seed, number, 1)
        say({"begin": seeds})
        device.add(*seeds, **label)
        say({"done": device.said})
        device.said = {}
        with suppress(EdgeError):  # cut by whoever tests
            device.sync()
            say({"met": number})
        number += 1


def say(record: dict[str, object]) -> None:
    os.write(1, json.dumps(record).encode() + b"\n")


def killed(store: Path, url: str, seed: int, after: float, environ: Mapping[str, str] | None = None) -> list[dict]:
    """Run one, kill it so many seconds after it was ready, and return what it said."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.integration.field", str(store), url, str(seed)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", **(environ or {})},
    )
    assert process.stdout
    records = [json.loads(process.stdout.readline())]
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    records += [json.loads(line) for line in process.stdout if line.endswith(b"\n")]
    process.wait()
    process.stdout.close()
    return records


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]))

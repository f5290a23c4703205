"""kill -9 and power cuts at random moments: what was acknowledged, what was lost, what the doctor says."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm

from edge import Engine
from edge.config import Config
from tests.integration.crashing import Expected, Workers, complaints, later
from tests.integration.cutfs import Mount, missing

KILLS_PER_STORE = 50
CALLS = 100


def main() -> None:
    """Print the counts; exit 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how many processes to kill (default 1000)")
    parser.add_argument("--cuts", type=int, default=400, help="how many power cuts (default 400)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    lost = kills(given.kills, given.seed)
    if missing():
        print(f"power cuts: left out, {missing()}")
    else:
        lost += cuts(given.cuts, given.seed)
    sys.exit(lost > 0)


def kills(count: int, seed: int) -> int:
    """Kill workers at random moments; returns how many things were lost."""
    moments = random.Random(seed)
    acknowledged = lost = sick = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Workers() as workers:
        expected = Expected()
        for number in tqdm(range(count), unit="kill", disable=None):
            store = Path(folder) / str(number // KILLS_PER_STORE)
            if number % KILLS_PER_STORE == 0:
                acknowledged, expected = acknowledged + expected.acknowledged, Expected()
            moment = (moments.randint(0, 14), moments.uniform(0, 0.02))
            expected.take(workers.run(store, seed=seed + number, kill=moment))
            last = number % KILLS_PER_STORE == KILLS_PER_STORE - 1
            with opened(store, hours_later=last) as engine:
                lost += told("lost", expected.missing(engine))
                if last:
                    list(engine.store.check(repair=True))
                sick += told("doctor", list(complaints(engine)))
        acknowledged += expected.acknowledged
    report("kills", count, acknowledged, lost, sick, began)
    return lost + sick


def cuts(count: int, seed: int) -> int:
    """Cut the power of a simulated disk under a worker at random moments, every other time with random survivors."""
    moments = random.Random(seed)
    done = acknowledged = lost = sick = 0
    began = time.monotonic()
    bar = tqdm(total=count, unit="cut", disable=None)
    while done < count:
        with tempfile.TemporaryDirectory() as folder, Mount(Path(folder) / "mount") as mount, Workers() as workers:
            left: list[tuple[int, Path]] = []
            when = set(moments.sample(range(1, 2 * CALLS), min(count - done, CALLS)))

            def watch(number: int, when=when, left=left, mount=mount, folder=folder) -> None:
                if number in when:
                    time.sleep(moments.uniform(0, 0.01))
                    to = Path(folder) / f"cut{number}"
                    left.append((number, mount.cut(to, None if number % 2 else number)))

            records = workers.run(mount.folder / "store", seed=seed + done, calls=CALLS, watch=watch)
            acknowledged += sum("done" in record for record in records)
            for number, survivors in left:
                with opened(survivors / "store") as engine:
                    lost += told("lost", nearest(records, number, engine))
                    sick += told("doctor", list(complaints(engine)))
                bar.update()
            done += len(left)
    bar.close()
    report("power cuts", done, acknowledged, lost, sick, began)
    return lost + sick


def nearest(records: list[dict[str, object]], number: int, engine: Engine) -> list[str]:
    """Nothing when the store is in a state it had after the first ``number`` records or later; else what is lost."""
    expected, first = Expected(), None
    for position, record in enumerate(records):
        if position >= number:
            found = expected.missing(engine)
            if not found:
                return []
            first = first or found
        if "done" in record:
            expected.take([record])
    return expected.missing(engine) and (first or ["nothing is as it was"])


def opened(store: Path, *, hours_later: bool = False) -> Engine:
    config = Config(delegate="none", threads=1)
    if hours_later:
        return Engine.open(store, backbone="fake", config=config, clock=later)
    return Engine.open(store, backbone="fake", config=config)


def told(what: str, found: list[str]) -> int:
    for one in found:
        tqdm.write(f"{what}: {one}")
    return len(found)


def report(what: str, count: int, acknowledged: int, lost: int, sick: int, began: float) -> None:
    seconds = time.monotonic() - began
    print(f"{what}: {count}, acknowledged calls: {acknowledged}, lost: {lost}, doctor: {sick}, in {seconds:.0f} s")


if __name__ == "__main__":
    main()

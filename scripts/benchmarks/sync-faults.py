"""how many cuts, kills and failing servers syncs survive, and what they lose or double: nothing"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections import Counter
from pathlib import Path

from _common import Goal, machine, print_table, verdicts

from tests.integration.meetings import (
    ENVIRON,
    Counts,
    cut_at,
    killed_often,
    server_cut_at,
    server_in_trouble,
)
from tests.object_servers import FATES, S3Server

FAULTS = ("refused", "half", "error", "lost", "full")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40, help="of a device on a folder, and as many on a server")
    parser.add_argument("--troubles", type=int, default=10, help="runs over a server that fails at random")
    options = parser.parse_args()
    print(machine())
    found: dict[str, Counts] = {}
    took: dict[str, float] = {}
    fates: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as text, S3Server() as server:
        folder = Path(text)

        def measured(name: str, counts: Counts, began: float) -> None:
            found[name], took[name] = counts, time.monotonic() - began

        for fault in FAULTS:
            counts, began = Counts(), time.monotonic()
            while cut_at(folder / f"{fault}{counts.cuts}", counts.cuts, fault, counts):
                pass
            measured(f"cut at every request, {fault}", counts, began)
        for fate in FATES:
            counts, began = Counts(), time.monotonic()
            for number in itertools.count():
                if not server_cut_at(folder / f"s-{fate}{number}", server, number, fate, counts):
                    break
            measured(f"S3 server, every request, {fate}", counts, began)
        counts, began = Counts(), time.monotonic()
        for seed in range(options.troubles):
            fates += server_in_trouble(folder / f"trouble{seed}", server, seed, 0.3, counts)
        measured("S3 server, 30 % of requests fail", counts, began)
        (folder / "stick").mkdir()
        counts, began = Counts(), time.monotonic()
        killed_often(folder / "killed", str(folder / "stick"), 1, options.kills, counts)
        measured("kill -9, folder", counts, began)
        server.make_bucket("killed")
        counts, began = Counts(), time.monotonic()
        killed_often(folder / "killed-s3", server.url("killed"), 2, options.kills, counts, ENVIRON)
        measured("kill -9, S3 server", counts, began)
    rows = [
        (name, f"{one.cuts}", f"{one.pictures}", f"{one.labels}", f"{one.lost}", f"{one.doubled}",
         f"{len(one.problems)}", f"{took[name]:.0f}")
        for name, one in found.items()
    ]  # fmt: skip
    print_table(
        ("what", "cuts", "pictures", "labels", "lost", "doubled", "complaints", "s"), rows, "looked at in the end"
    )
    print(f"\nfates of the failing requests: {', '.join(f'{name} {count}' for name, count in sorted(fates.items()))}")
    for one in found.values():
        for problem in one.problems[:5]:
            print(problem)
    total = {name: sum(getattr(one, name) for one in found.values()) for name in ("lost", "doubled")}
    complaints = sum(len(one.problems) for one in found.values())
    verdicts(
        [
            Goal("acknowledged labels and pictures lost", total["lost"], 0),
            Goal("pictures doubled", total["doubled"], 0),
            Goal("complaints of the doctor", complaints, 0),
        ]
    )


if __name__ == "__main__":
    main()

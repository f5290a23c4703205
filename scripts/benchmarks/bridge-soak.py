"""100 000 triggers over a simulated line that flips, drops and is cut, both ends restarted: what became of each."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from _common import Goal, machine, verdicts

from firmware_bridge.fake import FakeBoard
from tests.firmware.c_board import CBoard
from tests.serial_line import Faults, Simulation
from trainer.tables import print_table


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--triggers", type=int, default=100_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--firmware", action="store_true", help="the board's end is the C code")
    asked = arguments.parse_args()
    print(machine())
    faults = Faults()
    print(
        f"{100 * faults.flipped:g} % of bytes flipped, {100 * faults.dropped:g} % dropped, cuts of up to "
        f"{faults.cut_most:g} s, restarts of either end, power lost in {100 * faults.power:g} % of the host's syncs"
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        board = CBoard if asked.firmware else FakeBoard
        tally = Simulation(asked.seed, faults, journal=Path(folder) / "journal", board=board).run(asked.triggers)
    rows = [(name.replace("_", " "), round(value, 1)) for name, value in vars(tally).items()]
    print_table(("what", "count"), rows)
    print(f"\n{time.perf_counter() - start:.0f} s for {tally.seconds / 3600:.1f} simulated hours")
    verdicts(
        [
            Goal("acknowledged triggers of a board that lived on, without an answer", tally.lost, 0),
            Goal("acknowledged triggers a host had forgotten", tally.forgotten, 0),
            Goal("answered twice", tally.twice, 0),
            Goal("wrong answers", tally.wrong, 0),
        ]
    )


if __name__ == "__main__":
    main()

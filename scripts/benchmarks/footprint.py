"""Flash and RAM of the serial link on an ATmega328P: what the linker leaves in, and the stack in the simulated chip."""

from __future__ import annotations

import argparse
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from _common import Goal, verdicts

sys.path.pop(0)  # the benchmark serial.py stands beside this, and the package of pyserial is meant
from firmware_bridge import Answered, Bridge, Trigger, Up
from firmware_bridge.messages import NO_CONCEPT
from tests.firmware import building
from tests.firmware.boards import Board
from trainer.tables import print_table

EMPTY = "volatile unsigned char byte; int main(void) { for (;;) { } }\n"
LINK = """
#include "edge_link.h"
static struct edge_link link;
volatile unsigned char byte;
static size_t put(void *c, const unsigned char *d, size_t n) { (void)c; (void)d; return n; }
static uint32_t ms(void *c) { (void)c; return byte; }
int main(void)
{
    static const struct edge_callbacks calls = {put, ms, 0, 0};
    edge_link_init(&link, &calls, 0, edge_nonce(byte, byte), "uno");
    for (;;) {
        edge_link_receive(&link, byte);
        edge_link_trigger(&link, byte);
        edge_link_log(&link, byte, "x");
        edge_link_poll(&link);
    }
}
"""
PICTURES = LINK.replace('"edge_link.h"', '"edge_image.h"\nstatic struct edge_image image;').replace(
    "edge_link_poll(&link);",
    "if (!edge_image_busy(&image)) edge_image_start(&image, (void *)&byte, byte);\n"
    "edge_image_poll(&image, &link); edge_link_poll(&link);",
)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    version = subprocess.run(["avr-gcc", "--version"], capture_output=True, text=True, check=True).stdout
    print(f"{version.splitlines()[0]}, -Os, what nobody uses left out by the linker; ATmega328P: 32768 B and 2048 B")
    with tempfile.TemporaryDirectory() as folder:
        empty, link, pictures = (linked(Path(folder), one) for one in (EMPTY, LINK, PICTURES))
    stack = {name: stack_of(elf) for name, elf in (("bare", building.avr()), ("sketch", building.sketch()))}
    rows = [
        ("link and messages", *less(link, empty), "", ""),
        ("... with pictures", *less(pictures, empty), "", ""),
        ("board without a core: UART, timer, sensor, LED", *measured(building.avr()), *stack["bare"]),
        ("example sketch on the Arduino core", *measured(building.sketch()), *stack["sketch"]),
    ]
    print_table(("what", "flash B", "RAM B", "stack B", "never used B"), rows)
    flash, ram = less(link, empty)
    verdicts(
        [
            Goal("flash of link and messages", flash / 1024, 4, "KB"),
            Goal("RAM of link and messages, with the board's whole stack", ram + stack["bare"][0], 512, "B"),
        ]
    )


def less(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Both figures without those of the empty program."""
    return one[0] - other[0], one[1] - other[1]


def linked(folder: Path, source: str) -> tuple[int, int]:
    """Flash and RAM of a program with the library."""
    (folder / "main.c").write_text(source)
    library = map(str, building.LIBRARY)
    subprocess.run([*building.AVR, str(folder / "main.c"), *library, "-o", str(folder / "main.elf")], check=True)
    return measured(folder / "main.elf")


def measured(file: Path) -> tuple[int, int]:
    """Flash (text and data) and RAM (data and bss) in bytes."""
    line = subprocess.run(["avr-size", file], capture_output=True, text=True, check=True).stdout.splitlines()[1]
    text, data, bss = map(int, line.split()[:3])
    return text + data, data + bss


def stack_of(elf: Path) -> tuple[int, int]:
    """The stack at its deepest, interrupts included, and bytes that nothing ever used, after all messages there are."""
    events: queue.Queue[object] = queue.Queue()
    with Board(str(building.simulator()), str(elf)) as chip:
        bridge = Bridge(chip.port, events.put)
        try:
            bridge.set_concepts(["a name that is as long as a message can carry, and longer"] * 3)
            until(events, Up)
            for key in range(20):
                bridge.configure(key, key)
            for _ in range(20):
                chip.say("pin D2 0")
                trigger = until(events, Trigger)
                bridge.answer(trigger.nonce, trigger.id, concept=NO_CONCEPT)
                until(events, Answered)
                chip.say("pin D2 1")
                time.sleep(0.05)  # longer than contacts bounce
            bridge.ping()
        finally:
            bridge.close()
        stats = chip.stats()
    return stats["stack"], stats["ram_free"]


def until(events: queue.Queue[object], kind: type) -> object:
    """The next event of this kind."""
    waiting: Iterable[object] = iter(lambda: events.get(timeout=20), None)
    return next(one for one in waiting if isinstance(one, kind))


if __name__ == "__main__":
    main()

"""Flash and RAM of the serial link on an ATmega328P, measured by what the linker leaves in."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from _common import Goal, verdicts

from tests.firmware import building
from trainer.tables import print_table

EMPTY = "int main(void) { for (;;) { } }\n"
LINK = """
#include "edge_link.h"
static struct edge_link link;
volatile unsigned char byte;
static size_t put(void *c, const unsigned char *d, size_t n) { (void)c; (void)d; return n; }
static uint32_t ms(void *c) { (void)c; return byte; }
int main(void)
{
    static const struct edge_callbacks calls = {put, ms, 0, 0};
    edge_link_init(&link, &calls, 0, 7, "uno");
    for (;;) {
        edge_link_receive(&link, byte);
        edge_link_trigger(&link, 0);
        edge_link_poll(&link);
    }
}
"""


def main() -> None:
    compiler = subprocess.run(["avr-gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[
        0
    ]
    print(f"{compiler}, -Os, sections that nobody uses left out by the linker")
    with tempfile.TemporaryDirectory() as folder:
        empty = sizes(Path(folder), EMPTY, ())
        link = sizes(Path(folder), LINK, (str(building.LINK),))
        prologues = sizes(Path(folder), LINK, (str(building.LINK), "-mcall-prologues"))
    whole = measured(building.avr())
    stack = 93 + 33 + 51 + 16  # avr-gcc -fstack-usage: put_frame below edge_link_receive, say_hello and put
    rows = [
        ("link and messages", link[0] - empty[0], link[1] - empty[1]),
        ("the same with -mcall-prologues", prologues[0] - empty[0], prologues[1] - empty[1]),
        ("stack of the deepest call", "", stack),
        ("board with UART, timer, sensor, LED", *whole),
    ]
    print_table(("what", "flash B", "RAM B"), rows)
    verdicts(
        [
            Goal("flash of link and messages", link[0] - empty[0], 4096, "B"),
            Goal("RAM of link and messages, with stack", link[1] - empty[1] + stack, 512, "B"),
        ]
    )


def sizes(folder: Path, source: str, more: tuple[str, ...]) -> tuple[int, int]:
    (folder / "main.c").write_text(source)
    subprocess.run([*building.AVR, str(folder / "main.c"), *more, "-o", str(folder / "main.elf")], check=True)
    return measured(folder / "main.elf")


def measured(file: Path) -> tuple[int, int]:
    """Flash (text and data) and RAM (data and bss) in bytes."""
    line = subprocess.run(["avr-size", file], capture_output=True, text=True, check=True).stdout.splitlines()[1]
    text, data, bss = map(int, line.split()[:3])
    return text + data, data + bss


if __name__ == "__main__":
    main()

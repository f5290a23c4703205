"""The boards that are emulated: the processor qemu plays, and what the kernel tells programs about it.

XNNPACK, which does the network's arithmetic, chooses its kernels by /proc/cpuinfo and /sys. Under qemu-user these show
the host's processor, with which it crashes or gives up; so a userland gets those of the board.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_OLD = "fp asimd evtstrm crc32 cpuid"
_NEW = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
CORES = 4


@dataclass(frozen=True, slots=True)
class Board:
    """``cpu`` is qemu's name; part, variant and revision are the fields of the processor's identification."""

    name: str
    cpu: str
    part: int
    variant: int
    revision: int
    features: str


BOARDS = (
    Board("Raspberry Pi 4", "cortex-a72", 0xD08, 0, 3, _OLD),
    Board("Raspberry Pi 3 and Zero 2 W", "cortex-a53", 0xD03, 0, 4, _OLD),
    Board("Raspberry Pi 5", "cortex-a76", 0xD0B, 4, 1, _NEW),
)


def cpuinfo(board: Board) -> str:
    """The text of /proc/cpuinfo."""
    return "".join(
        f"processor\t: {core}\n"
        "BogoMIPS\t: 108.00\n"
        f"Features\t: {board.features}\n"
        "CPU implementer\t: 0x41\n"
        "CPU architecture: 8\n"
        f"CPU variant\t: {board.variant:#x}\n"
        f"CPU part\t: {board.part:#x}\n"
        f"CPU revision\t: {board.revision}\n\n"
        for core in range(CORES)
    )


def write_sys(folder: Path) -> None:
    """What programs read below /sys about the processor: how many cores there are, in one cluster."""
    cpus = folder / "devices/system/cpu"
    everyone = f"0-{CORES - 1}\n"
    for core in range(CORES):
        topology = cpus / f"cpu{core}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text("0\n")
        (topology / "core_id").write_text(f"{core}\n")
        for name in ("core_siblings_list", "package_cpus_list"):
            (topology / name).write_text(everyone)
    for name in ("possible", "present", "online"):
        (cpus / name).write_text(everyone)

"""What `scripts/emulated-pi` is asked for, and what this machine lacks for it. Standard library only.

As a program: prints what is missing and how to get it, and ends with 5; with 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Release:
    """A Debian release: the Python it has and the minor number of its glibc 2.x, which choose the wheels."""

    name: str
    python: str
    glibc: int


RELEASES = {"bookworm": Release("bookworm", "3.11", 36), "trixie": Release("trixie", "3.13", 41)}
KEYRING = Path("usr/share/keyrings/debian-archive-keyring.gpg")

# program -> (Debian package, what it is for)
PROGRAMS = {
    "debootstrap": ("debootstrap", "makes the userland"),
    "gpgv": ("gpgv", "checks Debian's signatures"),
    "aarch64-linux-gnu-gcc": ("gcc-aarch64-linux-gnu", "builds a stand-in for the Edge TPU library"),
}
QEMU = ("qemu-aarch64-static", "qemu-user-static", "runs ARM programs")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """``release``, ``fresh``, ``mirror``. Exits with 2 when the call is wrong."""
    parser = argparse.ArgumentParser(
        prog="scripts/emulated-pi",
        description="Run the project's wheel in a Debian arm64 userland, the one Raspberry Pi OS is made of.",
    )
    parser.add_argument("release", choices=sorted(RELEASES), help="bookworm has Python 3.11, trixie 3.13")
    parser.add_argument("--fresh", action="store_true", help="make the userland again instead of using the kept one")
    parser.add_argument("--mirror", metavar="URL", help="a Debian archive [default: the one that apt uses here]")
    return parser.parse_args(given)


def is_arm() -> bool:
    """Does this machine run arm64 programs by itself?"""
    return platform.machine() in ("aarch64", "arm64")


def missing(
    asked: argparse.Namespace,
    *,
    root: Path = Path("/"),
    uid: int | None = None,
    which: Callable[[str], str | None] = shutil.which,
    arm: bool | None = None,
) -> list[str]:
    """One line per thing that is missing, each with what to do. ``root``, ``uid`` and so on are for tests."""
    arm = is_arm() if arm is None else arm
    lines = list(_machine(root, os.getuid() if uid is None else uid, arm))
    packages = dict(_packages(root, which, arm))
    for name, purpose in packages.values():
        lines.append(f"{name} ({purpose}) is not installed")
    if packages:
        wanted = " ".join(sorted(packages))
        lines.append(f"to install what is missing: sudo apt-get install --no-install-recommends {wanted}")
    scripts = root / "usr/share/debootstrap/scripts"
    if scripts.is_dir() and not (scripts / asked.release).exists():
        lines.append(f"this debootstrap does not know {asked.release}; install a newer one")
    if asked.mirror is None and "debootstrap" not in packages and mirror() is None:
        lines.append("apt knows no Debian archive here; name one with --mirror URL")
    return lines


def _machine(root: Path, uid: int, arm: bool) -> Iterator[str]:
    if uid != 0:
        yield "root rights are missing, for chroot and mount; run: sudo scripts/emulated-pi"
    systems = root / "proc/filesystems"
    known = systems.read_text() if systems.exists() else ""
    if not arm and "binfmt_misc" not in known:
        yield (
            "the kernel does not offer binfmt_misc, by which ARM programs start other ARM programs; "
            "run: sudo modprobe binfmt_misc, or use a kernel built with CONFIG_BINFMT_MISC"
        )


def _packages(root: Path, which: Callable[[str], str | None], arm: bool) -> Iterator[tuple[str, tuple[str, str]]]:
    """Package -> (program, purpose)."""
    for program, (package, purpose) in PROGRAMS.items():
        if arm and program.endswith("gcc"):
            program, package = "gcc", "gcc"
        if which(program) is None:
            yield package, (program, purpose)
    program, package, purpose = QEMU
    if not arm and which(program) is None:
        yield package, (program, purpose)
    if not (root / KEYRING).exists():
        yield "debian-archive-keyring", (KEYRING.name, "Debian's keys")


def mirror() -> str | None:
    """The address of the Debian archive that apt uses here."""
    try:
        done = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(SITE)", "Origin: Debian", "Label: Debian"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return next(iter(done.stdout.split()), None)


def main() -> int:
    lacks = missing(arguments())
    for line in lacks:
        print(f"scripts/emulated-pi cannot run here: {line}", file=sys.stderr)
    return 5 if lacks else 0


if __name__ == "__main__":
    sys.exit(main())

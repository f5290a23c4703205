"""Compilers for tests and benchmarks: C for this machine and for the ATmega328P, kept by the hash of what went in."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware_bridge" / "firmware"
LINK = (FIRMWARE / "src" / "edge_frame.c", FIRMWARE / "src" / "edge_link.c")
SIMAVR = Path("/usr/include/simavr")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes")
AVR = ("-std=c99", "-Os", "-mmcu=atmega328p", "-DF_CPU=16000000UL", "-ffunction-sections", "-fdata-sections")
PACKAGES = {
    "cc": "gcc libc6-dev",
    "avr-gcc": "gcc-avr binutils-avr avr-libc",
    "avr-g++": "gcc-avr binutils-avr avr-libc",
    "simavr": "libsimavr-dev",
    "arduino": "arduino-core-avr",
}
ARDUINO = Path("/usr/share/arduino/hardware/arduino/avr")
_BUILT = ROOT / ".cache" / "compiled"


def missing(*tools: str) -> str | None:
    """What to install for these tools of ``PACKAGES``, or None where they are all there."""
    places = {"simavr": SIMAVR, "arduino": ARDUINO}
    lacking = [one for one in tools if not (places[one].exists() if one in places else shutil.which(one))]
    if not lacking:
        return None
    return f"{', '.join(lacking)} missing: apt-get install {' '.join(dict.fromkeys(PACKAGES[one] for one in lacking))}"


def need(*tools: str) -> None:
    """Skip the test where these are missing; in CI, where the packages are installed, fail it."""
    import pytest

    lacking = missing(*tools)
    if lacking and os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(lacking)
    if lacking:
        pytest.skip(lacking)


def compiled(name: str, sources: Sequence[Path], flags: Sequence[str], *, compiler: str = "cc") -> Path:
    """The program (or what the flags ask for) built from these sources, from .cache/ where it was built before.

    Headers beside the sources count as sources. RuntimeError with the compiler's words where it refuses.
    """
    hashed = hashlib.sha256(repr((compiler, flags)).encode())
    folders = dict.fromkeys(one.parent for one in sources)
    headers = [header for folder in folders for header in sorted(folder.glob("*.h"))]
    for one in (*sources, *headers):
        hashed.update(one.name.encode() + one.read_bytes())
    place = _BUILT / f"{name}-{hashed.hexdigest()[:16]}"
    if not place.exists():
        _BUILT.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_name(f"{place.name}.{os.getpid()}")
        includes = [f"-I{folder}" for folder in folders]
        # the sources before the flags: libraries among these are searched for what was missed so far
        run(compiler, *includes, *map(str, sources), *flags, "-o", str(unfinished))
        unfinished.replace(place)
    return place


def run(*words: str, **settings: object) -> str:
    """What a program printed. RuntimeError with all it said where it fails."""
    done = subprocess.run(words, capture_output=True, text=True, **settings)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return str(done.stdout)

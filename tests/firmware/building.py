"""The C side, compiled when it is needed and kept by the digest of its sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FIRMWARE = ROOT / "firmware_bridge" / "firmware"
CACHE = ROOT / ".cache" / "firmware"
LINK = FIRMWARE / "src" / "edge_link.c"

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion")
AVR = ("avr-gcc", "-std=c99", "-Os", "-Wall", "-Wextra", "-Werror", "-ffunction-sections", "-fdata-sections",
       "-Wl,--gc-sections", "-mmcu=atmega328p", "-DF_CPU=16000000UL", f"-I{FIRMWARE / 'src'}")  # fmt: skip


def needs(program: str, package: str) -> None:
    """Skips without a program; fails where everything is to be there."""
    if shutil.which(program) is None:
        message = f"this needs {program}: apt-get install {package}"
        if os.environ.get("CI"):
            raise RuntimeError(message)
        pytest.skip(message)


def shim() -> Path:
    """The link as a shared library, its time and callbacks the test's."""
    needs("cc", "gcc")
    return built(
        "shim.so", ("cc", "-std=c99", "-O1", "-fPIC", "-shared", f"-I{FIRMWARE / 'src'}", str(HERE / "shim.c"))
    )


def fuzz() -> Path:
    """The fuzzer under the sanitizers."""
    needs("cc", "gcc")
    flags = ("-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    return built("fuzz", ("cc", *flags, f"-I{FIRMWARE / 'src'}", str(HERE / "fuzz.c")))


def posix() -> Path:
    """The board as a program."""
    needs("cc", "gcc")
    source = FIRMWARE / "ports" / "posix" / "board.c"
    return built("board", ("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", f"-I{FIRMWARE / 'src'}", str(source),
                           str(LINK)))  # fmt: skip


def avr() -> Path:
    """The ATmega328P's firmware."""
    needs("avr-gcc", "gcc-avr avr-libc")
    return built("board.elf", (*AVR, str(FIRMWARE / "ports" / "avr" / "board.c"), str(LINK)))


def simulator() -> Path:
    """The chip."""
    needs("cc", "gcc")
    if not Path("/usr/include/simavr/sim_avr.h").exists():
        needs("a header of libsimavr", "libsimavr-dev")
    flags = ("-O2", "-Wall", "-Wextra", "-I/usr/include/simavr", str(HERE / "simavr.c"), "-lsimavr", "-lutil")
    return built("simavr", ("cc", *flags))


def built(name: str, command: tuple[str, ...]) -> Path:
    """What a command makes, made again when a source has changed."""
    sources = sorted([*FIRMWARE.rglob("*.[ch]"), *HERE.glob("*.c")])
    digest = hashlib.sha256(repr(command).encode() + b"".join(one.read_bytes() for one in sources)).hexdigest()[:16]
    place = CACHE / digest / name
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{os.getpid()}-{name}")
        subprocess.run([*command, "-o", str(temporary)], check=True)
        temporary.rename(place)
    return place

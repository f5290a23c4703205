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
LINK = (FIRMWARE / "src" / "edge_frame.c", FIRMWARE / "src" / "edge_link.c")
LIBRARY = (*LINK, FIRMWARE / "src" / "edge_image.c")
SKETCH = FIRMWARE / "examples" / "BeamSensor" / "BeamSensor.ino"
CORE = Path("/usr/share/arduino/hardware/arduino/avr")

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes")
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


def fuzz(payload: int = 64) -> Path:
    """The fuzzer under the sanitizers, for a board that takes this many bytes of payload."""
    needs("cc", "gcc")
    flags: tuple[str, ...] = ("-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    flags += (f"-DEDGE_MAX_PAYLOAD={payload}",)
    return built("fuzz", ("cc", *flags, f"-I{FIRMWARE / 'src'}", str(HERE / "fuzz.c")))


def posix() -> Path:
    """The board as a program."""
    needs("cc", "gcc")
    source = FIRMWARE / "ports" / "posix" / "board.c"
    return built("board", ("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", f"-I{FIRMWARE / 'src'}", str(source),
                           *map(str, LIBRARY)))  # fmt: skip


def avr(baud: int = 115_200) -> Path:
    """The ATmega328P's firmware."""
    needs("avr-gcc", "gcc-avr avr-libc")
    board = FIRMWARE / "ports" / "avr" / "board.c"
    return built("board.elf", (*AVR, f"-DBAUD={baud}", str(board), *map(str, LINK)))


def arduino() -> tuple[str, ...]:
    """Flags that compile for an Uno as the Arduino IDE does, against Debian's copy of its core."""
    needs("avr-g++", "gcc-avr avr-libc")
    if not CORE.exists():
        needs("the Arduino core", "arduino-core-avr")
    folders = (CORE / "cores" / "arduino", CORE / "variants" / "standard", CORE / "libraries" / "EEPROM" / "src",
               HERE / "arduino", FIRMWARE / "src")  # fmt: skip
    chip = ("-mmcu=atmega328p", "-DF_CPU=16000000UL", "-DARDUINO=10819", "-DARDUINO_ARCH_AVR")
    return (*chip, "-Os", "-ffunction-sections", "-fdata-sections", *(f"-I{one}" for one in folders))


def sketch() -> Path:
    """The example sketch with the Arduino core, as it would be uploaded to an Uno."""
    core, flags = CORE / "cores" / "arduino", arduino()
    plain = map(str, (*sorted(core.glob("*.c")), *sorted(core.glob("*.S")), *LINK))
    c = built("core.o", ("avr-gcc", *flags, "-w", "-r", "-nostdlib", *plain))
    # DECIMAL_DIG: avr-gcc 5 keeps it from C++
    cpp = ("-w", "-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics", "-DDECIMAL_DIG=__DECIMAL_DIG__")
    sources = (str(c), *map(str, sorted(core.glob("*.cpp"))), "-include", "Arduino.h", "-x", "c++", str(SKETCH))
    return built("sketch.elf", ("avr-g++", *flags, *cpp, "-Wl,--gc-sections", *sources))


def simulator() -> Path:
    """The chip."""
    needs("cc", "gcc")
    if not Path("/usr/include/simavr/sim_avr.h").exists():
        needs("a header of libsimavr", "libsimavr-dev")
    flags = ("-O2", "-Wall", "-Wextra", "-I/usr/include/simavr", str(HERE / "simavr.c"), "-lsimavr", "-lutil")
    return built("simavr", ("cc", *flags))


def built(name: str, command: tuple[str, ...]) -> Path:
    """What a command makes, made again when a source has changed."""
    sources = sorted([*FIRMWARE.rglob("*.[ch]"), *HERE.rglob("*.[ch]"), SKETCH])
    digest = hashlib.sha256(repr(command).encode() + b"".join(one.read_bytes() for one in sources)).hexdigest()[:16]
    place = CACHE / digest / name
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{os.getpid()}-{name}")
        subprocess.run([*command, "-o", str(temporary)], check=True)
        temporary.rename(place)
    return place

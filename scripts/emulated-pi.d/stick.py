"""The Edge TPU as far as it goes without one: a stand-in library, a made-up stick, and what is said of each.

``python stick.py`` (without arguments, in the userland): loads the delegate as `edge` does and prints the result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from userland import Userland

# what was done to the userland -> a part of what must then be said
EXPECTED = {
    "no library": "is not installed; install libedgetpu1-std",
    "a library that is none": "of the wrong version for this system",
    "a library for 32 bits": "wrong ELF class",
    "a library for x86-64": "built for another kind of processor",
    "the library, no stick": "no Edge TPU is plugged in",
    "a stick without a device node": "is not; start the container with --device",
    "a stick of root's": "no permission to use the Edge TPU at /dev/bus/usb/001/004",
    "a stick that refuses": "refuses to start in litert",
    "a stick that starts": "an Edge TPU (usb) starts",
}


def situations(userland: Userland) -> Iterator[tuple[str, str]]:
    """(what was done, what was said) of each. Leaves nothing behind."""
    library = userland.root / "usr/lib/aarch64-linux-gnu/libedgetpu.so.1"
    node = userland.root / "dev/bus/usb/001/004"
    try:
        for name, prepare in _steps(library, node, userland.root / "sys/bus/usb/devices/1-1").items():
            prepare()
            yield name, userland.run("venv/bin/python", "stick.py").strip()
    finally:
        library.unlink(missing_ok=True)


def _steps(library: Path, node: Path, entry: Path) -> dict[str, Callable[[], object]]:
    def plug_in() -> None:
        entry.mkdir(parents=True)
        for name, value in (("idVendor", "18d1"), ("idProduct", "9302"), ("busnum", "1"), ("devnum", "4")):
            (entry / name).write_text(value + "\n")

    def make_node() -> None:
        node.parent.mkdir(parents=True)
        node.touch(mode=0o600)

    def give_access() -> None:
        _build(library, "REFUSES")
        node.chmod(0o666)

    steps: tuple[Callable[[], object], ...] = (
        lambda: None,
        lambda: library.write_text("no library\n" * 200),
        lambda: library.write_bytes(_header(word=1, machine=183)),
        lambda: library.write_bytes(_header(word=2, machine=62)),
        lambda: _build(library, "ACCEPTS"),
        plug_in,
        make_node,
        give_access,
        lambda: _build(library, "ACCEPTS"),
    )
    return dict(zip(EXPECTED, steps, strict=True))


def _header(*, word: int, machine: int) -> bytes:
    """The first bytes of a shared library: ``word`` 1 for 32 and 2 for 64 bits, ``machine`` as in elf.h."""
    start = b"\x7fELF" + bytes([word, 1, 1]) + bytes(9)
    return start + (3).to_bytes(2, "little") + machine.to_bytes(2, "little") + (1).to_bytes(4, "little") + bytes(4000)


def _build(library: Path, answer: str) -> None:
    from needs import is_arm
    from userland import call

    compiler = "gcc" if is_arm() else "aarch64-linux-gnu-gcc"
    source = Path(__file__).with_name("edgetpu.c")
    library.unlink(missing_ok=True)
    call([compiler, "-shared", "-fPIC", "-nostdlib", f"-DANSWER={answer}", "-o", str(library), str(source)])


def main() -> None:
    from edge.backbone import delegate, runtime
    from edge.errors import HardwareMissing

    try:
        _, device = delegate.load(runtime.choose("auto"))
        print(f"an Edge TPU ({device.bus}) starts")
    except HardwareMissing as error:
        print(error)


if __name__ == "__main__":
    sys.exit(main())

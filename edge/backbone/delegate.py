"""The Edge TPU: find its library and a stick, load the delegate, and say exactly why when it does not work.

The library gives one sentence for every failure, so the reasons are looked up where the system keeps them:
the library on disk, USB ids and PCI device nodes, and their permissions.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.backbone import runtime as runtimes
from edge.errors import HardwareMissing

LIBRARY = "libedgetpu.so.1"
# Global Unichip before its firmware is loaded, Google after
USB_IDS = frozenset({("1a6e", "089a"), ("18d1", "9302")})
PCI_ID = ("0x1ac1", "0x089a")
_INSTALL = "install libedgetpu1-std from Coral's package archive"
_ENTRY = "tflite_plugin_create_delegate"
_FOLDERS = ("lib/*-linux-gnu*", "usr/lib/*-linux-gnu*", "lib", "usr/lib", "usr/local/lib")


@dataclass(frozen=True, slots=True)
class Device:
    """One Edge TPU as the operating system sees it: "usb" or "pci" and the node to be opened."""

    bus: str
    node: Path


def devices(root: Path = Path("/")) -> tuple[Device, ...]:
    """Edge TPUs that are plugged in, whether or not they can be used. ``root`` is another file system in tests."""
    return (*_usb(root), *_pci(root))


def _usb(root: Path) -> list[Device]:
    found = []
    for entry in sorted((root / "sys/bus/usb/devices").glob("*")):
        if (_text(entry / "idVendor"), _text(entry / "idProduct")) in USB_IDS:
            bus, number = _text(entry / "busnum"), _text(entry / "devnum")
            if bus.isdigit() and number.isdigit():
                found.append(Device("usb", root / f"dev/bus/usb/{int(bus):03d}/{int(number):03d}"))
    return found


def _pci(root: Path) -> list[Device]:
    nodes = sorted((root / "dev").glob("apex_*"))
    cards = [
        entry
        for entry in (root / "sys/bus/pci/devices").glob("*")
        if (_text(entry / "vendor"), _text(entry / "device")) == PCI_ID
    ]
    if cards and not nodes:  # in its slot, but no driver has made the node
        nodes = [root / "dev/apex_0"]
    return [Device("pci", node) for node in nodes]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def load(runtime: str, *, library: str = LIBRARY, root: Path = Path("/")) -> tuple[Any, Device]:
    """Load the Edge TPU delegate into ``runtime``. Raises HardwareMissing with the reason and the remedy."""
    try:
        opened = ctypes.CDLL(library)
    except OSError as error:
        raise HardwareMissing(_library_reason(str(error), library, root)) from error
    # asked here: the runtimes' own complaint is an AttributeError, and another one when it is thrown away
    if not hasattr(opened, _ENTRY):
        raise HardwareMissing(f"{library} is not the Edge TPU library (it has no {_ENTRY}); {_INSTALL}")
    device = _usable(devices(root))
    try:
        return runtimes.module(runtime).load_delegate(library), device
    except (ValueError, RuntimeError, OSError) as error:
        raise HardwareMissing(_load_reason(str(error), runtime)) from error


def _usable(found: tuple[Device, ...]) -> Device:
    """The first that may be opened. Raises HardwareMissing."""
    if not found:
        raise HardwareMissing("no Edge TPU is plugged in; connect the stick or the card, or use EDGE_DELEGATE=none")
    for device in found:
        if os.access(device.node, os.R_OK | os.W_OK):
            return device
    device = next((one for one in found if one.node.exists()), found[0])
    if device.node.exists():
        raise HardwareMissing(
            f"no permission to use the Edge TPU at {device.node}; add your user to the plugdev (USB) or apex (PCI) "
            "group and log in again"
        )
    remedy = (
        "start the container with --device /dev/bus/usb, or connect the stick again"
        if device.bus == "usb"
        else "install the drivers gasket-dkms and libedgetpu1-std, and restart"
    )
    raise HardwareMissing(f"an Edge TPU ({device.bus}) is there but {device.node} is not; {remedy}")


def _library_reason(error: str, library: str, root: Path) -> str:
    if "cannot open shared object" in error and "No such file" in error and library in error.split(":")[0]:
        # the loader passes over a library for another processor as if it were not there
        if (other := _another_processor(library, root)) is not None:
            return f"the Edge TPU library {other} is built for another kind of processor; {_INSTALL}"
        return f"the Edge TPU library {library} is not installed; {_INSTALL}"
    if "wrong ELF class" in error or "GLIBC" in error or "invalid ELF" in error or "file too short" in error:
        return f"the Edge TPU library {library} is of the wrong version for this system ({error}); {_INSTALL}"
    return f"the Edge TPU library does not load ({error}); {_INSTALL}"


def _another_processor(library: str, root: Path) -> Path | None:
    """The library's file, found where the loader looks although the loader would not have it."""
    places = [Path(library)] if "/" in library else [path / library for one in _FOLDERS for path in root.glob(one)]
    return next((path for path in places if path.is_file()), None)


def _load_reason(error: str, runtime: str) -> str:
    detail = error.strip().splitlines()[-1] if error.strip() else "no reason given"
    return (
        f"the Edge TPU is there but its library refuses to start in {runtime} ({detail}); stop other programs that "
        "use it and connect it again; if that does not help, library and runtime are of different versions: install "
        "the libedgetpu built for this runtime, or use EDGE_DELEGATE=none"
    )


def version_mismatch(error: str) -> HardwareMissing:
    """The error for a graph that the delegate rejects when the interpreter starts; ``error`` is the runtime's."""
    detail = error.strip().splitlines()[0] if error.strip() else "no reason given"
    return HardwareMissing(
        f"the Edge TPU library rejects this file ({detail}); it was compiled for a newer library: update libedgetpu "
        "or compile the file again with an older --min_runtime_version"
    )

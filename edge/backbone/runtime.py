"""The one place that knows which TFLite runtimes exist and how to start an interpreter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edge.errors import BadBackbone, RuntimeMissing

# name -> (distribution, module); the order is the order of preference
RUNTIMES = {
    "litert": ("ai-edge-litert", "ai_edge_litert.interpreter"),
    "tflite-runtime": ("tflite-runtime", "tflite_runtime.interpreter"),
}
_LABELS = {"litert": "LiteRT", "tflite-runtime": "tflite-runtime"}


def installed() -> dict[str, str]:
    """Runtimes that can be imported here: name -> version."""
    from importlib import metadata  # slow to import, and only people want versions

    found = {}
    for name in _importable():
        try:
            found[name] = metadata.version(RUNTIMES[name][0])
        except metadata.PackageNotFoundError:  # from a system's packages or a nightly one, under another name
            found[name] = "of unknown version"
    return found


def _importable() -> list[str]:
    return [name for name, (_, module) in RUNTIMES.items() if find_spec(module.split(".")[0]) is not None]


def choose(wanted: str) -> str:
    """The runtime to use for ``wanted`` ("auto" or a name). Raises RuntimeMissing."""
    found = _importable()
    if wanted == "auto" and found:
        return found[0]
    if wanted in found:
        return wanted
    what = "a TFLite runtime" if wanted == "auto" else wanted
    package = RUNTIMES.get(wanted, RUNTIMES["litert"])[0]
    raise RuntimeMissing(f"{what} is not installed; run: pip install {package}")


def label(name: str) -> str:
    """For people: "LiteRT 2.3.0"."""
    return f"{_LABELS[name]} {installed()[name]}"


def thread_count(wanted: int) -> int:
    """Threads for ``wanted`` 0: one per core this process may use, at most 4."""
    return wanted or min(4, len(os.sched_getaffinity(0)))


def module(name: str) -> Any:
    """The interpreter module of a runtime."""
    try:
        return import_module(RUNTIMES[name][1])
    except ImportError as error:
        raise RuntimeMissing(
            f"{name} is installed but does not load ({error}); tflite-runtime needs numpy<2: "
            "pip install 'edge-concepts[tflite]', or use LiteRT"
        ) from error


def start(data: bytes, *, runtime: str, threads: int, delegates: tuple[Any, ...] = (), quiet: bool = False) -> Any:
    """An interpreter with its tensors allocated. ``data`` is the whole file; ``quiet`` as in ``Config``.

    Raises BadBackbone, RuntimeMissing.
    """
    try:
        with _without_chatter() if quiet else nullcontext():
            interpreter = module(runtime).Interpreter(
                model_content=data, num_threads=threads, experimental_delegates=list(delegates) or None
            )
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadBackbone(f"the runtime refuses this file ({reason}); export or copy it again") from error
    return interpreter


@contextmanager
def _without_chatter() -> Iterator[None]:
    """LiteRT writes a line to file descriptor 2 at every start and has no switch for it; all other lines pass."""
    try:
        before = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    caught = os.memfd_create("chatter")
    os.dup2(caught, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        with os.fdopen(before, "wb") as errors, os.fdopen(caught, "rb") as lines, suppress(OSError):
            lines.seek(0)
            errors.writelines(line for line in lines if not line.startswith(b"INFO: "))


def read_file(path: Path, limit: int = 256 << 20) -> bytes:
    """The bytes of a ``.tflite`` file; refuses anything that does not carry TFLite's identifier."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise BadBackbone(f"{path} is larger than {limit >> 20} MiB; that is no backbone for this device")
        data = path.read_bytes()
    except OSError as error:
        raise BadBackbone(f"{path} cannot be read ({error.strerror}); copy it again") from error
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise BadBackbone(f"{path} is not a TFLite file; give a .tflite file")
    return data

"""Settings read once, from the outside, and passed in: nothing below this module reads the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.errors import InvalidArgument

DEFAULT_STORE = "edge-store"
DEFAULT_BACKBONE = "efficientnet-lite0-224"
DELEGATES = ("auto", "none", "edgetpu")


@dataclass(frozen=True, slots=True)
class Config:
    """Where things are and how many threads run them.

    ``runtime``: "auto", "litert" or "tflite-runtime". ``delegate``: "auto" uses an Edge TPU when one is found,
    "edgetpu" fails without one, "none" stays on the CPU. ``threads`` 0 means one per core, at most 4.
    ``backbones``: extra folders with adopted backbones, searched before the packaged ones, written like PATH.
    ``quiet`` takes out what a runtime prints about itself when it starts; it redirects the process's standard error
    for that moment.
    """

    store: str = DEFAULT_STORE
    runtime: str = "auto"
    delegate: str = "auto"
    threads: int = 0
    backbones: str | None = None
    quiet: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Config:
        """Read ``EDGE_STORE``, ``EDGE_RUNTIME``, ``EDGE_DELEGATE``, ``EDGE_THREADS`` and ``EDGE_BACKBONES``."""
        return cls(
            store=environ.get("EDGE_STORE") or DEFAULT_STORE,
            runtime=_choice(environ, "EDGE_RUNTIME", ("auto", "litert", "tflite-runtime")),
            delegate=_choice(environ, "EDGE_DELEGATE", DELEGATES),
            threads=_count(environ, "EDGE_THREADS"),
            backbones=environ.get("EDGE_BACKBONES") or None,
        )


def _choice(environ: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = environ.get(name) or "auto"
    if value not in allowed:
        raise InvalidArgument(f"{name}={value!r} is not one of {', '.join(allowed)}; set it to one of these")
    return value


def _count(environ: Mapping[str, str], name: str) -> int:
    value = environ.get(name) or "0"
    if not value.isdecimal() or len(value) > 4 or int(value) > 64:
        raise InvalidArgument(f"{name}={value!r} is not a number from 0 to 64; 0 means one thread per core")
    return int(value)

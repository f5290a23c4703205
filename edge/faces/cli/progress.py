"""A bar on standard error for what takes more than a second; nothing where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.engine.engine import Progress

_PATIENCE_SECONDS = 1.0


@contextmanager
def progress(what: str, unit: str = " pictures") -> Iterator[Progress | None]:
    """A callback for the engine, or None when standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    bars: list[Any] = []
    began = time.monotonic()

    def show(done: int, total: int) -> None:
        if not bars and time.monotonic() - began < _PATIENCE_SECONDS:
            return
        if not bars:
            from tqdm import tqdm

            bars.append(tqdm(desc=what, unit=unit, initial=done, total=total, leave=False, file=sys.stderr))
        bars[0].total = total
        bars[0].update(done - bars[0].n)

    try:
        yield show
    finally:
        for one in bars:
            one.close()

"""Failures, each said once: a loop that runs for months must not fill its log with one broken cable."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger("edge.watch")
_QUIET = 60.0
"""Seconds without a failure after which something works again; what comes and goes meanwhile is one failure."""


class Said:
    """What a loop has complained about. Used by the loop's thread alone; ``clock`` in seconds."""

    def __init__(self, loop: str, clock: Callable[[], float]) -> None:
        self._loop, self._clock = loop, clock
        self._failures: dict[str, tuple[str, float]] = {}

    def failed(self, what: str, why: str, *, same: str | None = None, error: Exception | None = None) -> None:
        """Warn, unless it is what was said last of this. ``same``: what tells failures apart, where ``why`` varies;
        ``error``: show where it came from."""
        key = same or why
        before = self._failures.get(what)
        self._failures[what] = key, self._clock()
        if before is None or before[0] != key:
            log.warning("loop %s: %s: %s", self._loop, what, why, exc_info=error)

    def works(self, what: str) -> None:
        """It did not fail; said once it has not for a minute."""
        before = self._failures.get(what)
        if before is not None and self._clock() - before[1] >= _QUIET:
            del self._failures[what]
            log.info("loop %s: %s works again", self._loop, what)

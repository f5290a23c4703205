"""What a loop has done, in numbers that do not grow with time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

_FIRST, _RATIO, _COUNT = 1e-4, 1.1, 150  # 0.1 ms to 160 s in steps of a tenth


class Latencies:
    """A histogram of fixed size: a percentile is right to five per cent."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self._counts = [0] * _COUNT
        for place, count in (counts or {}).items():
            if place.isdecimal() and int(place) < _COUNT:
                self._counts[int(place)] = int(count)

    def add(self, seconds: float) -> None:
        """One latency."""
        place = 0 if seconds <= _FIRST else int(math.log(seconds / _FIRST, _RATIO)) + 1
        self._counts[min(place, _COUNT - 1)] += 1

    def percentile(self, share: float) -> float | None:
        """Seconds that ``share`` in [0, 1] of all stayed below; None without any."""
        total = sum(self._counts)
        if not total:
            return None
        seen = 0
        for place, count in enumerate(self._counts):
            seen += count
            if seen >= share * total:
                return float(_FIRST * _RATIO ** (place - 0.5))
        raise AssertionError("the counts are their own sum")

    def document(self) -> dict[str, int]:
        """Only the places that were hit."""
        return {str(place): count for place, count in enumerate(self._counts) if count}


@dataclass
class Counters:
    """``drops``: triggers that came while another look was under way, and were merged with it."""

    captures: int = 0
    triggers: int = 0
    predictions: int = 0
    actions: int = 0
    drops: int = 0
    failures: int = 0
    latencies: Latencies = field(default_factory=Latencies)

    def document(self) -> dict[str, Any]:
        """For people and programs; latencies in milliseconds from trigger to the last action."""
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        return {**numbers, "p50_ms": self._ms(0.5), "p99_ms": self._ms(0.99)}

    def _ms(self, share: float) -> float | None:
        found = self.latencies.percentile(share)
        return None if found is None else round(1000 * found, 2)

    def kept(self) -> dict[str, Any]:
        """For ``restored``."""
        return {**{name: value for name, value in vars(self).items() if isinstance(value, int)},
                "latencies": self.latencies.document()}  # fmt: skip

    @classmethod
    def restored(cls, table: Mapping[str, Any]) -> Counters:
        """What ``kept`` wrote; anything else counts from 0."""
        known = {one.name for one in fields(cls)} - {"latencies"}
        numbers = {name: value for name, value in table.items() if name in known and _is_count(value)}
        kept = table.get("latencies")
        counts = kept if isinstance(kept, dict) and all(map(_is_count, kept.values())) else {}
        return cls(**numbers, latencies=Latencies(counts))


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0

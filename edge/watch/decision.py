"""What is seen, after smoothing: a flicker fires nothing. Pure; the time is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import InvalidArgument
from edge.types import Prediction
from edge.watch.base import Change


@dataclass(frozen=True, slots=True)
class Rules:
    """A concept is seen once its value was at least ``on`` in the last ``smoothing`` looks, each of them known; and no
    longer once it was below ``off`` (or the picture unknown) in as many. After a change it stays for ``hold`` seconds.

    ``known``: the least ``known`` of a picture that counts; None: the version's own threshold.
    """

    smoothing: int = 3
    on: float = 0.7
    off: float = 0.5
    hold: float = 0.0
    known: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.smoothing <= 100:
            raise InvalidArgument("smoothing is a number of looks from 1 to 100")
        if not 0 <= self.off <= self.on <= 1:
            raise InvalidArgument("on and off are values from 0 to 1, and off is not above on")
        if self.known is not None and not 0 <= self.known <= 1:
            raise InvalidArgument("known is a value from 0 to 1")


class Decider:
    """Keeps what is seen, from look to look. ``each``: rules of single concepts, by name or id."""

    def __init__(self, rules: Rules, each: Mapping[str, Rules] | None = None) -> None:
        self._rules, self._each = rules, dict(each or {})
        self._on: dict[str, float] = {}
        self._off_since: dict[str, float] = {}
        self._last: dict[str, deque[float]] = {}

    @property
    def active(self) -> tuple[str, ...]:
        """Ids of the concepts that are seen."""
        return tuple(sorted(self._on))

    def update(self, prediction: Prediction, now: float) -> tuple[Change, ...]:
        """Take one look; what changed with it."""
        changes = []
        for one in prediction.concepts:
            rules = self._each.get(one.id) or self._each.get(one.name) or self._rules
            known = prediction.is_known if rules.known is None else prediction.known >= rules.known
            last = self._last.get(one.id, deque())
            if last.maxlen != rules.smoothing:
                last = deque(last, maxlen=rules.smoothing)
            self._last[one.id] = last
            last.append(one.value if known else -1.0)
            if len(last) < rules.smoothing:
                continue
            seen = one.id in self._on
            since = self._on.get(one.id, self._off_since.get(one.id, float("-inf")))
            if now - since < rules.hold:
                continue
            if not seen and min(last) >= rules.on:
                self._on[one.id] = now
                changes.append(Change(one.id, one.name or one.id, True, one.value))
            elif seen and max(last) < rules.off:
                del self._on[one.id]
                self._off_since[one.id] = now
                changes.append(Change(one.id, one.name or one.id, False, one.value))
        there = {one.id for one in prediction.concepts}
        for concept in sorted(self._on.keys() - there):  # the model no longer has it
            del self._on[concept]
            changes.append(Change(concept, concept, False, 0.0))
        for kept in (self._last, self._off_since):
            for concept in kept.keys() - there:
                del kept[concept]
        return tuple(changes)

    def state(self, now: float) -> dict[str, Any]:
        """Where it is, as plain JSON values, for ``resume``: what is seen and what no longer is, each for how many
        seconds, and the values of the last looks."""
        return {
            "on": {concept: round(now - since, 3) for concept, since in self._on.items()},
            "off": {concept: round(now - since, 3) for concept, since in self._off_since.items()},
            "last": {concept: [round(value, 4) for value in values] for concept, values in self._last.items()},
        }

    def resume(self, state: Mapping[str, Any], now: float) -> None:
        """Go on where a process before this one was: what was seen then is not seen anew.

        The time between the two does not count. Raises ValueError, TypeError, KeyError, AttributeError for what
        ``state`` never wrote.
        """
        on = {str(concept): now - float(age) for concept, age in state["on"].items()}
        off = {str(concept): now - float(age) for concept, age in state["off"].items()}
        last = {
            str(concept): deque((float(value) for value in values), maxlen=100)
            for concept, values in state["last"].items()
        }
        self._on, self._off_since, self._last = on, off, last

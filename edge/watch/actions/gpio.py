"""``gpio:PIN``: a pin that is high while a concept is seen, or for a moment when one comes."""

from __future__ import annotations

from typing import Any

from edge.errors import InvalidArgument
from edge.watch.base import Event
from edge.watch.context import Context
from edge.watch.specs import Spec
from edge.watch.triggers import pin


class GpioAction:
    """``?concept=ripe``: that one only (its id or name; else any). ``?pulse=500ms``: as long as that, when it comes.
    ``?inverted=1``: low instead of high, for relays that are switched on so."""

    name = "gpio"

    def __init__(self, spec: Spec, context: Context) -> None:
        spec.only("concept", "pulse", "inverted")
        if not spec.rest.isdecimal() or int(spec.rest) > 1000:
            raise InvalidArgument(f"gpio takes the number of a pin, such as gpio:17, not {spec.rest!r}")
        self._pin = int(spec.rest)
        self._names = context.names
        self._concept = spec.options.get("concept")
        self._pulse = spec.seconds("pulse", 0.0)
        self._high = spec.options.get("inverted", "0") in ("0", "no", "false")
        self._output: Any = None

    def check(self) -> str:
        """What the pin would do. Raises InvalidArgument (no such concept), RuntimeMissing, HardwareMissing."""
        names = list(self._names())
        if self._concept is not None and all(self._concept not in one for one in names):
            known = ", ".join(id for id, _ in names)
            raise InvalidArgument(f"gpio: the model has no concept {self._concept!r}; it has: {known}")
        pin("GPIODevice", self._pin).close()  # it is not driven by that
        what, level = self._concept or "a concept", "high" if self._high else "low"
        if self._pulse:
            return f"pin {self._pin} is {level} for {self._pulse:g} s when {what} comes"
        return f"pin {self._pin} is {level} while {what} is seen"

    def start(self) -> None:
        """Take the pin; off at first. Raises RuntimeMissing, HardwareMissing."""
        self._output = pin("DigitalOutputDevice", self._pin, active_high=self._high, initial_value=False)

    def act(self, event: Event) -> bool:
        """Set the pin when something changed; after a restart, when what was seen before still is."""
        if self._pulse:
            came = any(one.on and self._concept in (None, one.concept, one.name) for one in event.changed)
            if came:
                self._output.blink(on_time=self._pulse, n=1)
            return came
        seen = bool(event.active)
        if seen and self._concept is not None:
            mine = {self._concept, *(id for id, name in self._names() if name == self._concept)}
            seen = not mine.isdisjoint(event.active)
        if bool(self._output.value) == seen:
            return False
        self._output.value = seen
        return True

    def close(self, seconds: float) -> None:  # noqa: ARG002
        """Off, and given back."""
        if self._output is not None:
            self._output.off()
            self._output.close()
            self._output = None

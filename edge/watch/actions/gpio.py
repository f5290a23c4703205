"""``gpio:PIN``: a pin that is high while a concept is seen, or for a moment when one comes."""

from __future__ import annotations

from typing import Any

from edge.errors import InvalidArgument
from edge.watch.base import Event
from edge.watch.specs import Spec
from edge.watch.triggers import pin


class GpioAction:
    """``?concept=ripe``: that one only (its id or name; else any). ``?pulse=500ms``: as long as that, when it comes."""

    name = "gpio"

    def __init__(self, spec: Spec, context: Any = None) -> None:  # noqa: ARG002
        spec.only("concept", "pulse")
        if not spec.rest.isdecimal() or int(spec.rest) > 1000:
            raise InvalidArgument(f"gpio takes the number of a pin, such as gpio:17, not {spec.rest!r}")
        self._pin = int(spec.rest)
        self._concept = spec.options.get("concept")
        self._pulse = spec.seconds("pulse", 0.0)
        self._output: Any = None

    def check(self) -> str:
        """What the pin would do. Raises RuntimeMissing, HardwareMissing."""
        pin("DigitalOutputDevice", self._pin).close()
        what = self._concept or "a concept"
        return f"pin {self._pin} " + (f"pulses for {self._pulse:g} s when {what} comes" if self._pulse else
                                      f"is high while {what} is seen")  # fmt: skip

    def start(self) -> None:
        """Take the pin; low at first."""
        self._output = pin("DigitalOutputDevice", self._pin)

    def act(self, event: Event) -> bool:
        """Set the pin when something changed."""
        mine = [one for one in event.changed if self._concept in (None, one.concept, one.name)]
        if not mine:
            return False
        if self._pulse:
            if any(one.on for one in mine):
                self._output.blink(on_time=self._pulse, n=1)
            return any(one.on for one in mine)
        seen = event.active if self._concept is None else [one.concept for one in mine if one.on]
        self._output.value = bool(seen)
        return True

    def close(self, seconds: float) -> None:  # noqa: ARG002
        """Low, and given back."""
        if self._output is not None:
            self._output.off()
            self._output.close()
            self._output = None

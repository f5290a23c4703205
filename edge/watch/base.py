"""The seams of a loop: when to look (``Trigger``), what was seen (``Event``), what to do then (``Action``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from edge.camera.base import Capture
from edge.types import Prediction


@dataclass(frozen=True, slots=True)
class Fired:
    """A trigger fired at ``at`` (seconds of the loop's clock). ``reply``: who waits for an answer, for the action that
    gives it; such a firing is never merged with another one."""

    source: str
    at: float
    reply: Any = field(default=None, repr=False)


class Trigger(Protocol):
    """Decides when to look. Pure: the time and the captures are given to it; called by the loop's thread alone."""

    watching: bool
    """Whether it wants to see every capture."""

    def due(self, now: float) -> list[Fired]:
        """What fires by the clock, or was asked for from elsewhere since the last call."""

    def next(self, now: float) -> float:
        """Seconds until ``due`` may say something by the clock; infinite if it never does."""

    def seen(self, capture: Capture, now: float) -> Fired | None:
        """Whether a new capture makes it fire; asked only if ``watching``."""

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to listen, if it listens to anything; ``wake`` makes the loop call ``due``, from any thread."""

    def close(self) -> None:
        """Stop listening."""


@dataclass(frozen=True, slots=True)
class Change:
    """A concept that is seen from now on (``on``), or no longer."""

    concept: str
    name: str
    on: bool
    value: float


@dataclass(frozen=True, slots=True)
class Event:
    """One look of a loop. ``prediction`` and ``capture`` None: nobody could look, ``failed`` says why.

    ``active``: ids of the concepts that are seen, after smoothing; ``changed``: those that changed with this look.
    ``seconds``: from the trigger to this event.
    """

    loop: str
    model: str
    at: datetime
    fired: Fired
    capture: Capture | None
    prediction: Prediction | None
    active: tuple[str, ...] = ()
    changed: tuple[Change, ...] = ()
    failed: str | None = None
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """The event as plain JSON values, without its picture."""
        found = self.prediction
        return {
            "loop": self.loop,
            "model": self.model,
            "version": None if found is None else found.version,
            "at": self.at.isoformat(),
            "trigger": self.fired.source,
            "source": None if self.capture is None else self.capture.source,
            "concepts": []
            if found is None
            else [{"id": one.id, "name": one.name or one.id, "value": round(one.value, 4)} for one in found.concepts],
            "known": None if found is None else round(found.known, 4),
            "is_known": None if found is None else found.is_known,
            "active": list(self.active),
            "changed": [
                {"id": one.concept, "name": one.name, "on": one.on, "value": round(one.value, 4)}
                for one in self.changed
            ],
            "failed": self.failed,
            "milliseconds": round(1000 * self.seconds, 2),
        }


class Action(Protocol):
    """Something that is done about events. ``act`` is called by the loop's thread and returns soon: what takes time
    goes into a queue of its own. It raises EdgeError or OSError for what failed; the loop says so once and lives on."""

    name: str

    def check(self) -> str:
        """What it would do, in words. Raises EdgeError when it could not."""

    def start(self) -> None:
        """Called once, before the first event."""

    def act(self, event: Event) -> bool:
        """Do something about an event; whether it did."""

    def close(self, seconds: float) -> None:
        """Finish what is queued, within ``seconds``."""


class QuietTrigger:
    """What most triggers have in common: nothing to listen to, nothing by the clock."""

    watching = False

    def due(self, now: float) -> list[Fired]:  # noqa: ARG002
        """Nothing."""
        return []

    def next(self, now: float) -> float:  # noqa: ARG002
        """Never."""
        return float("inf")

    def seen(self, capture: Capture, now: float) -> Fired | None:  # noqa: ARG002
        """Never."""
        return None

    def start(self, wake: Callable[[], None]) -> None:
        """Nothing to listen to."""

    def close(self) -> None:
        """Nothing to stop."""

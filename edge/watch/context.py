"""What triggers and actions of a loop may use besides their own spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from edge.links.mqtt import Broker
    from edge.links.serial import SerialLink
    from edge.types import Prediction


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a loop may keep: pictures, bytes, and seconds of age; None: no bound."""

    count: int | None = None
    bytes: int | None = None
    age: float | None = None


class Keeper(Protocol):
    """Where captures are kept: the store, by way of the engine."""

    def keep(self, picture: Any, source: str, prediction: Prediction) -> str:
        """Store a capture without annotations; its input's id. Raises EdgeError."""

    def tidy(self, source: str, quota: Quota) -> int:
        """Let go of a source's oldest captures beyond a quota, at once and for good, never of one that somebody has
        annotated; returns how many."""


@dataclass(frozen=True, slots=True)
class Context:
    """``folder``: the loop's own, for what must survive a restart. ``names``: ids and names of the model's concepts, in
    its order. ``broker``: the connection to a broker and what topics begin with there; ``serial``: a port. Both are
    opened once and shared; an empty text means the configured one. ``file``: the configuration that names the loop."""

    loop: str
    model: str
    folder: Path
    keeper: Keeper
    names: Callable[[], Sequence[tuple[str, str]]]
    broker: Callable[[str], tuple[Broker, str]]
    serial: Callable[[str], SerialLink]
    facts: Mapping[str, str] = field(default_factory=dict)
    file: str = ""

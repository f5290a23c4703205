"""What a link tells its user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """A message that arrived: its kind's name, its fields, and the nonce of the session that sent it."""

    name: str
    fields: Mapping[str, Any]
    nonce: int


@dataclass(frozen=True, slots=True)
class Up:
    """Both ends know each other. ``restarted``: the peer is not the session it was before."""

    peer: str
    nonce: int
    restarted: bool


@dataclass(frozen=True, slots=True)
class Down:
    """The other end has fallen silent, or is another one now."""

    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A reliable message has arrived; ``status`` as in ACK."""

    name: str
    fields: Mapping[str, Any]
    status: int


@dataclass(frozen=True, slots=True)
class Heard:
    """An unreliable message for the application: LOG or ERROR."""

    message: Message


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A PING came back after ``seconds``."""

    seconds: float


Event = Up | Down | Acknowledged | Heard | RoundTrip

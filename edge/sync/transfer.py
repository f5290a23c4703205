"""One request at a time: made again when it fails, within what a run may cost, and counted."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from edge.errors import Conflict, InvalidArgument, NotFound, RemoteRefused, RemoteUnavailable
from edge.sync.remotes.base import PAGE, Object, Remote

T = TypeVar("T")
Kind = Literal["replace", "content", "create"]
"""What an object is: one that is replaced; one whose key says what is in it; one that is made once and never again."""


class Clock(Protocol):
    """Seconds, and how to let them pass; tests and figures have one of their own."""

    def monotonic(self) -> float:
        """Seconds since some moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may cost: bytes of content, seconds, bytes a second; None: as much as it takes."""

    max_bytes: int | None = None
    max_seconds: float | None = None
    rate: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_seconds", "rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InvalidArgument(f"{name} must be above 0, not {value}; leave it out for no limit")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is made, and how long the waits between are: doubling, up to ``longest`` seconds."""

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0


class Enough(Exception):
    """The run has reached one of its limits; what it did stays, the next one goes on."""


@dataclass(slots=True)
class Counts:
    """What a run's requests were: ``failures`` of them were made again; content in bytes."""

    requests: int = 0
    failures: int = 0
    sent: int = 0
    received: int = 0


@dataclass
class Transfer:
    """A remote whose requests are made again.

    Raises what ``Remote`` does, RemoteUnavailable after the last try, and Enough. ``conditions``: what was found of it.
    """

    remote: Remote
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    clock: Clock = time
    chance: random.Random = field(default_factory=random.Random)
    conditions: bool = True
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._began = self.clock.monotonic()
        self._free_at = self._began

    # --- requests ------------------------------------------------------------------------------------------------

    def get(self, key: str, *, limit: int, start: int = 0) -> bytes:
        """At most ``limit`` bytes of an object, from ``start`` on."""
        data = self._tried(lambda: self.remote.get(key, start=start, limit=limit))
        self.counts.received += len(data)
        self._pay(len(data))
        return data

    def put(self, key: str, data: bytes, kind: Kind) -> None:
        """Make an object. Raises Conflict for one to "create" that is there with other content."""
        self._room(len(data))
        if kind == "create" and not self.conditions and self._same(key, data):
            return
        doubt = False
        for attempt in self._attempts():
            if doubt and kind == "content" and self._arrived(key, len(data)):
                return
            try:
                self._request(lambda: self.remote.put(key, data, if_absent=kind == "create" and self.conditions))
            except Conflict:
                # ours, if an answer was lost; or it was there before and is the same
                if self._same(key, data):
                    return
                raise Conflict(f"{self.remote.shown} has another {key}; nothing was changed there") from None
            except RemoteUnavailable as error:
                doubt = True
                self._wait(attempt, error)
            else:
                self.counts.sent += len(data)
                self._pay(len(data))
                return

    def page(self, prefix: str, *, after: str = "") -> list[Object]:
        """The next objects of a folder. Raises RemoteRefused where a listing would never end."""
        found = self._tried(lambda: self.remote.page(prefix, after=after))
        if len(found) > PAGE or any(one.key <= after or not one.key.startswith(prefix) for one in found):
            raise RemoteRefused(f"{self.remote.shown} lists other objects than it was asked for; use another remote")
        return found

    def head(self, key: str) -> Object:
        """What a listing would say of one object."""
        return self._tried(lambda: self.remote.head(key))

    def delete(self, key: str) -> None:
        """Take an object away."""
        self._tried(lambda: self.remote.delete(key))

    # --- trying --------------------------------------------------------------------------------------------------

    def _tried(self, request: Callable[[], T]) -> T:
        for attempt in self._attempts():
            try:
                return self._request(request)
            except RemoteUnavailable as error:
                self._wait(attempt, error)
        raise AssertionError("the last attempt raises")

    def _attempts(self) -> range:
        return range(1, self.patience.attempts + 1)

    def _request(self, request: Callable[[], T]) -> T:
        """One request, not before the bytes of those before are paid for. Raises Enough when time is up."""
        self._sleep(self._free_at - self.clock.monotonic())
        self.remote.longest = self._left()
        self.counts.requests += 1
        return request()

    def _wait(self, attempt: int, error: RemoteUnavailable) -> None:
        """Before the next attempt. Raises ``error`` after the last."""
        self.counts.failures += 1
        if attempt == self.patience.attempts:
            raise error
        longest = min(self.patience.longest, self.patience.first * 2 ** (attempt - 1))
        self._sleep(self.chance.uniform(longest / 2, longest))

    def _arrived(self, key: str, size: int) -> bool:
        """Whether an object whose request had no answer is there; objects are whole or not there."""
        try:
            return self.head(key).size == size
        except NotFound:
            return False

    def _same(self, key: str, data: bytes) -> bool:
        """Whether an object is there with this content; read, not believed. Raises Conflict when it has another."""
        try:
            found = self._tried(lambda: self.remote.get(key, limit=len(data) + 1))
        except NotFound:
            return False
        self.counts.received += len(found)
        if found != data:
            raise Conflict(f"{self.remote.shown} has another {key}; nothing was changed there")
        return True

    # --- limits --------------------------------------------------------------------------------------------------

    def _room(self, size: int) -> None:
        most = self.limits.max_bytes
        if most is not None and self.counts.sent + self.counts.received + size > most:
            raise Enough(f"{most} bytes were to be moved at most")

    def room_for(self, size: int) -> None:
        """Raises Enough when ``size`` more bytes of content would be too many."""
        self._room(size)

    def _left(self) -> float:
        if self.limits.max_seconds is None:
            return math.inf
        left = self._began + self.limits.max_seconds - self.clock.monotonic()
        if left <= 0:
            raise Enough(f"it was to take {self.limits.max_seconds:g} s at most")
        return left

    def _sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        if seconds >= self._left():
            raise Enough(f"it was to take {self.limits.max_seconds:g} s at most")
        self.clock.sleep(seconds)

    def _pay(self, size: int) -> None:
        if self.limits.rate is not None:
            self._free_at = max(self._free_at, self.clock.monotonic()) + size / self.limits.rate

"""A remote in memory that fails as real ones do, when told to: the fake behind the tests and the figures."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Callable
from typing import ClassVar, Literal

from edge.errors import Conflict, NotFound, RemoteRefused, RemoteUnavailable
from edge.sync.remotes.base import PAGE, Object, checked, in_folder

Fault = Literal["", "refused", "half", "error", "lost", "full"]
"""What happens to one request: nothing; no connection; cut in the middle of the body, not applied; an answer of 500,
not applied; applied and the answer lost; no room."""

HEADERS = 1100
"""Bytes of headers a request and its answer take, together: 549 and 364 against moto's S3 server, Amazon says more."""

Faults = Callable[[str, str], Fault]
Wire = Callable[[int, int], None]


class Bucket:
    """Objects that outlive a remote and that several share. ``conditions``: whether it heeds ``if_absent``."""

    def __init__(self, *, conditions: bool = True) -> None:
        self.objects: dict[str, bytes] = {}
        self.conditions = conditions

    def read(self, key: str) -> bytes:
        """Raises KeyError."""
        return self.objects[key]

    def write(self, key: str, data: bytes) -> None:
        """Make or replace."""
        self.objects[key] = data

    def names(self) -> list[str]:
        """All of them, in order."""
        return sorted(self.objects)

    def facts(self, key: str) -> Object:
        """Raises KeyError."""
        data = self.objects[key]
        return Object(key, len(data), hashlib.md5(data, usedforsecurity=False).hexdigest())


class MemoryRemote:
    """``faults(verb, key)`` decides each request's fate; ``wire(sent, received)`` is told what went over it."""

    writable: ClassVar[bool] = True
    lists: ClassVar[bool] = True

    def __init__(
        self,
        bucket: Bucket | None = None,
        *,
        faults: Faults = lambda _verb, _key: "",
        wire: Wire = lambda _sent, _received: None,
        shown: str = "memory://",
    ) -> None:
        self.bucket = bucket if bucket is not None else Bucket()
        self.shown = shown
        self.longest = math.inf
        self.requests: list[tuple[str, str]] = []
        self._faults = faults
        self._wire = wire

    def get(self, key: str, *, start: int = 0, limit: int | None = None) -> bytes:
        """As ``Remote.get``."""
        fault = self._begin("get", checked(key))
        try:
            data = self.bucket.read(key)
        except KeyError:
            self._wire(HEADERS, 0)
            raise NotFound(f"{self.shown} has no {key}") from None
        part = data[start:] if limit is None else data[start : start + limit]
        if fault == "half" or fault == "lost":
            self._wire(HEADERS, len(part) // 2)
            raise RemoteUnavailable(f"{self.shown} was cut off in the middle of {key}; try again")
        self._wire(HEADERS, len(part))
        return part

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> None:
        """As ``Remote.put``."""
        fault = self._begin("put", checked(key))
        if fault == "half":
            self._wire(HEADERS + len(data) // 2, 0)
            raise RemoteUnavailable(f"{self.shown} was cut off in the middle of {key}; try again")
        self._wire(HEADERS + len(data), 0)
        if if_absent and self.bucket.conditions and key in self.bucket.objects:
            raise Conflict(f"{self.shown} has {key} already; nothing was changed")
        self.bucket.write(key, data)
        self._end(fault, key)

    def page(self, prefix: str, *, after: str = "") -> list[Object]:
        """As ``Remote.page``."""
        fault = self._begin("page", in_folder(prefix))
        keys = [key for key in self.bucket.names() if key.startswith(prefix)]
        found = [self.bucket.facts(key) for key in keys[bisect_right(keys, after) :][:PAGE]]
        self._wire(HEADERS, 250 * len(found))
        self._end(fault, prefix)
        return found

    def head(self, key: str) -> Object:
        """As ``Remote.head``."""
        fault = self._begin("head", checked(key))
        self._wire(HEADERS, 0)
        try:
            found = self.bucket.facts(key)
        except KeyError:
            raise NotFound(f"{self.shown} has no {key}") from None
        self._end(fault, key)
        return found

    def delete(self, key: str) -> None:
        """As ``Remote.delete``."""
        fault = self._begin("delete", checked(key))
        self._wire(HEADERS, 0)
        self.bucket.objects.pop(key, None)
        self._end(fault, key)

    def close(self) -> None:
        """Nothing to give back."""

    def _begin(self, verb: str, key: str) -> Fault:
        """Count a request, and fail it before it is applied if that is its fate."""
        self.requests.append((verb, key))
        fault = self._faults(verb, key)
        if fault == "refused":
            self._wire(60, 0)
            raise RemoteUnavailable(f"{self.shown} does not answer; try again")
        if fault == "error":
            self._wire(HEADERS, 200)
            raise RemoteUnavailable(f"{self.shown} answered with 500; try again")
        if fault == "full":
            self._wire(HEADERS, 200)
            raise RemoteRefused(f"{self.shown} is full; make room there and try again")
        return fault

    def _end(self, fault: Fault, key: str) -> None:
        if fault == "lost":
            raise RemoteUnavailable(f"{self.shown} gave no answer about {key}; try again")


_SHARED: dict[str, Bucket] = {}


def shared(name: str) -> Bucket:
    """The bucket of this name in this process."""
    return _SHARED.setdefault(name, Bucket())

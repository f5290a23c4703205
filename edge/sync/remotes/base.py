"""What every remote can do: few, small, whole requests, each of which may fail and may be made again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Protocol

from edge.errors import InvalidArgument

PART = 1 << 20
"""The most bytes of one request: what is larger travels in parts, so that a bad link loses at most this much."""
PAGE = 1000
"""The most keys of one listing."""

_KEY = re.compile(r"(?!.*(^|/)([.]|/|$))[a-z0-9._/-]{1,512}")  # no empty step and none that begins with a dot


@dataclass(frozen=True, slots=True)
class Object:
    """What a listing says of one object; ``stamp`` differs once its content does, or is empty where nobody can tell."""

    key: str
    size: int
    stamp: str = ""


class Remote(Protocol):
    """One place. Every method is one request; none of them retries, ``Transfer`` does.

    Keys are checked: lower case, digits and ``._/-``, for sticks are formatted with file systems that know no other
    difference. Used by one thread at a time. Every method raises RemoteUnavailable (try again: no answer, an answer of
    500, a cut; whether the request was applied is unknown), RemoteRefused (trying again is of no use: no permission,
    full, read-only, not mounted) and InvalidArgument (not a key).
    """

    shown: str
    """The URL without its passwords."""
    longest: float
    """Seconds that a request may take at most; it ends as RemoteUnavailable then, where it can be ended."""
    writable: ClassVar[bool]
    lists: ClassVar[bool]

    def get(self, key: str, *, start: int = 0, limit: int | None = None) -> bytes:
        """The bytes of an object, or ``limit`` of them from ``start`` on, fewer at its end. Raises NotFound."""
        ...

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> None:
        """Make an object, whole and durable on return, or replace it.

        ``if_absent``: raises Conflict, changing nothing, when there is one. Stores that know no conditions replace it
        all the same: ``probe`` tells them apart.
        """
        ...

    def page(self, prefix: str, *, after: str = "") -> list[Object]:
        """At most ``PAGE`` objects in the folder ``prefix`` and those below it, by key, the first one behind ``after``.

        ``prefix`` ends with "/". Empty when there is no more. Raises RemoteRefused where ``lists`` is False.
        """
        ...

    def head(self, key: str) -> Object:
        """What a listing would say of one object. Raises NotFound."""
        ...

    def delete(self, key: str) -> None:
        """Take an object away; nothing happens when there is none."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


def checked(key: str) -> str:
    """A key that every remote can hold. Raises InvalidArgument."""
    if not _KEY.fullmatch(key):
        raise InvalidArgument(f"{key!r} is no key; use lower-case letters, digits and . _ - between single slashes")
    return key


def is_key(key: str) -> bool:
    """Whether a name can be one of ours; other programs leave theirs on sticks."""
    return _KEY.fullmatch(key) is not None


def in_folder(prefix: str) -> str:
    """A listing's prefix. Raises InvalidArgument."""
    if not prefix.endswith("/"):
        raise InvalidArgument(f"{prefix!r} is no folder; end it with a slash")
    checked(prefix[:-1])
    return prefix

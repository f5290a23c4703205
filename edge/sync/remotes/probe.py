"""What a remote can do, found out by doing it; and the mark by which it is known again."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass

from edge.errors import Conflict, NotFound, RemoteRefused, RemoteUnavailable
from edge.sync.remotes.base import Remote
from edge.sync.transfer import Transfer

MARK = "edge/1/remote.json"
_PROBES = "edge/1/probes/"
_MAX_MARK = 4096


@dataclass(frozen=True, slots=True)
class Abilities:
    """``conditions``: it refuses to create what is there. ``ranges``: it gives a part of an object alone."""

    writable: bool
    lists: bool
    conditions: bool
    ranges: bool


def probe(remote: Remote) -> Abilities:
    """Write, read, list and delete two small objects of our own. Raises RemoteUnavailable, RemoteRefused."""
    if not remote.writable:
        return Abilities(writable=False, lists=remote.lists, conditions=False, ranges=True)
    key = f"{_PROBES}{os.urandom(8).hex()}"
    body = key.encode()
    knows = _created(remote, key, body)
    try:
        conditions = knows and _refused(remote, key, body)
        if remote.get(key) != body:
            raise RemoteRefused(f"{remote.shown} does not give back what was written; choose another remote")
        ranges = remote.get(key, start=4, limit=5) == body[4:9]
        if not any(one.key == key and one.size == len(body) for one in remote.page(_PROBES)):
            raise RemoteRefused(f"{remote.shown} does not list what was written; choose another remote")
    finally:
        remote.delete(key)
    return Abilities(writable=True, lists=remote.lists, conditions=conditions, ranges=ranges)


def _created(remote: Remote, key: str, body: bytes) -> bool:
    """Make an object, with a condition if the store takes one; some answer that they know no such thing."""
    try:
        remote.put(key, body, if_absent=True)
    except RemoteRefused:
        remote.put(key, body)
        return False
    return True


def _refused(remote: Remote, key: str, body: bytes) -> bool:
    try:
        remote.put(key, body, if_absent=True)
    except Conflict:
        return True
    return False


def mark(remote: Remote) -> str:
    """The id of a remote, given to it now if it has none. Raises RemoteRefused, RemoteUnavailable."""
    try:
        return read_mark(remote)
    except NotFound:
        if not remote.writable:
            raise RemoteRefused(f"{remote.shown} has no {MARK}; push to that place first, then read from it") from None
    fresh = json.dumps({"format": 1, "id": os.urandom(16).hex()}).encode()
    with suppress(Conflict, RemoteUnavailable):  # another was faster, or our answer was lost: what is there counts
        _created(remote, MARK, fresh)
    return read_mark(remote)


def read_mark(remote: Remote | Transfer) -> str:
    """The id of a remote. Raises NotFound (it has none), RemoteRefused (it is none of ours)."""
    shown = remote.remote.shown if isinstance(remote, Transfer) else remote.shown
    data = remote.get(MARK, limit=_MAX_MARK)
    try:
        table = json.loads(data)
        number, id = table["format"], table["id"]
    except (ValueError, KeyError, TypeError):
        number, id = 1, ""
    if number != 1:
        raise RemoteRefused(f"{shown} was made by a newer release; update with: pip install -U edge-concepts")
    if not isinstance(id, str) or not re.fullmatch("[0-9a-f]{32}", id):
        raise RemoteRefused(f"{MARK} of {shown} is damaged; put a whole copy back, or start a new remote")
    return id

"""Which devices' words a store takes: everybody's or those of enrolled ones; nothing that a revoked one says later.

A table in the store's settings, kept by the hub: ``{"closed": bool, "devices": {id: {"name", "revoked_after"}}}``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from edge.errors import BadSegment, InvalidArgument, NotFound
from edge.store import Store
from edge.sync.device import ID

SETTING = "fleet"


@dataclass(frozen=True, slots=True)
class Member:
    """A device that was enrolled. ``revoked_after``: its segments up to this number count, no later ones; None: all."""

    id: str
    name: str
    revoked_after: int | None


class Fleet:
    """The devices of a store's remotes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def closed(self) -> bool:
        """Whether only devices that were enrolled are heard."""
        return bool(self._table()["closed"])

    def members(self) -> dict[str, Member]:
        """Enrolled and revoked devices by id."""
        found = self._table()["devices"]
        return {id: Member(id, str(one["name"]), one["revoked_after"]) for id, one in found.items()}

    def enrol(self, device: str, name: str = "") -> None:
        """Hear a device from now on, and only devices that were enrolled. Raises InvalidArgument."""
        if not ID.match(device):
            raise InvalidArgument(f"{device[:40]!r} is no device's id; `trainer hub status` lists them")
        table = self._table()
        table["closed"] = True
        table["devices"][device] = {"name": name[:64], "revoked_after": None}
        self._write(table)

    def revoke(self, device: str, after: int) -> None:
        """Believe nothing of a device beyond so many of its segments: it was lost, or stolen. Raises NotFound."""
        table = self._table()
        known = table["devices"].get(device, {"name": ""})
        if not ID.match(device):
            raise NotFound(f"{device[:40]!r} is no device's id; `trainer hub status` lists them")
        table["devices"][device] = {**known, "revoked_after": after}
        self._write(table)

    def open(self) -> None:
        """Hear everybody again, but for those that were revoked."""
        self._write({**self._table(), "closed": False})

    def check(self, device: str, segments: int) -> int:
        """How many of a device's segments may be merged. Raises BadSegment (it was not enrolled)."""
        member = self.members().get(device)
        if member is None:
            if self.closed:
                raise BadSegment(f"device {device[:8]} was not enrolled; let it in with: trainer hub enrol {device}")
            return segments
        return segments if member.revoked_after is None else min(segments, member.revoked_after)

    def _table(self) -> dict[str, Any]:
        text = self._store.setting(SETTING)
        table: dict[str, Any] = {"closed": False, "devices": {}} if text is None else json.loads(text)
        return table

    def _write(self, table: dict[str, Any]) -> None:
        self._store.set_settings(**{SETTING: json.dumps(table)})

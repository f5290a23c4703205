"""Keys: who may do what. Kept hashed in ``service.sqlite`` beside the store."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.errors import InvalidArgument, NotFound
from edge.faces.api.database import ServiceDatabase
from edge.store.names import check_name

SCOPES = ("read", "predict", "write", "train")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what they may do."""

    name: str
    scopes: frozenset[str]


ANYONE = Caller("anyone", frozenset(SCOPES))
"""Whoever reaches a device that never had a key, from the device itself."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret. ``id`` is the beginning of the secret's hash."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None


class Keys:
    """The keys of one store. Any process may change them; the others see it at the next request."""

    def __init__(self, folder: Path) -> None:
        self._database = ServiceDatabase(folder)

    @property
    def needed(self) -> bool:
        """Whether requests need a key: once one was made they do, also when all were revoked."""
        return self._database.row("SELECT 1 FROM keys LIMIT 1") is not None

    def create(self, name: str, scopes: Iterable[str] = SCOPES) -> tuple[Key, str]:
        """A new key and its secret, which is told only here. Raises InvalidArgument."""
        wanted = tuple(one for one in SCOPES if one in set(_checked_scopes(scopes)))
        check_name(name, "key")
        secret = secrets.token_hex(24)
        digest, now = _digest(secret), datetime.now(UTC)
        with self._database.write() as connection:
            taken = connection.execute("SELECT 1 FROM keys WHERE name = ? AND revoked_at IS NULL", (name,)).fetchone()
            if taken:
                raise InvalidArgument(f"there is a key {name!r} already; revoke it first or choose another name")
            connection.execute(
                "INSERT INTO keys (digest, name, scopes, created_at) VALUES (?, ?, ?, ?)",
                (digest, name, " ".join(wanted), now.isoformat()),
            )
        return Key(digest[:8], name, wanted, now), secret

    def list(self) -> tuple[Key, ...]:
        """All keys, revoked ones too, oldest first."""
        rows = self._database.rows("SELECT digest, name, scopes, created_at, revoked_at FROM keys ORDER BY rowid")
        return tuple(
            Key(
                digest[:8],
                name,
                tuple(scopes.split()),
                datetime.fromisoformat(made),
                None if gone is None else datetime.fromisoformat(gone),
            )
            for digest, name, scopes, made, gone in rows
        )

    def revoke(self, name: str) -> Key:
        """Make a key useless from now on; ``name`` or id. Raises NotFound."""
        found = next((key for key in self.list() if name in (key.name, key.id) and key.revoked_at is None), None)
        if found is None:
            raise NotFound(f"no key {name!r} is in use; edge key list shows them")
        with self._database.write() as connection:
            connection.execute(
                "UPDATE keys SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL",
                (datetime.now(UTC).isoformat(), found.name),
            )
        return next(key for key in self.list() if key.id == found.id)

    def check(self, secret: str) -> Caller | None:
        """Whose secret this is, or None."""
        row = self._database.row(
            "SELECT name, scopes FROM keys WHERE digest = ? AND revoked_at IS NULL", (_digest(secret),)
        )
        return None if row is None else Caller(row[0], frozenset(row[1].split()))

    def caller(self, authorization: str | None, *, local: bool) -> Caller | None:
        """Who sends this ``Authorization`` ("Key SECRET", "Bearer SECRET"); ``local``: from this very machine.

        None: nobody who may be here.
        """
        if not self.needed:
            return ANYONE if local else None
        kind, _, secret = (authorization or "").strip().partition(" ")
        if kind.lower() not in ("key", "bearer") or not secret:
            return None
        return self.check(secret.strip())

    def close(self) -> None:
        self._database.close()


def _checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    wanted = (scopes,) if isinstance(scopes, str) else tuple(scopes)
    for one in wanted:
        if one not in SCOPES:
            raise InvalidArgument(f"{one!r} is no scope; choose from {', '.join(SCOPES)}")
    if not wanted:
        raise InvalidArgument(f"a key needs a scope; choose from {', '.join(SCOPES)}")
    return wanted


def _digest(secret: str) -> str:
    """Secrets are 192 random bits: nothing slower than a hash is needed to keep them from being guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

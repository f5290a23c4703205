"""Who this device is to others: a random id and an ed25519 key, in ``sync/device.json``, readable by its owner only."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import BadSegment, RuntimeMissing, StoreCorrupt
from edge.store.failures import translated
from edge.store.files import make_folder, write_durably

FILE = "sync/device.json"
ID = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class Identity:
    """``id``: 32 hexadecimal digits, the beginning of the key's sha256, so that nobody can take another's;
    ``name``: for people."""

    id: str
    name: str
    secret: bytes

    @classmethod
    def of(cls, store: Path) -> Identity:
        """This store's, made the first time. Raises StoreCorrupt, StoreUnavailable, RuntimeMissing."""
        path = store / FILE
        with translated():
            if not path.exists():
                return cls.renew(store)
            data = path.read_bytes()
        try:
            table = json.loads(data)
            made = cls(str(table["id"]), str(table["name"]), base64.b64decode(table["secret"]))
            if made.id != id_of(made.public):
                raise ValueError("the id is not the key's")
            return made
        except (ValueError, KeyError, TypeError) as error:
            raise StoreCorrupt(f"{path} is damaged ({error}); delete it, and this store is a new device") from error

    @classmethod
    def renew(cls, store: Path) -> Identity:
        """A new identity, instead of the one there may be."""
        secret = os.urandom(32)
        made = cls(id_of(_public(secret)), socket.gethostname()[:64], secret)
        table = {"id": made.id, "name": made.name, "secret": base64.b64encode(secret).decode()}
        with translated():
            make_folder((store / FILE).parent)
            write_durably(store / FILE, json.dumps(table).encode(), 0o600)
        return made

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return _public(self.secret)

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return bytes(_ed25519().Ed25519PrivateKey.from_private_bytes(self.secret).sign(data))


def id_of(public: bytes) -> str:
    """The id of a public key."""
    return hashlib.sha256(public).hexdigest()[:32]


def id_here(store: Path) -> str | None:
    """What this store is called by others; None if it never met any. Reads no key."""
    try:
        return str(json.loads((store / FILE).read_bytes())["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check(public: bytes, signature: bytes, data: bytes, what: str) -> None:
    """Raises BadSegment unless ``data`` was signed with a key."""
    from cryptography.exceptions import InvalidSignature

    try:
        _ed25519().Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError) as error:
        raise BadSegment(
            f"{what} is not signed by its device; it was left out, ask that device to send it again"
        ) from error


def _public(secret: bytes) -> bytes:
    return bytes(_ed25519().Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw())


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise RuntimeMissing("synchronising needs cryptography; run: pip install 'edge-concepts[sync]'") from error
    return ed25519

"""Signing keys in a folder: ``root-1.pem`` ... ``targets-1.pem``, ``online-1.pem``; ed25519, PKCS 8.

Root keys make every other decision possible and are needed only when keys change: keep each on a stick of its own.
``targets`` signs what is released; ``online`` signs that it is recent, and may lie on the machine that publishes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import Conflict, InvalidArgument, NotFound
from edge.store.files import make_folder, write_durably

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

ROLES = ("root", "targets", "online")
PASSPHRASE = "EDGE_KEYS_PASSPHRASE"
"""The environment's variable with the passphrase that keys are stored under; without it they are stored as they are."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One key of a folder: its role, its public id, and its file."""

    role: str
    id: str
    path: Path


def make_keys(folder: Path, counts: Mapping[str, int], passphrase: str | None) -> list[KeyFile]:
    """New keys, ``counts`` of each role; files that are there are never replaced. Raises Conflict, InvalidArgument."""
    wanted = [(role, number) for role, count in counts.items() for number in range(1, count + 1)]
    taken = [folder / f"{role}-{number}.pem" for role, number in wanted if _path(folder, role, number).exists()]
    if taken:
        raise Conflict(f"{taken[0]} exists and is not replaced; choose another folder, or move it away")
    return [_new(folder, role, number, passphrase) for role, number in wanted]


def add_key(folder: Path, role: str, passphrase: str | None) -> KeyFile:
    """One more key of a role, under the next free number."""
    number = 1
    while _path(folder, role, number).exists():
        number += 1
    return _new(folder, role, number, passphrase)


def load_keys(folder: Path, role: str, passphrase: str | None) -> list[CryptoSigner]:
    """The keys of one role that are in the folder, perhaps none. Raises InvalidArgument (passphrase, not ours)."""
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}; make keys with: trainer release keys {folder}")
    return [_load(path, passphrase) for path in sorted(folder.glob(f"{role}-*.pem"))]


def passphrase(environ: Mapping[str, str] = os.environ) -> str | None:
    """What the environment says."""
    return environ.get(PASSPHRASE) or None


def _path(folder: Path, role: str, number: int) -> Path:
    return folder / f"{role}-{number}.pem"


def _new(folder: Path, role: str, number: int, passphrase: str | None) -> KeyFile:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    if role not in ROLES:
        raise InvalidArgument(f"{role!r} is no role; there are: {', '.join(ROLES)}")
    key = Ed25519PrivateKey.generate()
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    make_folder(folder)
    path = _path(folder, role, number)
    write_durably(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how), mode=0o600)
    return KeyFile(role, _load(path, passphrase).public_key.keyid, path)


def _load(path: Path, passphrase: str | None) -> CryptoSigner:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    data = path.read_bytes()
    try:
        secret = passphrase.encode() if passphrase and b"ENCRYPTED" in data else None
        key = load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidArgument(f"{path} cannot be opened ({error}); set {PASSPHRASE} to its passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidArgument(f"{path} is no ed25519 key; make keys with: trainer release keys")
    return CryptoSigner(key)

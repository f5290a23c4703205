"""Certificates for the service: the device's own, issued by its own authority and renewed, or files that were given.

In the folder (mode 0700), each file with mode 0600 and replaced whole: ``authority.pem`` (the authority's key and
certificate), ``device.pem`` (the device's), ``ca.pem`` (the authority's certificate alone: what clients have to trust).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edge.errors import InvalidArgument, StoreUnavailable
from edge.faces.api import authority, hosts
from edge.faces.api.authority import Issued
from edge.store.files import locked, make_folder, write_durably

if TYPE_CHECKING:
    import grpc

FOLDER = "tls"
"""The folder's name beside ``store.sqlite`` when none was chosen."""

_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Identity:
    """What the service shows to clients: PEM files of a certificate (with its chain) and its key; both may be one file.

    ``authority``: the PEM text that clients have to trust, None when the certificate was given. ``unnamed``: host
    names of this device that the authority may not vouch for.
    """

    certificate: Path
    key: Path
    authority: bytes | None = None
    unnamed: tuple[str, ...] = ()


def own(
    folder: Path,
    *,
    names: Sequence[str] | None = None,
    addresses: Sequence[hosts.Address] | None = None,
    also: Sequence[str] = (),
    now: datetime | None = None,
) -> Identity:
    """The device's own identity from ``folder``, made, renewed or reissued as needed; the authority stays the same.

    ``names`` and ``addresses`` default to what the device is called now; ``also``: names or addresses that it is
    reached by besides, such as the one it listens on. Raises StoreUnavailable when the folder cannot be written or the
    authority's file is damaged.
    """
    more_names, more_addresses = hosts.sorted_out(also)
    names = [*(hosts.names() if names is None else names), *more_names]
    addresses = [*(hosts.addresses() if addresses is None else addresses), *more_addresses]
    now = datetime.now(UTC) if now is None else now
    with _files(folder):
        make_folder(folder)
        folder.chmod(0o700)
        with locked(folder / "lock", wait=True):
            issuer = _authority(folder, names)
            trusted = issuer.certificate.public_bytes(serialization.Encoding.PEM)
            _keep(folder / "ca.pem", trusted)
            device = folder / "device.pem"
            issued = _read(device)
            if issued is None or not authority.serves(issued, issuer, names, addresses, now):
                write_durably(device, authority.issue(issuer, names, addresses, now).pem(), _PRIVATE)
    unnamed = tuple(one for one in names if not authority.may_name(issuer, one))
    return Identity(device, device, trusted, unnamed)


def given(certificate: Path, key: Path | None = None) -> Identity:
    """The identity in files of the user's own; without ``key`` the certificate's file holds it too.

    Raises InvalidArgument when they cannot be read, do not belong together, or the key asks for a password.
    """
    identity = Identity(certificate, certificate if key is None else key)
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), identity)
    return identity


class Keeper:
    """An identity in use: what listens with its contexts shows a renewed certificate without a restart."""

    def __init__(self, make: Callable[[], Identity]) -> None:
        """``make`` is asked now and at every ``refresh``: ``own`` or ``given`` with their arguments."""
        self._make = make
        self.identity = make()
        self._shown = self._bytes(self.identity)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.set_alpn_protocols(["http/1.1"])
        _load(self._context, self.identity)

    def refresh(self) -> bool:
        """Renew what has to be, read again what was replaced; True when another certificate is shown from now on.

        Call it every hour or so. Raises as ``own`` and ``given`` do, and then everything stays as it was.
        """
        identity = self._make()
        shown = self._bytes(identity)
        if shown == self._shown:
            return False
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), identity)
        _load(self._context, identity)
        self.identity, self._shown = identity, shown
        return True

    def context(self) -> ssl.SSLContext:
        """For HTTP; the same object every time, and new connections see what ``refresh`` changed."""
        return self._context

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For gRPC; new connections see what ``refresh`` changed."""
        import grpc

        last = self._shown

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal last
            if self._shown == last:
                return None
            last = self._shown
            return grpc.ssl_server_certificate_configuration([last])

        first = grpc.ssl_server_certificate_configuration([last])
        return grpc.dynamic_ssl_server_credentials(first, changed)

    @staticmethod
    def _bytes(identity: Identity) -> tuple[bytes, bytes]:
        with _files(identity.certificate):
            return identity.key.read_bytes(), identity.certificate.read_bytes()


def _authority(folder: Path, names: Sequence[str]) -> Issued:
    """The authority in ``folder``, made if there is none. A damaged one is not replaced: others trust it."""
    path = folder / "authority.pem"
    found = _read(path)
    if found is not None:
        return found
    if path.exists():
        raise StoreUnavailable(
            f"{path} is damaged: put its backup back, or delete it and let every client trust the new authority"
        )
    made = authority.make_authority(hosts.names()[-1], names)
    write_durably(path, made.pem(), _PRIVATE)
    return made


def _read(path: Path) -> Issued | None:
    """A key and its certificate; None when there is no such file or nothing usable in it."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return Issued.from_pem(text)
    except (ValueError, TypeError, x509.InvalidVersion):
        return None


def _keep(path: Path, text: bytes) -> None:
    if not path.exists() or path.read_bytes() != text:
        write_durably(path, text, _PRIVATE)


def _load(context: ssl.SSLContext, identity: Identity) -> None:
    try:
        context.load_cert_chain(identity.certificate, identity.key, password="")
    except ssl.SSLError as error:
        raise InvalidArgument(
            f"{identity.certificate} and {identity.key} are no certificate and its key without a password "
            f"({error.reason or error}); give PEM files that belong together"
        ) from error
    except OSError as error:
        raise InvalidArgument(
            f"{identity.certificate} or {identity.key} cannot be read ({error.strerror}); check name and permissions"
        ) from error


@contextmanager
def _files(place: Path) -> Iterator[None]:
    try:
        yield
    except StoreUnavailable:
        raise
    except OSError as error:
        raise StoreUnavailable(f"{place} cannot be used ({error.strerror}); check its permissions and space") from error

"""How the service runs: addresses, caps, where inputs by URL may come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of ``edge serve``; sizes in bytes, times in seconds.

    ``grpc_port`` None: no gRPC; 0 for a port means a free one. ``tls``: with the device's own certificate, or with
    ``tls_cert`` and ``tls_key``. ``app`` and ``user``: the only ids that requests may name; None accepts and echoes
    any. ``aliases``: beginning of a URL -> folder with the files. ``queue``: requests that may be in flight, after
    that clients are told to slow down.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int | None = 18080
    tls: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    app: str | None = None
    user: str | None = None
    aliases: Mapping[str, Path] = field(default_factory=dict)
    allow_private_urls: bool = False
    workers: int = 4
    queue: int = 64
    max_body: int = 64 * MIB
    max_bodies: int = 128 * MIB
    max_image: int = 20 * MIB
    max_inputs: int = 128
    max_concepts: int = 1000
    max_pending: int = 10_000
    max_trainings: int = 16
    body_seconds: float = 30.0
    fetch_seconds: float = 20.0
    max_redirects: int = 5
    stop_seconds: float = 10.0

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

"""How the service runs: addresses, caps, where inputs by URL may come from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from edge.errors import InvalidArgument

FILE = "service.toml"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of ``edge serve``; sizes in bytes, times in seconds.

    ``grpc_port`` None: no gRPC; 0 for a port means a free one. ``tls``: with the device's own certificate, or with
    ``tls_cert`` and ``tls_key``. ``tls_folder``: where its own and its authority are kept, None for a folder in the
    store; ``names``: host names and addresses that it is reached by besides those it knows. ``app`` and ``user``: the
    only ids that requests may name; None accepts and echoes any. ``aliases``: beginning of a URL -> folder with the
    files. ``cameras``: name -> URL of the device's own cameras. ``queue``: requests that may be in flight, after that
    clients are told to slow down.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int | None = 18080
    tls: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_folder: Path | None = None
    names: tuple[str, ...] = ()
    app: str | None = None
    user: str | None = None
    aliases: Mapping[str, Path] = field(default_factory=dict)
    cameras: Mapping[str, str] = field(default_factory=dict)
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
    fetch_pause: float = 2.0
    max_redirects: int = 5
    stop_seconds: float = 10.0

    def __post_init__(self) -> None:
        for key in ("workers", "queue", "max_body", "max_bodies", "max_image", "max_inputs", "max_concepts"):
            if getattr(self, key) < 1:
                raise InvalidArgument(f"{key} is at least 1, not {getattr(self, key)}; change it in {FILE}")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InvalidArgument("a certificate goes with its key; give --tls-cert and --tls-key")
        if (self.tls_folder is not None or self.names) and (not self.tls or self.tls_cert is not None):
            raise InvalidArgument("a folder and names are for the device's own certificate; give --tls, without a file")
        for name in self.names:
            _check_name(name)

    @classmethod
    def read(cls, folder: Path, **given: Any) -> Options:
        """From ``service.toml`` in the store's folder, if there is one; ``given`` goes before it, unless None.

        Raises InvalidArgument (not TOML, an unknown setting, a value of another kind).
        """
        path = folder / FILE
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise InvalidArgument(f"{path} cannot be read ({error}); correct it or take it away") from error
        settings = {key: _setting(path, key, value) for key, value in found.items()}
        return cls(**{**settings, **{key: value for key, value in given.items() if value is not None}})

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


def _check_name(name: str) -> None:
    from edge.faces.api.hosts import sorted_out

    if sorted_out([name]) == ([], []):
        raise InvalidArgument(f"{name!r} is no host name or address; give one such as camera.example or 10.0.0.7")


def _setting(path: Path, key: str, value: Any) -> Any:
    """One value of the file, of the kind that the setting has. Raises InvalidArgument."""
    known = {one.name: str(one.type) for one in fields(Options)}
    if key not in known:
        raise InvalidArgument(f"{path}: there is no setting {key!r}; there are: {', '.join(known)}")
    kind = known[key].removesuffix(" | None")
    if kind == "Path" and isinstance(value, str):
        return Path(value)
    if kind.startswith("Mapping") and isinstance(value, dict) and all(isinstance(one, str) for one in value.values()):
        return {prefix: Path(folder) for prefix, folder in value.items()} if "Path" in kind else value
    if kind.startswith("tuple") and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    kinds: dict[str, Any] = {"str": str, "bool": bool, "int": int, "float": (int, float)}
    if kind not in kinds or not isinstance(value, kinds[kind]) or (kind != "bool" and isinstance(value, bool)):
        raise InvalidArgument(f"{path}: {key} is {_KINDS.get(kind, 'a table')}, not {value!r}")
    return value


_KINDS = {
    "str": "a text",
    "Path": "a text, the place of a file",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "tuple[str, ...]": "a list of texts",
    "Mapping[str, str]": "a table of texts, a name = a camera's URL",
    "Mapping[str, Path]": "a table of texts, the beginning of a URL = a folder",
}

"""Remotes by the scheme of their URL, and the credentials that open them."""

from __future__ import annotations

import base64
import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from edge.camera.urls import redacted
from edge.errors import InvalidArgument, RemoteRefused, RuntimeMissing
from edge.sync.remotes.base import Remote

Secrets = Mapping[str, str]
Opener = Callable[["Address", Secrets, Mapping[str, str]], Remote]

# a new kind of remote is a file and a line here
REMOTES = {
    "file": "edge.sync.remotes.catalogue:folder",
    "memory": "edge.sync.remotes.catalogue:memory",
    "s3": "edge.sync.remotes.catalogue:s3",
    "gs": "edge.sync.remotes.catalogue:gs",
    "az": "edge.sync.remotes.catalogue:az",
    "http": "edge.sync.remotes.catalogue:http",
    "https": "edge.sync.remotes.catalogue:http",
}
CREDENTIALS = "sync/credentials.toml"
"""In a store's folder: a table per remote's name, with the keys its kind of store knows."""

_AWS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_SECRET_OPTIONS = ("key", "secret", "password", "token", "sig")


@dataclass(frozen=True, slots=True)
class Address:
    """A remote's URL, taken apart; ``options`` are its query."""

    text: str
    scheme: str
    host: str
    path: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        return redacted(self.text)

    __repr__ = __str__

    def only(self, *known: str) -> Mapping[str, str]:
        """The options. Raises InvalidArgument for one that is not ``known``."""
        for name in self.options:
            if name not in known:
                secret = any(part in name for part in _SECRET_OPTIONS)
                has = f"; secrets belong into {CREDENTIALS} or the environment" if secret else ""
                raise InvalidArgument(
                    f"{self.scheme} remotes have no option {name!r}; they have: {', '.join(known) or 'none'}{has}"
                )
        return self.options


def parse(text: str) -> Address:
    """A remote's URL; a path is a folder's. Raises InvalidArgument."""
    if not text or len(text) > 2048 or not text.isprintable():
        raise InvalidArgument("a remote's URL has 1 to 2048 characters, all of them printable; give another")
    if "://" not in text:
        return Address(text, "file", "", str(Path(text).expanduser().absolute()), {})
    try:
        parts = urlsplit(text)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError as error:
        raise InvalidArgument(f"{redacted(text)} is no URL ({error}); give one like s3://bucket/folder") from error
    if parts.scheme.lower() not in REMOTES:
        raise InvalidArgument(f"{redacted(text)} is no remote; its scheme must be one of: {', '.join(sorted(REMOTES))}")
    return Address(text, parts.scheme.lower(), parts.netloc, unquote(parts.path), options)


def open_remote(url: str, secrets: Secrets | None = None, environ: Mapping[str, str] | None = None) -> Remote:
    """Open what a URL names; ``environ`` is where credentials may be.

    Raises InvalidArgument (no such scheme, a wrong option), RemoteRefused (no folder, no credentials), RuntimeMissing.
    """
    address = parse(url)
    module, _, name = REMOTES[address.scheme].partition(":")
    opener: Opener = getattr(import_module(module), name)
    return opener(address, secrets or {}, os.environ if environ is None else environ)


def secrets_of(store: Path, name: str) -> Secrets:
    """What ``sync/credentials.toml`` says about a remote. Raises RemoteRefused (others may read it, damaged)."""
    path = store / CREDENTIALS
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or facts.st_uid not in (os.geteuid(), 0):
                raise RemoteRefused(f"others can read the credentials in {path}; run: chmod 600 {path}")
            tables = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise RemoteRefused(f"{path} cannot be read (line {_line(error)}); it is TOML, a table per remote") from None
    except PermissionError as error:
        raise RemoteRefused(f"{path} cannot be read; it must belong to the user that edge runs as") from error
    table = tables.get(name, {})
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise RemoteRefused(f"[{name}] in {path} must hold texts only; put quotes around them")
    return table


def _line(error: tomllib.TOMLDecodeError) -> str:
    """Where, without what: the text may be a secret."""
    return "".join(part for part in str(error).partition("line ")[2].partition(",")[0] if part.isdigit()) or "?"


# --- kinds -----------------------------------------------------------------------------------------------------------


def folder(address: Address, _secrets: Secrets, _environ: Mapping[str, str]) -> Remote:
    """``/media/stick/edge`` or ``file:///media/stick/edge``."""
    from edge.sync.remotes.folder import FolderRemote

    address.only()
    if address.host not in ("", "localhost"):
        raise InvalidArgument(f"{address} names a computer; write three slashes: file:///{address.host}{address.path}")
    return FolderRemote(Path(address.path))


def memory(address: Address, _secrets: Secrets, _environ: Mapping[str, str]) -> Remote:
    """``memory://name``: gone with this process."""
    from edge.sync.remotes.memory import MemoryRemote, shared

    address.only()
    return MemoryRemote(shared(address.host), shown=str(address))


def s3(address: Address, secrets: Secrets, environ: Mapping[str, str]) -> Remote:
    """``s3://bucket/folder?endpoint=https://minio.lan:9000&region=...``."""
    options = dict(address.only("endpoint", "region", "anonymous", "virtual_hosted"))
    given = {**_settings(options, "endpoint", "region"), **_environment(environ), **secrets}
    given.setdefault("region", environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1")
    if "virtual_hosted" in options:
        given["virtual_hosted_style_request"] = options["virtual_hosted"]
    if options.get("anonymous") == "true":
        given["skip_signature"] = "true"
    elif not _opened("access_key_id", given) and not any(one in environ for one in _AWS):
        raise _no_credentials(address, "access_key_id and secret_access_key", "AWS_ACCESS_KEY_ID")
    return _store("S3Store", address, given, plain=given.get("endpoint", "").startswith("http:"))


def gs(address: Address, secrets: Secrets, environ: Mapping[str, str]) -> Remote:
    """``gs://bucket/folder``."""
    options = address.only("anonymous")
    given = dict(secrets)
    if options.get("anonymous") == "true":
        given["skip_signature"] = "true"
    elif not given and not any(one.startswith("GOOGLE_") for one in environ):
        raise _no_credentials(address, "service_account (the path of its JSON)", "GOOGLE_APPLICATION_CREDENTIALS")
    return _store("GCSStore", address, given)


def az(address: Address, secrets: Secrets, environ: Mapping[str, str]) -> Remote:
    """``az://container/folder?account=NAME``."""
    options = dict(address.only("account", "endpoint", "anonymous"))
    given = {**_settings(options, "endpoint"), **secrets}
    if "account" in options:
        given["account_name"] = options["account"]
    if options.get("anonymous") == "true":
        given["skip_signature"] = "true"
    elif not secrets and not any(one.startswith("AZURE_") for one in environ):
        raise _no_credentials(address, "account_key or sas_token", "AZURE_STORAGE_ACCOUNT_KEY")
    return _store("AzureStore", address, given, plain=given.get("endpoint", "").startswith("http:"))


def http(address: Address, secrets: Secrets, _environ: Mapping[str, str]) -> Remote:
    """``https://user:password@host/folder``, read only."""
    HTTPStore, remote = _obstore("HTTPStore")
    from edge.sync.remotes.store import CLIENT, RETRIES

    user, at, host = address.host.rpartition("@")
    name, _, password = user.partition(":")
    name, password = secrets.get("user", unquote(name)), secrets.get("password", unquote(password))
    headers = {}
    if at or "user" in secrets:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
    client = {**CLIENT, "allow_http": address.scheme == "http", "default_headers": headers}
    plain = address.text.partition("?")[0].partition("://")[2].partition("/")[2]
    store = HTTPStore.from_url(f"{address.scheme}://{host}/{plain}", client_options=client, retry_config=RETRIES)
    opened: Remote = remote.HttpRemote(store, str(address))
    return opened


def _store(kind: str, address: Address, given: Mapping[str, str], *, plain: bool = False) -> Remote:
    make, remote = _obstore(kind)
    if not address.host or "@" in address.host:
        raise InvalidArgument(f"{address} must name a bucket, and no user; credentials go into {CREDENTIALS}")
    try:
        store = make(
            address.host,
            prefix=address.path.strip("/") or None,
            config=dict(given),
            client_options={**remote.CLIENT, "allow_http": plain},
            retry_config=remote.RETRIES,
        )
    except Exception as error:
        from obstore.exceptions import BaseError

        if not isinstance(error, BaseError | ValueError):
            raise
        # the text may hold what was given
        raise InvalidArgument(f"{address} cannot be opened with these options; check them and {CREDENTIALS}") from None
    opened: Remote = remote.ObjectStoreRemote(store, str(address))
    return opened


def _obstore(kind: str) -> tuple[Any, Any]:
    try:
        return getattr(import_module("obstore.store"), kind), import_module("edge.sync.remotes.store")
    except ImportError as error:
        raise RuntimeMissing("remotes other than folders need obstore; run: pip install edge-concepts[sync]") from error


def _settings(options: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: options[name] for name in names if name in options}


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Keys in the environment that was passed in; the store itself looks into the process's for the rarer ones."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return {name.lower(): environ[name] for name in names if environ.get(name)}


def _opened(name: str, given: Mapping[str, str]) -> bool:
    return name in given or f"aws_{name}" in given


def _no_credentials(address: Address, names: str, variable: str) -> RemoteRefused:
    return RemoteRefused(
        f"no credentials for {address}; set {variable}, or write {names} into {CREDENTIALS} of the store (mode 600)"
    )

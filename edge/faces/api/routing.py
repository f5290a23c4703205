"""From a method and a path to an RPC and its path parameters, by the table in ``core``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from edge.faces.api.core import ROUTES

_PREFIX = "/v2"
_APP = "/users/{user_id}/apps/{app_id}"
_USER = "/users/{user_id}"
MOST_SEGMENTS = 16


@dataclass(frozen=True, slots=True)
class Found:
    """An RPC and what its path says, under gRPC's names."""

    rpc: str
    parameters: dict[str, Any]


def templates() -> Iterator[tuple[str, str, str]]:
    """Every (method, whole path, RPC) there is: each without and with user and app."""
    for method, path, rpc in ROUTES:
        yield method, _PREFIX + path, rpc
        yield method, _PREFIX + _APP + path, rpc
    yield "GET", _PREFIX + _USER + "/models", "ListModels"


def _table() -> dict[tuple[str, ...], dict[str, str]]:
    """Path -> method -> RPC, in the order in which paths are tried."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for method, path, rpc in templates():
        found.setdefault(tuple(path.strip("/").split("/")), {})[method] = rpc
    return found


_TABLE = _table()


def find(method: str, path: str) -> Found | set[str]:
    """What answers; else the methods that this path has, none for a path that is not there.

    ``path`` is still percent-encoded, so that an id may hold any character. Old clients send ``//v2``. HEAD is GET,
    of whose answer nobody wants the body.
    """
    method = "GET" if method == "HEAD" else method
    segments = [unquote(one, errors="replace") for one in path.split("/") if one]
    if len(segments) > MOST_SEGMENTS:
        return set()
    for template, methods in _TABLE.items():
        parameters = _match(template, segments)
        if parameters is not None:
            return Found(methods[method], _request(parameters)) if method in methods else set(methods)
    return set()


def _match(template: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    found = {}
    for wanted, given in zip(template, segments, strict=True):
        if wanted.startswith("{"):
            found[wanted[1:-1]] = given
        elif wanted != given:
            return None
    return found


def _request(parameters: dict[str, str]) -> dict[str, Any]:
    ids = {key: parameters.pop(key) for key in ("user_id", "app_id") if key in parameters}
    return {**parameters, **({"user_app_id": ids} if ids else {})}

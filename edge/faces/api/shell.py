"""What surrounds every HTTP request: an id, the rules about hosts and origins, a line in the access log."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from edge.faces.api.keys import Keys
from edge.faces.api.options import Options, is_loopback
from edge.faces.api.statuses import INVALID, answer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Log = Callable[[dict[str, Any]], None]
"""Told of every answer, as one plain object."""

_ALLOWED = b"Authorization, Content-Type, Accept, X-Requested-With"
_METHODS = b"GET, POST, PATCH, DELETE, OPTIONS"
_LONGEST_PATH = 300


class Shell:
    """An ASGI application around another.

    As long as there are no keys only this machine may ask, whoever shows it pages may not ask through its browser,
    and other pages are told nothing. With keys any page may ask: it has to bring a key.
    """

    def __init__(self, inner: Application, keys: Keys, options: Options, log: Log | None) -> None:
        self._inner, self._keys, self._options, self._log = inner, keys, options, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["id"] = uuid4().hex
        begun = time.perf_counter()
        told = _Told(send, state["id"])
        _one_slash(scope)
        try:
            await self._guarded(scope, receive, told)
        finally:
            if self._log is not None:
                self._log(_line(scope, told, begun))

    async def _guarded(self, scope: Scope, receive: Receive, told: _Told) -> None:
        keyed = self._keys.needed
        below = scope["path"].startswith("/v2")
        if keyed and below:
            told.extra.append((b"access-control-allow-origin", b"*"))
            told.extra.append((b"access-control-expose-headers", b"x-request-id"))
        reason = None if keyed else self._strange(scope)
        if reason is not None:
            await _refuse(told, 403, reason)
        elif scope["method"] == "OPTIONS" and keyed and below:
            await _preflight(told, scope)
        else:
            await self._inner(scope, receive, told)

    def _strange(self, scope: Scope) -> str | None:
        """Why a request cannot be from this very machine's owner, while there are no keys."""
        host = header(scope, b"host") or ""
        name = urlsplit(f"//{host}").hostname if _parses(host) else None
        if name is None or not (is_loopback(name) or name == self._options.host):
            return "without keys the service answers to localhost and 127.0.0.1 only; make one: edge key create NAME"
        origin = header(scope, b"origin")
        if origin is not None and (not _parses(origin) or urlsplit(origin).netloc != host):
            return "without keys other pages may not ask this service; make one: edge key create NAME"
        return None


class _Told:
    """``send`` that notes what was answered and adds headers."""

    def __init__(self, send: Send, id: str) -> None:
        self._send = send
        self.http, self.size = 0, 0
        self.extra: list[tuple[bytes, bytes]] = [(b"x-request-id", id.encode())]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.http = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *self.extra]}
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self._send(message)


async def _refuse(told: _Told, http: int, reason: str) -> None:
    body = json.dumps(answer(INVALID, reason).body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await told({"type": "http.response.start", "status": http, "headers": headers})
    await told({"type": "http.response.body", "body": body})


async def _preflight(told: _Told, scope: Scope) -> None:
    """What a browser asks before it sends a page's request; there is no key in it."""
    asked = (header(scope, b"access-control-request-headers") or "").lower()
    custom = [one.strip() for one in asked.split(",") if one.strip().startswith("x-clarifai-")]
    named = [one.encode() for one in custom if one.replace("-", "").isalnum() and len(one) < 64][:8]
    headers = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", b", ".join([_ALLOWED, *named])),
        (b"access-control-max-age", b"600"),
        (b"content-length", b"0"),
    ]
    await told({"type": "http.response.start", "status": 204, "headers": headers[:-1]})
    await told({"type": "http.response.body", "body": b""})


def header(scope: Scope, name: bytes) -> str | None:
    """A request's header by its name in lower case, or None."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _parses(address: str) -> bool:
    try:
        urlsplit(address if "//" in address else f"//{address}").hostname  # noqa: B018
    except ValueError:
        return False
    return True


def _one_slash(scope: Scope) -> None:
    """Old clients send ``//v2/...``."""
    if scope["path"].startswith("//"):
        scope["path"] = "/" + scope["path"].lstrip("/")
        raw = scope.get("raw_path")
        if raw:
            scope["raw_path"] = b"/" + raw.lstrip(b"/")


def now() -> str:
    """The time as it stands in the access log."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(scope: Scope, told: _Told, begun: float) -> dict[str, Any]:
    state, client = scope["state"], scope.get("client")
    line = {
        "at": now(),
        "id": state["id"],
        "from": client[0] if client else None,
        "caller": state.get("caller"),
        "method": scope["method"],
        "path": scope["path"][:_LONGEST_PATH],
        "rpc": state.get("rpc"),
        "http": told.http,
        "code": state.get("code"),
        "bytes": told.size,
        "ms": round(1e3 * (time.perf_counter() - begun), 2),
    }
    return {key: value for key, value in line.items() if value is not None}

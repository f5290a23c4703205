"""The service over HTTP: JSON in front of the core, and what surrounds it: keys, caps, health, the page."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from edge.errors import EdgeError
from edge.faces.api.bodies import Gone, body_of, drain
from edge.faces.api.core import Core
from edge.faces.api.keys import Caller, Keys
from edge.faces.api.openapi import document
from edge.faces.api.options import Options, is_loopback
from edge.faces.api.routing import find
from edge.faces.api.shell import Log, Shell, header
from edge.faces.api.statuses import (
    BAD_FORMAT,
    INTERNAL,
    KEY_INVALID,
    METHOD,
    MISSING,
    SCOPES,
    Answer,
    Refused,
    answer,
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def application(
    core: Core, keys: Keys, options: Options, *, log: Log | None = None, authority: Callable[[], bytes] | None = None
) -> Shell:
    """The whole HTTP side as one ASGI application.

    ``log`` is told of every answer; ``authority`` gives the device's CA as PEM, for download at ``/ca.pem``.
    """
    local = Local(core, keys, authority)
    routes: list[BaseRoute] = [
        Route("/healthz", local.health),
        Route("/metrics", local.metrics),
        Route("/openapi.json", local.openapi),
        Route("/ca.pem", local.ca),
        *_page(core, keys, options),
    ]
    api, others = Api(core, keys, options), Starlette(routes=routes)

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        # by hand: an id may hold what no route's pattern matches, a line break for one
        await (api if scope["path"].startswith("/v2/") else others)(scope, receive, send)

    return Shell(either, keys, options, log)


def _page(core: Core, keys: Keys, options: Options) -> list[BaseRoute]:
    """The page's routes, where it is installed."""
    if find_spec("edge.faces.page.routes") is None:
        return []
    from edge.faces.page.routes import routes

    return list(routes(core, core.engine, keys, options))


def who(scope: Scope, keys: Keys) -> Caller | None:
    """Who sends a request, or None."""
    client = scope.get("client")
    return keys.caller(header(scope, b"authorization"), local=client is not None and is_loopback(client[0]))


@dataclass(frozen=True)
class Api:
    """Everything under ``/v2``, as an ASGI application."""

    core: Core
    keys: Keys
    options: Options
    workers: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        # as many as may be in flight: those that wait for a picture from elsewhere must not hold up the others
        object.__setattr__(self, "workers", ThreadPoolExecutor(self.options.queue, thread_name_prefix="rest"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            found, encoded = await self._answered(scope, receive)
        except Gone:  # half way; there is nobody to answer
            scope["state"]["code"] = "gone"
            return
        scope["state"]["code"] = found.body["status"]["code"]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(encoded))]
        headers += scope["state"].get("headers", ())
        if found.http == 429:
            headers.append((b"retry-after", b"1"))
        # by hand: right after a prediction, with its caches emptied, a Response costs a tenth of a millisecond
        await send({"type": "http.response.start", "status": found.http, "headers": headers})
        await send({"type": "http.response.body", "body": encoded})

    async def _answered(self, scope: Scope, receive: Receive) -> tuple[Answer, bytes]:
        found, caller = find(scope["method"], _raw_path(scope)), who(scope, self.keys)
        refused = None
        if caller is None:
            refused = answer(KEY_INVALID, "send the header Authorization: Key YOUR_KEY; edge key create NAME makes one")
        elif isinstance(found, set):
            known = ", ".join(sorted(found))
            told = f"this path has {known}" if found else "docs/service.md lists the paths"
            refused = answer(METHOD if found else MISSING, told)
            scope["state"]["headers"] = [(b"allow", known.encode())] if found else []
        if refused is not None or caller is None or isinstance(found, set):
            assert refused is not None
            await drain(scope, receive, self.options)
            return self._encoded(refused, scope)
        scope["state"].update(rpc=found.rpc, caller=caller.name)
        try:
            async with body_of(scope, receive, self.options, self.core.gate) as body:
                if body is None:
                    return self._encoded(self.core.busy(), scope)
                query = scope.get("query_string", b"")
                work = partial(self._work, found.rpc, query, found.parameters, body, caller, scope)
                return await asyncio.get_running_loop().run_in_executor(self.workers, work)
        except Refused as refusal:
            return self._encoded(answer(refusal.code, refusal.details), scope)

    def _work(
        self, rpc: str, query: bytes, path: dict[str, Any], body: bytes, caller: Caller, scope: Scope
    ) -> tuple[Answer, bytes]:
        try:
            request = {**_query(query), **_parsed(body)}
        except Refused as refused:
            return self._encoded(answer(refused.code, refused.details), scope)
        ids = path.pop("user_app_id", None)
        if ids is not None:
            request["user_app_id"] = ids
        return self._encoded(self.core.call(rpc, {**request, **path}, caller, scope["state"]["id"]), scope)

    @staticmethod
    def _encoded(found: Answer, scope: Scope) -> tuple[Answer, bytes]:
        found.body["status"]["req_id"] = scope["state"]["id"]
        try:
            return found, json.dumps(found.body, allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError):  # a fault of ours
            failed = answer(INTERNAL, "the service has a fault here; its log says where")
            failed.body["status"]["req_id"] = scope["state"]["id"]
            return failed, json.dumps(failed.body).encode()


def _raw_path(scope: Scope) -> str:
    raw = scope.get("raw_path") or scope["path"].encode()
    return str(raw.split(b"?", 1)[0].decode("ascii", "replace"))


def _query(query: bytes) -> dict[str, Any]:
    """Parameters of the address; those that are given again are lists."""
    try:
        found = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=1000, errors="strict")
    except ValueError as error:
        raise Refused(BAD_FORMAT, "the address's query cannot be read; percent-encode it as UTF-8") from error
    return {key: list(values) if key == "ids" or len(values) > 1 else values[0] for key, values in found.items()}


def _parsed(body: bytes) -> dict[str, Any]:
    """An object of JSON, whatever the content type says; nothing at all is an empty one. Raises Refused."""
    if not body.strip():
        return {}
    try:
        # not strict: a documented one-liner puts base64's line breaks into the text as they are
        found = json.loads(body, strict=False, parse_constant=_no_number)
    except RecursionError as error:
        raise Refused(BAD_FORMAT, "the JSON is nested too deeply") from error
    except ValueError as error:
        raise Refused(BAD_FORMAT, f"the body is no JSON ({str(error)[:200]})") from error
    if not isinstance(found, dict):
        raise Refused(BAD_FORMAT, "the body is JSON, but no object; send {...}")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


@dataclass(frozen=True)
class Local:
    """What is asked about the service itself."""

    core: Core
    keys: Keys
    authority: Callable[[], bytes] | None
    begun: float = field(default_factory=time.time)

    async def health(self, request: Request) -> Response:  # noqa: ARG002
        """Whether pictures can be read and stored; for anybody."""
        return await asyncio.to_thread(self._health)

    def _health(self) -> Response:
        try:
            self.core.engine.store.inputs.count()
            self.core.fetches.counts()
        except EdgeError as error:
            return _json({"status": "failing", "reason": str(error)}, 503)
        return _json({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text format."""
        refused = self._refused(request)
        if refused is not None:
            return refused
        text = await asyncio.to_thread(self.core.metrics.text, self.core)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def openapi(self, request: Request) -> Response:
        """What can be asked under ``/v2``, as OpenAPI 3.1."""
        return self._refused(request) or _json(document())

    async def ca(self, request: Request) -> Response:  # noqa: ARG002
        """The device's certificate authority; for anybody, because nothing is trusted before it."""
        if self.authority is None:
            return _json({"status": answer(MISSING, "this service runs without its own authority").body["status"]}, 404)
        headers = {"content-disposition": 'attachment; filename="edge-ca.pem"'}
        return Response(self.authority(), 200, headers, "application/x-pem-file")

    def _refused(self, request: Request) -> Response | None:
        caller = who(request.scope, self.keys)
        if caller is None:
            return _json(answer(KEY_INVALID, "send the header Authorization: Key YOUR_KEY").body, 401)
        if "read" not in caller.scopes:
            return _json(answer(SCOPES, "this needs a key with the scope read").body, 403)
        return None


def _json(body: dict[str, Any], http: int = 200) -> Response:
    return Response(json.dumps(body), http, media_type="application/json")

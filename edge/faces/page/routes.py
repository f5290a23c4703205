"""The page's routes: its files at ``/``, and what they ask below ``/local``."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from edge.errors import EdgeError, Kind
from edge.faces.page import cameras, models, pictures
from edge.faces.page.asked import Asked, Body, Refused, body_of, caller_of, check_origin
from edge.faces.page.downloads import Tickets
from edge.faces.page.words import for_page

if TYPE_CHECKING:
    from edge.engine import Engine
    from edge.faces.api.core import Core
    from edge.faces.api.keys import Keys
    from edge.faces.api.options import Options

_log = logging.getLogger("edge.page")
_HERE = Path(__file__).parent / "static"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_HTTP: Mapping[Kind, int] = {
    "invalid": 400,
    "not_found": 404,
    "conflict": 409,
    "not_ready": 409,
    "unavailable": 503,
    "internal": 500,
}
# nothing of another place is loaded or asked, no script stands in the document, nobody frames it
SAFE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One endpoint: what it needs, and who answers."""

    method: str
    path: str
    scope: str
    body: Body
    handle: Callable[[Asked], Any]


RULES = (
    Rule("GET", "/state", "read", "none", models.state),
    Rule("GET", "/inputs", "read", "none", pictures.browse),
    Rule("POST", "/inputs", "write", "image", pictures.add),
    Rule("GET", "/sources", "read", "none", pictures.sources),
    Rule("GET", "/inputs/{input}/picture", "read", "none", pictures.picture),
    Rule("POST", "/annotations", "write", "json", pictures.annotate),
    Rule("POST", "/remove", "write", "json", pictures.remove),
    Rule("POST", "/restore", "write", "json", pictures.restore),
    Rule("POST", "/rename", "write", "json", pictures.rename),
    Rule("POST", "/export", "read", "json", pictures.export),
    Rule("GET", "/cameras", "read", "none", cameras.states),
    Rule("GET", "/cameras/{camera}/picture", "read", "none", cameras.picture),
    Rule("GET", "/watch", "read", "none", cameras.loops),
    Rule("POST", "/watch/{loop}/trigger", "predict", "none", cameras.ask),
    Rule("POST", "/models", "write", "json", models.create),
    Rule("GET", "/models/{model}", "read", "none", models.show),
    Rule("PATCH", "/models/{model}", "write", "json", models.change),
    Rule("DELETE", "/models/{model}", "write", "none", models.delete),
    Rule("POST", "/models/{model}/train", "train", "none", models.train),
    Rule("POST", "/models/{model}/rollback", "train", "json", models.rollback),
    Rule("GET", "/models/{model}/versions/{version}", "read", "none", models.version),
    Rule("POST", "/models/{model}/predict", "predict", "image", models.predict),
    Rule("GET", "/models/{model}/review", "read", "none", models.review),
    Rule("GET", "/models/{model}/confusions", "read", "none", models.cells),
    Rule("POST", "/models/{model}/export", "read", "json", models.export),
)
"""Every endpoint below ``/local`` but the downloads; the scopes are those of the API."""


def routes(core: Core, engine: Engine, keys: Keys, options: Options) -> list[Route]:
    """The page and its endpoints, to be mounted at the root. Answers are JSON; errors {"error": {code, message}}."""
    assert engine is core.engine
    tickets = Tickets()
    made = [
        Route(f"/local{rule.path}", _endpoint(rule, core, keys, options, tickets), methods=[rule.method])
        for rule in RULES
    ]
    made.append(Route("/local/download/{token}", _downloads(tickets), methods=["GET"]))
    return [*made, *_files()]


# --- the files -------------------------------------------------------------------------------------------------------


def _files() -> list[Route]:
    """Only names that are there when the service starts: no path of a request ever reaches the disk."""
    kinds = {file: _MEDIA_TYPES[file.suffix] for file in sorted(_HERE.iterdir()) if file.suffix in _MEDIA_TYPES}
    made = [Route(f"/page/{file.name}", _static(file, kind), methods=["GET"]) for file, kind in kinds.items()]
    return [*made, Route("/", _static(_HERE / "index.html", _MEDIA_TYPES[".html"]), methods=["GET"])]


def _static(file: Path, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return FileResponse(file, headers={**SAFE, "Cache-Control": "no-cache", "Content-Type": kind})

    return answer


# --- what they ask ---------------------------------------------------------------------------------------------------


def _endpoint(
    rule: Rule, core: Core, keys: Keys, options: Options, tickets: Tickets
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if not core.gate.enter():
            return _failure(429, "busy", "too many requests are in flight; try again in a second")
        request.state.held = 0
        try:
            check_origin(request)
            caller = await run_in_threadpool(caller_of, request, keys, rule.scope)
            body = await body_of(request, rule.body, options, core)
            query = {name: request.query_params.getlist(name) for name in request.query_params}
            asked = Asked(core, keys, tickets, caller, request.path_params, query, body)
            return _answer(await run_in_threadpool(rule.handle, asked))
        except Refused as refused:
            return _failure(refused.http, refused.code, str(refused))
        except EdgeError as error:
            return _failure(_HTTP[error.kind], error.code, for_page(str(error)))
        except Exception:  # noqa: BLE001 a bug of ours must not tell strangers where it is
            _log.exception("%s %s", rule.method, rule.path)
            return _failure(500, "internal", "the device has a fault here; its log says where")
        finally:
            core.gate.leave(request.state.held)

    return answer


def _answer(found: Any) -> Response:
    if isinstance(found, Response):
        found.headers.update(SAFE)
        return found
    return JSONResponse(found, headers={**SAFE, "Cache-Control": "no-store"})


def _failure(http: int, code: str, message: str) -> Response:
    body = {"error": {"code": code, "message": message}}
    return JSONResponse(body, http, headers={**SAFE, "Cache-Control": "no-store"})


def _downloads(tickets: Tickets) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            found = tickets.redeem(request.path_params["token"])
        except EdgeError as error:
            return _failure(404, error.code, str(error))
        headers = {
            **SAFE,
            "Cache-Control": "no-store",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        }
        if found.path is not None:
            done = BackgroundTask(found.path.unlink, missing_ok=True)
            return FileResponse(found.path, media_type=found.media_type, headers=headers, background=done)
        assert found.parts is not None
        return StreamingResponse(found.parts(), media_type=found.media_type, headers=headers)

    return answer

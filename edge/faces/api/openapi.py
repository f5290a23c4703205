"""The service's description of itself, as OpenAPI 3.1: every path of the table, what it takes, what it answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from edge import __version__
from edge.faces.api.core import RPCS
from edge.faces.api.requests import MOST_PER_PAGE
from edge.faces.api.routing import templates
from edge.faces.api.schemas import BODILESS, PAGED, QUERIES, REQUESTS, SCHEMAS

_ERRORS: Mapping[str, str] = {
    "207": "Some of several things failed; each has a status of its own",
    "400": "The request is wrong, or its model is in no state to answer it",
    "401": "No key, or a wrong one",
    "403": "The key lacks a scope, or the request comes from another place",
    "404": "There is no such thing",
    "405": "The path has other methods",
    "408": "The body came too slowly",
    "413": "The body is too large",
    "429": "Too much at once; wait and try again",
    "500": "A fault of the service",
    "503": "The device cannot do this now",
}


@cache
def document() -> dict[str, Any]:
    """What can be asked under ``/v2``."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, rpc in templates():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, rpc)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Edge Concepts",
            "version": __version__,
            "description": "Image concepts, taught and recognised on this device. The words are those of Clarifai's "
            "API; what differs stands in docs/service.md.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Key YOUR_KEY"}
            },
        },
        "security": [{}, {"key": []}],
    }


def _operation(method: str, path: str, rpc: str) -> dict[str, Any]:
    one = RPCS[rpc]
    operation: dict[str, Any] = {
        "operationId": _id(path, rpc),
        "summary": (one.handle.__doc__ or rpc).splitlines()[0],
        "description": f"RPC {rpc}; a key needs the scope {one.scope}.",
        "parameters": [_in_path(name) for name in re.findall(r"{(\w+)}", path)],
        "responses": {
            "200": _response("Done"),
            **{http: _response(what) for http, what in _ERRORS.items()},
        },
    }
    if method == "GET":
        operation["parameters"] += [_in_query(name) for name in PAGED.get(rpc, ())]
        operation["parameters"] += [
            {"name": name, "in": "query", "schema": schema} for name, schema in QUERIES.get(rpc, {}).items()
        ]
    elif rpc in REQUESTS:
        content = {"application/json": {"schema": REQUESTS[rpc]}}
        operation["requestBody"] = {"required": rpc not in BODILESS, "content": content}
    return operation


def _id(path: str, rpc: str) -> str:
    """Unique, though an RPC may have several paths."""
    inside = "InApp" if "{app_id}" in path else "OfUser" if "{user_id}" in path else ""
    return rpc + inside + ("OfVersion" if "{version_id}" in path and rpc not in _OF_VERSIONS else "")


_OF_VERSIONS = (
    "GetModelVersion",
    "DeleteModelVersion",
    "GetModelVersionMetrics",
    "PostModelVersionMetrics",
)


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _in_query(name: str) -> dict[str, Any]:
    most = MOST_PER_PAGE if name == "per_page" else 2**31 - 1
    return {"name": name, "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": most}}


def _response(what: str) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}}

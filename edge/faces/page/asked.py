"""One request of the page on its way to a handler: who asks, and what, with the caps checked first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request

from edge.errors import InvalidArgument
from edge.faces.api.options import is_loopback

if TYPE_CHECKING:
    from edge.engine import Engine
    from edge.faces.api.core import Core
    from edge.faces.api.keys import Caller, Keys
    from edge.faces.api.options import Options
    from edge.faces.page.downloads import Tickets

Body = Literal["none", "json", "image"]
MOST_JSON = 1 << 20
MOST_IDS = 500
_MOST_NAMES = 200


class Refused(Exception):
    """A request that is not answered, with its HTTP status and a sentence for people."""

    def __init__(self, http: int, code: str, message: str) -> None:
        super().__init__(message)
        self.http = http
        self.code = code


@dataclass(frozen=True, slots=True)
class Asked:
    """What a handler gets. ``body``: an object of JSON, the bytes of a picture, or None."""

    core: Core
    keys: Keys
    tickets: Tickets
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any = field(default=None)

    @property
    def engine(self) -> Engine:
        return self.core.engine

    @property
    def by(self) -> str:
        """Whom annotations are from."""
        return "page" if self.caller.name == "anyone" else self.caller.name

    # --- reading what strangers wrote ----------------------------------------------------------------------------

    def one(self, name: str) -> str | None:
        """A parameter of the query, or None when it is missing or empty."""
        return next((value for value in self.query.get(name, []) if value), None)

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number of the query from 1 to ``most``. Raises InvalidArgument."""
        given = self.one(name)
        if given is None:
            return default
        if not (given.isascii() and given.isdigit() and len(given) < 9 and 1 <= int(given) <= most):
            raise InvalidArgument(f"{name} is a number from 1 to {most}, not {given[:20]!r}; give another")
        return int(given)

    def day(self, name: str) -> datetime | None:
        """A moment of the query in ISO 8601; without an offset it is UTC. Raises InvalidArgument."""
        given = self.one(name)
        if given is None:
            return None
        try:
            found = datetime.fromisoformat(given)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise InvalidArgument(f"{name} is a date such as 2026-05-31, not {given[:40]!r}; give another") from error

    def text(self, name: str) -> str:
        """A text of the body. Raises InvalidArgument."""
        value = self.body.get(name)
        if not isinstance(value, str):
            raise InvalidArgument(f"{name!r} is a text; give one")
        return value

    def flag(self, name: str) -> bool:
        """A yes or no of the body, no when it is missing. Raises InvalidArgument."""
        value = self.body.get(name, False)
        if not isinstance(value, bool):
            raise InvalidArgument(f"{name!r} is true or false; give one of them")
        return value

    def texts(self, name: str, most: int = _MOST_NAMES) -> list[str]:
        """A list of texts of the body, none when it is missing. Raises InvalidArgument."""
        value = self.body.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise InvalidArgument(f"{name!r} is a list of texts; give one")
        if len(value) > most:
            raise InvalidArgument(f"{name!r} has {len(value)} entries, at most {most} go into one request; send fewer")
        return value


# --- who asks --------------------------------------------------------------------------------------------------------


def caller_of(request: Request, keys: Keys, scope: str) -> Caller:
    """Who sends this, if they may do it. Raises Refused."""
    host = request.client.host if request.client else ""
    caller = keys.caller(request.headers.get("authorization"), local=is_loopback(host))
    if caller is None:
        raise Refused(401, "key", "this device wants a key; make one on it with: edge key create phone")
    if scope not in caller.scopes:
        raise Refused(
            403, "scope", f"this key may not {scope}; make one that may with: edge key create NAME --scope {scope}"
        )
    return caller


def check_origin(request: Request) -> None:
    """Pages of other places may not use the device of whoever looks at them. Raises Refused."""
    origin = request.headers.get("origin")
    strange = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if strange or request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Refused(403, "origin", "this comes from another page; open the device's own")


# --- what they sent --------------------------------------------------------------------------------------------------


async def body_of(request: Request, kind: Body, options: Options, core: Core) -> Any:
    """The body, read only as far as the caps allow; its bytes are counted at the core's gate by the caller."""
    if kind == "none":
        return None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "json":
        if media_type != "application/json":
            raise Refused(415, "media_type", "send application/json")
        return _object(await _read(request, MOST_JSON, options, core))
    if not media_type.startswith("image/") and media_type != "application/octet-stream":
        raise Refused(415, "media_type", "send the bytes of one picture as image/...")
    return await _read(request, options.max_image, options, core)


async def _read(request: Request, most: int, options: Options, core: Core) -> bytes:
    large = Refused(413, "too_large", f"that is more than {most / (1 << 20):.0f} MiB; send less")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 12 or int(length) > most):
        raise large
    taken = bytearray()
    try:
        async with asyncio.timeout(options.body_seconds):
            async for part in request.stream():
                if len(taken) + len(part) > most:
                    raise large
                if not core.gate.grow(len(part)):
                    raise Refused(429, "busy", "too much is on its way to the device; try again in a second")
                request.state.held += len(part)
                taken += part
    except TimeoutError as error:
        raise Refused(408, "slow", "the picture took too long to arrive; try again") from error
    except ClientDisconnect as error:
        raise Refused(400, "gone", "the picture did not arrive") from error
    return bytes(taken)


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
        json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair is text that nothing can store
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("this is no JSON; send an object") from error
    if not isinstance(found, dict):
        raise InvalidArgument("send an object of JSON")
    return found

"""Reading a request's body: its size is checked before, its time while it comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from edge.faces.api.shell import header
from edge.faces.api.statuses import TIMEOUT, TOO_LARGE, Refused

if TYPE_CHECKING:
    from edge.faces.api.core import Gate
    from edge.faces.api.options import Options

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_SLOWEST = 16 << 10
"""Bytes a second: who is slower holds a place that others wait for."""
_DRAINED = 8 << 20
_DRAIN_SECONDS = 5.0


class Gone(Exception):
    """The client went away half way."""


@asynccontextmanager
async def body_of(scope: Scope, receive: Receive, options: Options, gate: Gate) -> AsyncIterator[bytes | None]:
    """A request's body inside the gate, None when that is closed. Raises Refused (too large, too slow), Gone."""
    announced = _announced(scope)
    if announced > options.max_body:
        await drain(scope, receive, options)
        raise Refused(TOO_LARGE, f"the body has {announced} bytes; at most {options.max_body}")
    if not gate.enter(announced):
        await drain(scope, receive, options)
        yield None
        return
    held = announced
    try:
        parts, size, begun = [], 0, time.monotonic()
        while True:
            until = begun + options.body_seconds + size / _SLOWEST - time.monotonic()
            message = await _next(receive, min(until, options.body_seconds))
            part = message.get("body", b"")
            size += len(part)
            if size > options.max_body:
                raise Refused(TOO_LARGE, f"the body has more than {options.max_body} bytes")
            if size > held:
                if not gate.grow(size - held):
                    yield None
                    return
                held = size
            parts.append(part)
            if not message.get("more_body"):
                break
        body = b"".join(parts) if len(parts) > 1 else parts[0]
        parts.clear()
        yield body
    finally:
        gate.leave(held)


async def _next(receive: Receive, seconds: float) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(max(seconds, 0.0)):  # a third of what wait_for costs, which makes a task
            message = await receive()
    except TimeoutError as error:
        raise Refused(TIMEOUT, "the body came too slowly; send it again") from error
    if message["type"] == "http.disconnect":
        raise Gone
    return message


def _announced(scope: Scope) -> int:
    text = header(scope, b"content-length") or "0"
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


async def drain(scope: Scope, receive: Receive, options: Options) -> None:
    """Take a body that nobody will read, as far as it is not too large: a client that still sends reads no answer.

    One that waits to be told to go on ("Expect: 100-continue") is not told to.
    """
    if header(scope, b"expect") is not None or _announced(scope) > options.max_body + _DRAINED:
        return
    until, left = time.monotonic() + _DRAIN_SECONDS, options.max_body + _DRAINED
    with suppress(Refused, Gone):
        more = True
        while more and left > 0:
            message = await _next(receive, until - time.monotonic())
            left -= len(message.get("body", b""))
            more = bool(message.get("more_body"))

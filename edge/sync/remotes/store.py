"""Object stores and plain HTTP through obstore: one request at a time, each with its own limit of time.

Only obstore's asynchronous calls are used, on an event loop of this remote: its synchronous ones ignore signals until
they return. It is never used in a forked child, where its threads would hang.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import obstore
from obstore import exceptions

from edge.errors import Conflict, EdgeError, NotFound, RemoteRefused, RemoteUnavailable
from edge.sync.remotes.base import PAGE, Object, checked, in_folder
from edge.sync.remotes.loop import Loop

T = TypeVar("T")
_SECONDS = 30.0
_SLOWEST = 4096
"""Bytes a second below which a request counts as hung."""
_CHUNK = 64 << 10

RETRIES: Mapping[str, Any] = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
"""None: after a lost answer obstore would report our own object as another's."""
CLIENT: Mapping[str, Any] = {"timeout": "15m", "connect_timeout": "15s", "user_agent": "edge-concepts"}

_REFUSED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, exceptions.NotSupportedError)
_SECRET = re.compile(r"(?i)(signature|credential|token|secret|key|sig|authorization)([^=:\"\s]*[=:] ?\"?)[^&\s\",]+")
_SCHEME = re.compile(r"(?i)\b(bearer|basic|aws4-hmac-sha256) +[^\"]+")


class ObjectStoreRemote:
    """An open obstore store, ``shown`` to people without its secrets."""

    writable: ClassVar[bool] = True
    lists: ClassVar[bool] = True

    def __init__(self, store: Any, shown: str, *, seconds: float = _SECONDS) -> None:
        self.shown = shown
        self.seconds = seconds
        self.longest = math.inf
        self._store = store
        self._loop = Loop()
        self._process = os.getpid()
        self._ranges = True

    def get(self, key: str, *, start: int = 0, limit: int | None = None) -> bytes:
        """As ``Remote.get``."""
        return self._run(lambda: self._read(checked(key), start, limit), key, limit or 0)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> None:
        """As ``Remote.put``."""
        mode: Any = "create" if if_absent else "overwrite"
        self._run(
            lambda: obstore.put_async(self._store, checked(key), data, mode=mode, use_multipart=False), key, len(data)
        )

    def page(self, prefix: str, *, after: str = "") -> list[Object]:
        """As ``Remote.page``."""
        rows = self._run(lambda: self._first(in_folder(prefix), after), prefix, 0)
        return [_object(row) for row in rows]

    def head(self, key: str) -> Object:
        """As ``Remote.head``."""
        return _object(self._run(lambda: obstore.head_async(self._store, checked(key)), key, 0))

    def delete(self, key: str) -> None:
        """As ``Remote.delete``."""
        with suppress(NotFound):
            self._run(lambda: obstore.delete_async(self._store, checked(key)), key, 0)

    def close(self) -> None:
        """Give the event loop back."""
        if self._process == os.getpid():
            self._loop.close()

    async def _read(self, key: str, start: int, limit: int | None) -> bytes:
        """Read as a stream that is left once there is enough: an object may be larger than it should be."""
        wanted: dict[str, Any] = {}
        if self._ranges and (start or limit is not None):
            wanted = {"options": {"range": {"offset": start} if limit is None else (start, start + limit)}}
        try:
            found = await obstore.get_async(self._store, key, **wanted)
        except (exceptions.GenericError, exceptions.NotSupportedError) as error:
            if "416" in str(error) or "InvalidRange" in str(error):
                return b""
            if not wanted or ("range" not in str(error).lower() and "partial" not in str(error).lower()):
                raise
            self._ranges = False  # a server that answers a range with everything
            return await self._read(key, start, limit)
        skip = 0 if wanted else start
        data = bytearray()
        async for chunk in found.stream(min_chunk_size=_CHUNK):
            data += memoryview(chunk)[min(skip, len(chunk)) :]
            skip = max(0, skip - len(chunk))
            if limit is not None and len(data) >= limit:
                break
        return bytes(data if limit is None else data[:limit])

    async def _first(self, prefix: str, after: str) -> list[Any]:
        offset = after if after > prefix else None
        stream = obstore.list(self._store, prefix[:-1], offset=offset, chunk_size=PAGE)
        async for rows in stream:
            return list(rows)
        return []

    def _run(self, request: Callable[[], Awaitable[T]], key: str, size: int) -> T:
        if self._process != os.getpid():
            raise RemoteRefused(f"{self.shown} was opened by another process; open it again in this one")
        limit = min(self.longest, self.seconds + size / _SLOWEST)

        async def limited() -> T:
            return await asyncio.wait_for(_awaited(request), limit)

        try:
            return self._loop.run(limited())
        except EdgeError:
            raise
        except TimeoutError as error:
            raise RemoteUnavailable(f"{self.shown} gave no answer within {limit:.0f} s; try again") from error
        except (exceptions.BaseError, OSError, ValueError, NotImplementedError) as error:
            raise self._said(error, key) from None  # its text holds addresses that may be signed

    def _said(self, error: Exception, key: str) -> EdgeError:
        bare = _SCHEME.sub(r"\1 ***", _SECRET.sub(r"\1\2***", str(error).partition("Debug source")[0]))
        text = " ".join(bare.split())[:300]
        if re.search(r"NoSuchBucket|bucket does not exist|ContainerNotFound", str(error)):
            return RemoteRefused(f"{self.shown} does not exist; make the bucket or container first")
        if isinstance(error, FileNotFoundError):
            return NotFound(f"{self.shown} has no {key}")
        if isinstance(error, exceptions.AlreadyExistsError | exceptions.PreconditionError):
            return Conflict(f"{self.shown} has {key} already; nothing was changed")
        if isinstance(error, (*_REFUSED, NotImplementedError)) or re.search(r"\b(40[0135]|411|501)\b", text):
            return RemoteRefused(f"{self.shown} refuses: {text}; check its address and your credentials")
        return RemoteUnavailable(f"{self.shown} cannot be reached now: {text}; try again")


class HttpRemote(ObjectStoreRemote):
    """A plain web server, to read from."""

    writable: ClassVar[bool] = False
    lists: ClassVar[bool] = False

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> None:  # noqa: ARG002
        """Raises RemoteRefused."""
        raise RemoteRefused(f"{self.shown} is a web server and only read from; push to a bucket or a folder")

    def delete(self, key: str) -> None:  # noqa: ARG002
        """Raises RemoteRefused."""
        raise RemoteRefused(f"{self.shown} is a web server and only read from; nothing is deleted there")

    def page(self, prefix: str, *, after: str = "") -> list[Object]:  # noqa: ARG002
        """Raises RemoteRefused."""
        raise RemoteRefused(f"{self.shown} is a web server and cannot list; name what to read")


async def _awaited(request: Callable[[], Awaitable[T]]) -> T:
    return await request()


def _object(row: Any) -> Object:
    return Object(row["path"], row["size"], row["e_tag"] or "")

"""The service over gRPC: Clarifai's messages in front of the same core as REST.

What goes wrong is told inside the answer's ``status``, with gRPC's own status OK: that is where clients look. Only what
is no RPC of ours is UNIMPLEMENTED, and a message over the limit RESOURCE_EXHAUSTED.
"""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

import grpc
from clarifai_grpc.grpc.api import service_pb2
from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from edge.errors import StoreUnavailable
from edge.faces.api.core import RPCS, Core
from edge.faces.api.keys import Caller, Keys
from edge.faces.api.messages import to_dict, to_message
from edge.faces.api.options import Options, is_loopback
from edge.faces.api.statuses import BAD_FORMAT, INTERNAL, KEY_INVALID, TIMEOUT, Answer, answer
from edge.faces.api.tls import Keeper

Log = Callable[[str, int, float, str], None]
"""Told of every answer: RPC, status code, seconds it took, the request's id."""

_SERVICE = "clarifai.api.V2"
_ANSWER = 8 << 20
"""Bytes an answer may have. Old clients accept 4 MiB, which a page of inputs of the default length never reaches."""


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC of the core with the classes of its messages."""

    rpc: str
    request: type[Any]
    response: type[Any]


def methods() -> list[Method]:
    """The RPCs of the core that the protocol has."""
    known = service_pb2.DESCRIPTOR.services_by_name["V2"].methods_by_name
    return [
        Method(rpc, GetMessageClass(known[rpc].input_type), GetMessageClass(known[rpc].output_type))
        for rpc in RPCS
        if rpc in known
    ]


def server(
    core: Core, keys: Keys, options: Options, keeper: Keeper | None = None, log: Log | None = None
) -> GrpcServer:
    """A server for ``options.host`` and ``options.grpc_port``, not listening yet; TLS when there is a ``keeper``."""
    return GrpcServer(Translator(core, keys, options, log), options, keeper)


class Translator:
    """Answers calls: who asks, the message within its time, the core's answer in a worker thread."""

    def __init__(self, core: Core, keys: Keys, options: Options, log: Log | None = None) -> None:
        self._core, self._keys, self._options, self._log = core, keys, options, log
        # as many as may be in flight: those that wait for a picture from elsewhere must not hold up the others
        self._workers = ThreadPoolExecutor(options.queue, thread_name_prefix="grpc")

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server is given.

        For gRPC's library the calls are streams of one request. Only so can a stranger be turned away before a
        message is read, and one that sends its message too slowly be stopped; on the wire there is no difference.
        """
        found = {one.rpc: grpc.stream_unary_rpc_method_handler(self._method(one)) for one in methods()}
        return grpc.method_handlers_generic_handler(_SERVICE, found)

    def close(self) -> None:
        """Wait for answers that are being worked out."""
        self._workers.shutdown(wait=True)

    def _method(self, method: Method) -> Callable[[AsyncIterator[bytes], Any], Any]:
        async def called(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
            begun, req_id = time.perf_counter(), uuid4().hex
            found, encoded = await self._answered(method, requests, context, req_id)
            if self._log is not None:
                self._log(method.rpc, found.body["status"]["code"], time.perf_counter() - begun, req_id)
            return encoded

        return called

    async def _answered(
        self, method: Method, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext, req_id: str
    ) -> tuple[Answer, bytes]:
        caller = self._keys.caller(_authorization(context), local=_local(context.peer()))
        if caller is None:
            return _plain(method, answer(KEY_INVALID, "send the metadata authorization: Key YOUR_KEY"), req_id)
        if not self._core.gate.enter():
            return _plain(method, self._core.busy(req_id), req_id)
        try:
            async with asyncio.timeout(self._options.body_seconds):
                raw = await anext(aiter(requests))
        except (TimeoutError, StopAsyncIteration) as error:
            self._core.gate.leave()
            code = TIMEOUT if isinstance(error, TimeoutError) else BAD_FORMAT
            return _plain(method, answer(code, "the call came without its message; send it again"), req_id)
        except BaseException:  # the client has gone
            self._core.gate.leave()
            raise
        if not self._core.gate.grow(len(raw)):
            self._core.gate.leave()
            return _plain(method, self._core.busy(req_id), req_id)
        job = self._workers.submit(self.work, method, raw, caller, req_id)
        size = len(raw)
        job.add_done_callback(lambda _: self._core.gate.leave(size))  # when it is done, not when nobody waits any more
        del raw
        return await asyncio.wrap_future(job)

    def work(self, method: Method, raw: bytes, caller: Caller, req_id: str) -> tuple[Answer, bytes]:
        """The answer to one message, and that answer as a message."""
        try:
            request = to_dict(method.request.FromString(raw))
        except (DecodeError, RecursionError):
            return _plain(method, answer(BAD_FORMAT, f"this is no {method.request.DESCRIPTOR.name}"), req_id)
        return _plain(method, self._core.call(method.rpc, request, caller, req_id), req_id)


def _plain(method: Method, found: Answer, req_id: str) -> tuple[Answer, bytes]:
    """An answer with its message's bytes."""
    found.body["status"]["req_id"] = req_id
    try:
        return found, to_message(found.body, method.response()).SerializeToString()
    except (ParseError, ValueError, TypeError):
        traceback.print_exc()  # an answer that no message can hold is a fault of ours
        failed = answer(INTERNAL, "the service has a fault here; its log says where")
        failed.body["status"]["req_id"] = req_id
        return failed, to_message(failed.body, method.response()).SerializeToString()


def _authorization(context: grpc.aio.ServicerContext) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str):
            return value
    return None


def _local(peer: str) -> bool:
    """Whether a peer ("ipv4:127.0.0.1:5000", "ipv6:[::1]:5000", percent-encoded) is this very machine."""
    kind, _, rest = peer.replace("%5B", "[").replace("%5D", "]").partition(":")
    return kind == "unix" or is_loopback(rest.rpartition(":")[0])


def _event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: a third of a millisecond less per call."""
    if find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop

    made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return made


class GrpcServer:
    """A server with an event loop and a thread of its own. ``start`` once, ``stop`` once."""

    def __init__(self, translator: Translator, options: Options, keeper: Keeper | None) -> None:
        self.port = options.grpc_port or 0
        self._translator, self._options, self._keeper = translator, options, keeper
        self._loop = _event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True)

    def start(self) -> int:
        """Listen; returns the port, also as ``port``. Raises StoreUnavailable when it cannot be had."""
        self._thread.start()
        try:
            self.port = self._in_loop(self._start())
        except RuntimeError as error:
            self._end()
            raise StoreUnavailable(
                f"gRPC cannot listen on {self._options.host} port {self._options.grpc_port}: "
                "stop what uses it, or choose another with --grpc-port"
            ) from error
        return self.port

    def stop(self, grace: float = 0.0) -> None:
        """Take no more calls, give those that run ``grace`` seconds, and wait for the end."""
        self._in_loop(self._server.stop(grace))
        self._end()

    async def _start(self) -> int:
        options = self._options
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", options.max_body),
                ("grpc.max_send_message_length", _ANSWER),
                ("grpc.max_concurrent_streams", 2 * options.queue),
                ("grpc.max_connection_idle_ms", 600_000),
                ("grpc.so_reuseport", 0),  # a port that is in use is an error, not half of the calls
            ]
        )
        self._server.add_generic_rpc_handlers((self._translator.handler(),))
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = f"{host}:{self.port}"
        if self._keeper is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, self._keeper.grpc_credentials())
        await self._server.start()
        return int(port)

    def _in_loop(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._translator.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

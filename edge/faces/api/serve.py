"""Running the service: HTTP and gRPC side by side, signals, housekeeping, a stop that loses nothing."""

from __future__ import annotations

import gc
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from edge.errors import EdgeError, InvalidArgument, RuntimeMissing, StoreUnavailable
from edge.faces.api.keys import Keys
from edge.faces.api.options import Options

if TYPE_CHECKING:
    from edge.engine import Engine
    from edge.faces.api.core import Core
    from edge.faces.api.tls import Keeper
    from edge.watch.config import WatchConfig

HOUR = 3600.0
_IDLE = 60.0
_CONNECTIONS = 512
_FILES = 4096
_BACKLOG = 256


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the service can be reached; ``grpc`` None: not over gRPC. ``notes``: what its owner should know."""

    url: str
    grpc: str | None
    tls: bool
    notes: tuple[str, ...] = ()


def serve(
    engine: Engine, options: Options, ready: Callable[[Listening], None], loops: WatchConfig | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is told once it listens. The engine stays open.

    ``loops``: camera loops that run meanwhile; their cameras are shown on the page.

    Raises InvalidArgument (others could reach a service without keys), RuntimeMissing (an extra is not installed),
    StoreUnavailable (a port is taken).
    """
    needs("serve", "starlette", "uvicorn")
    from edge.faces.api.core import Core
    from edge.faces.api.rest import application

    with ExitStack() as stack:
        keys = stack.enter_context(_closing(Keys(engine.store.path)))
        check_reach(keys, options)
        keeper = keeper_of(engine, options)
        listener = stack.enter_context(_listener(options))
        core = stack.enter_context(_closing(Core(engine, options)))
        grpc_port = stack.enter_context(_grpc(core, keys, options, keeper))
        core.start()
        if loops is not None:
            stack.enter_context(_loops(engine, core, loops))
        authority = None if keeper is None or keeper.identity.authority is None else lambda: _authority(keeper)
        app = application(core, keys, options, log=write_line, authority=authority)
        server = _server(app, options, keeper)
        stack.enter_context(_signals(server))
        stack.enter_context(_housekeeping(engine, keeper))
        gc.collect()
        gc.freeze()  # what is there now stays
        gc.set_threshold(2000, 10, 10)  # garbage of requests holds pictures; the command line lets it lie for longer
        ready(_listening(options, listener, grpc_port, keeper))
        server.run(sockets=[listener])


def check_reach(keys: Keys, options: Options) -> None:
    """Refuse to be reached by others while nobody needs a key. Raises InvalidArgument."""
    if not options.loopback and not keys.needed:
        raise InvalidArgument(
            f"without a key everybody who reaches {options.host} could use this device; make one first: "
            "edge key create NAME"
        )


def needs(extra: str, *modules: str) -> None:
    """Raises RuntimeMissing unless the packages of an extra are there."""
    if any(find_spec(module) is None for module in modules):
        raise RuntimeMissing(f"this needs the {extra} extra; install it with: pip install 'edge-concepts[{extra}]'")


def write_line(line: dict[str, Any]) -> None:
    """A line of the access log, on standard error. A full disk behind it is no reason to stop."""
    with suppress(OSError, ValueError):
        sys.stderr.write(json.dumps(line) + "\n")
        sys.stderr.flush()


@contextmanager
def _closing(thing: Any) -> Iterator[Any]:
    try:
        yield thing
    finally:
        thing.close()


@contextmanager
def _loops(engine: Engine, core: Core, config: WatchConfig) -> Iterator[None]:
    """Camera loops beside the service."""
    from edge.engine.watching import watch

    running = watch(engine, config)
    try:
        running.start()
        core.watch = running
        for name, camera in running.cameras().items():
            core.cameras.share(name, camera)
        yield
    finally:
        core.watch = None
        running.stop()


# --- what listens ----------------------------------------------------------------------------------------------------


@contextmanager
def _listener(options: Options) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # with its protocol named, or asyncio leaves Nagle's algorithm on, which costs 40 ms an answer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError, AttributeError):  # a client that never reads its answer is let go
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1e3 * _IDLE))
        try:
            listener.bind((options.host.strip("[]"), options.port))
            listener.listen(_BACKLOG)  # from now on clients wait rather than being refused
        except (OSError, OverflowError) as error:
            raise StoreUnavailable(
                f"cannot listen on {options.host} port {options.port} ({error}); stop what uses it, or choose another "
                "with --host and --port"
            ) from error
        yield listener
    finally:
        listener.close()


def keeper_of(engine: Engine, options: Options) -> Keeper | None:
    """The certificate that options ask for, None for none. Raises RuntimeMissing, InvalidArgument, StoreUnavailable."""
    if not options.tls and options.tls_cert is None:
        return None
    needs("grpc", "cryptography")
    from edge.faces.api import tls

    if options.tls_cert is not None:
        certificate, key = options.tls_cert, options.tls_key
        return tls.Keeper(lambda: tls.given(certificate, key))
    folder = options.tls_folder or engine.store.path / tls.FOLDER
    return tls.Keeper(lambda: tls.own(folder, also=(options.host, *options.names)))


def _authority(keeper: Keeper) -> bytes:
    return keeper.identity.authority or b""


@contextmanager
def _grpc(core: Core, keys: Keys, options: Options, keeper: Keeper | None) -> Iterator[int | None]:
    """gRPC's port, None where it is switched off or not installed."""
    if options.grpc_port is None or find_spec("grpc") is None or find_spec("clarifai_grpc") is None:
        yield None
        return
    from edge.faces.api.grpc import server

    made = server(core, keys, options, keeper, log=_grpc_line)
    port = made.start()
    try:
        yield port
    finally:
        made.stop(options.stop_seconds)


def _grpc_line(rpc: str, code: int, seconds: float, req_id: str) -> None:
    from edge.faces.api.shell import now

    write_line({"at": now(), "id": req_id, "rpc": rpc, "code": code, "ms": round(1e3 * seconds, 2), "over": "grpc"})


def _server(app: Any, options: Options, keeper: Keeper | None) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """uvicorn's, which leaves signals to us."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        app,
        http=_protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        backlog=_BACKLOG,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(_IDLE),
        timeout_graceful_shutdown=int(options.stop_seconds),
    )
    config.load()
    if keeper is not None:
        config.ssl = keeper.context()
    return Server(config)


def _protocol() -> Any:
    """uvicorn's HTTP, which also lets go of those who connect and then say nothing, or too little."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > _CONNECTIONS:
                transport.abort()
            else:
                self.loop.call_later(_IDLE, self._look, None)

        def _look(self, before: object) -> None:
            if self.transport.is_closing():
                return
            idle = self.cycle is None or self.cycle.response_complete
            if idle and self.cycle is before:  # nothing has been asked for since the last look
                self.transport.abort()
            else:
                self.loop.call_later(_IDLE, self._look, self.cycle)

    return Protocol


def _listening(options: Options, listener: socket.socket, grpc_port: int | None, keeper: Keeper | None) -> Listening:
    host = f"[{options.host}]" if ":" in options.host.strip("[]") else options.host
    notes = []
    if grpc_port is None and options.grpc_port is not None:
        notes.append("gRPC is not installed; add it with: pip install 'edge-concepts[grpc]'")
    if keeper is None and not options.loopback:
        notes.append("keys and pictures can be read on the network; add --tls")
    if keeper is not None and keeper.identity.unnamed:
        names, folder = ", ".join(keeper.identity.unnamed), keeper.identity.certificate.parent
        notes.append(
            f"the certificate does not cover {names}: its authority is older; use an address, or delete {folder} and "
            "let every client trust the new authority"
        )
    return Listening(
        f"{'http' if keeper is None else 'https'}://{host}:{listener.getsockname()[1]}",
        None if grpc_port is None else f"{host}:{grpc_port}",
        keeper is not None,
        tuple(notes),
    )


# --- beside it -------------------------------------------------------------------------------------------------------


@contextmanager
def _signals(server: Any) -> Iterator[None]:
    """The first SIGTERM or SIGINT stops gracefully, the second at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:  # noqa: ARG001
        server.force_exit = server.should_exit
        server.should_exit = True

    before = {one: signal.signal(one, stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _housekeeping(engine: Engine, keeper: Keeper | None) -> Iterator[None]:
    """Every hour: a certificate that has to be is renewed, inputs removed 30 days ago go."""
    _more_files()
    done = threading.Event()

    def work() -> None:
        while not done.wait(HOUR):
            for job in (engine.store.purge, *([] if keeper is None else [keeper.refresh])):
                try:
                    job()
                except EdgeError as error:
                    write_line({"note": str(error)})

    thread = threading.Thread(target=work, name="edge-housekeeping", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _more_files() -> None:
    """Every connection is an open file, and most systems start with few."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""The bridge: a host session over a real port, in a thread, opened again when the cable was pulled out."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from firmware_bridge.events import Down, Up
from firmware_bridge.journal import Journal
from firmware_bridge.link import RESEND_FIRST
from firmware_bridge.ports import Port, PortUnavailable, open_port
from firmware_bridge.session import HostSession, SessionEvent

log = logging.getLogger("firmware_bridge")
BACK_OFF = (0.25, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class PortState:
    """The port was opened, or why it is not open."""

    open: bool
    text: str


BridgeEvent = SessionEvent | PortState


class Bridge:
    """A board on a port. ``on_event`` is called from the bridge's own thread, and must return soon.

    ``url``: see ``firmware_bridge.ports``. ``journal``: a file that keeps accepted triggers over a restart of this
    program; without it they are promised only as long as it runs. Never raises for a port that is not there: ``state``
    says so, and it is tried until it comes. Close it, or use it as a context manager. Raises OSError where the journal
    cannot be kept, or another program keeps it.
    """

    def __init__(
        self,
        url: str,
        on_event: Callable[[BridgeEvent], None],
        *,
        baud: int = 115_200,
        journal: Path | None = None,
        name: str = "edge",
        listed: Callable[[], Iterable[Any]] | None = None,
    ) -> None:
        self.url = url
        self._baud, self._listed = baud, listed
        self._on_event = on_event
        # a frame of 76 bytes and its acknowledgement at 9600 baud take a sixth of a second
        resend = max(RESEND_FIRST, 4 * 90 * 10 / baud)
        self._session = HostSession(secrets.randbelow(2**32 - 1) + 1, Journal(journal), name=name, resend=resend)
        self._guard = threading.RLock()
        self._closing = threading.Event()
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)
        self._state = "opening"
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="firmware-bridge", daemon=True)
        self._thread.start()

    # --- asking --------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """For people: "up", "waiting for the board", why the port is not open, or why no trigger is accepted."""
        with self._guard:
            return self._session.trouble or self._state if self._state == "up" else self._state

    @property
    def up(self) -> bool:
        """Whether a board answers."""
        return self._session.link.state == "up"

    @property
    def peer(self) -> str:
        """What the board calls itself, or ""."""
        return self._session.link.peer

    def counts(self) -> dict[str, int]:
        """What happened on the line."""
        link = self._session.link
        return {**vars(link.counts), "damaged": link.damaged}

    # --- telling -------------------------------------------------------------------------------------------------

    def answer(self, nonce: int, id: int, **fields: Any) -> bool:
        """Answer a trigger, as ``HostSession.answer``; kept over a pulled cable until the board has it."""
        return bool(self._tell(lambda: self._session.answer(nonce, id, **fields)))

    def set_concepts(self, names: Sequence[str]) -> None:
        """The names that indices in answers mean."""
        self._tell(lambda: self._session.set_concepts(names))

    def configure(self, key: int, value: int) -> None:
        """Set a number of the sketch."""
        self._tell(lambda: self._session.configure(key, value))

    def ping(self) -> None:
        """Ask for a sign of life; the answer comes as a ``RoundTrip``."""
        self._tell(lambda: self._session.link.ping(time.monotonic()))

    @property
    def unanswered(self) -> int:
        """Messages that the board has not taken yet."""
        with self._guard:
            return self._session.link.waiting

    def drain(self, seconds: float) -> bool:
        """Wait until the board has taken everything; False when it has not within ``seconds``."""
        until = time.monotonic() + seconds
        while self.unanswered and time.monotonic() < until:
            time.sleep(0.01)
        return not self.unanswered

    def close(self) -> None:
        """Let go of the port, once all that was told is on the line. Answers that the board has not taken stay open in
        the journal. May be called twice, and from ``on_event``."""
        with self._guard:
            self._closing.set()
        self._nudge()
        if self._thread is not threading.current_thread():
            self._thread.join(10)

    def __enter__(self) -> Bridge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tell(self, what: Callable[[], Any]) -> Any:
        with self._guard:
            if self._closing.is_set():  # an open trigger is handed out again by whoever opens the journal next
                return False
            found = what()
        self._nudge()
        return found

    def _nudge(self) -> None:
        with self._guard, suppress(OSError):  # full: it will wake anyhow
            if self._waker >= 0:
                os.write(self._waker, b"x")

    # --- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        try:
            while not self._closing.is_set():
                try:
                    port = open_port(self.url, self._baud, self._wake, self._listed)
                except PortUnavailable as error:
                    self._port_state(False, str(error))
                    self._closing.wait(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
                    failures += 1
                    continue
                failures = 0
                self._port_state(True, "waiting for the board")
                self._use(port)
        finally:
            self._end()

    def _use(self, port: Port) -> None:
        """Until it goes away, or the bridge is closed."""
        try:
            self._serve(port)
        except PortUnavailable as error:
            self._cut(str(error))
        except Exception as error:  # whatever a board has found to say: the next one is served
            log.exception("%s: the port is opened again", self.url)
            self._cut(f"it is opened again ({error})")
        finally:
            port.close()

    def _cut(self, why: str) -> None:
        with self._guard:
            self._session.link.cut(time.monotonic())
            events = self._session.events()
        for event in events:
            self._happened(event)
        self._port_state(False, why)
        self._closing.wait(BACK_OFF[0])

    def _end(self) -> None:
        with self._guard:
            self._closing.set()
            self._session.journal.close()
            os.close(self._wake)
            os.close(self._waker)
            self._wake = self._waker = -1

    def _serve(self, port: Port) -> None:
        while True:
            closing = self._closing.is_set()  # before polling: what was told until then is written
            data = port.read()
            now = time.monotonic()
            with self._guard:
                events = self._session.receive(data, now) if data else self._session.events()
                out = self._session.poll(now)
                events += self._session.events()
                pause = self._session.link.next(now)
                trouble = self._session.trouble
            try:
                if out:
                    port.write(out)
            finally:  # a trigger that was accepted is told of, even if the cable is pulled out right now
                for event in events:
                    self._happened(event)
            if trouble != self._trouble:
                self._troubled(trouble)
            if closing:
                return
            if not events and not data:
                port.wait(min(pause, 1.0))

    def _troubled(self, trouble: str | None) -> None:
        self._trouble = trouble
        if trouble is None:
            log.info("%s: triggers are accepted again", self.url)
        else:
            log.warning("%s: %s", self.url, trouble)

    def _happened(self, event: BridgeEvent) -> None:
        if isinstance(event, Up):
            self._set_state("up")
            log.info("%s: %s is there", self.url, event.peer or "a board")
        elif isinstance(event, Down):
            self._set_state(f"waiting for the board: {event.reason}")
            log.warning("%s: the board is gone: %s", self.url, event.reason)
        try:
            self._on_event(event)
        except Exception:
            log.exception("%s: what was to be done about %s failed", self.url, type(event).__name__)

    def _port_state(self, is_open: bool, text: str) -> None:
        with self._guard:
            same = self._state == text
        self._set_state(text)
        if not same:
            log.log(logging.INFO if is_open else logging.WARNING, "%s: %s", self.url, text)
            self._happened(PortState(is_open, text))

    def _set_state(self, text: str) -> None:
        with self._guard:
            self._state = text

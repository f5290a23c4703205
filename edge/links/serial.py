"""A microcontroller on a serial port: triggers from it, answers to it, pictures of its camera. Wraps the bridge."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.camera.base import EndOfPictures
from edge.errors import RemoteUnavailable, StoreUnavailable
from firmware_bridge.bridge import Bridge, BridgeEvent
from firmware_bridge.events import Heard
from firmware_bridge.ports import PortUnavailable, find
from firmware_bridge.session import Image, Trigger

log = logging.getLogger("edge.links")


@dataclass(frozen=True, slots=True)
class Asking:
    """A board's trigger that waits for its answer on this link."""

    link: SerialLink
    nonce: int
    id: int


class SerialLink:
    """One port, shared by the triggers, actions and cameras that name it."""

    def __init__(self, url: str, *, journal: Path | None = None, baud: int = 115_200) -> None:
        self.url = url
        self._journal, self._baud = journal, baud
        self._guard = threading.Lock()
        self._bridge: Bridge | None = None
        self._asked: list[Callable[[Asking, int], bool]] = []
        self._early: list[tuple[Asking, int]] = []
        self._tables: dict[str, tuple[str, ...]] = {}
        self._picture = threading.Condition()
        self._newest: tuple[int, bytes] | None = None
        self._number = 0

    def start(self) -> None:
        """Open the port in the background, once; it is tried until it is there. Raises StoreUnavailable where its
        triggers cannot be written down."""
        with self._guard:
            if self._bridge is None:
                try:
                    self._bridge = Bridge(self.url, self._happened, baud=self._baud, journal=self._journal)
                except OSError as error:
                    why = error.strerror or error
                    raise StoreUnavailable(f"the triggers of {self.url} cannot be kept: {why}") from error
                self._bridge.set_concepts(self._table())

    def on_trigger(self, told: Callable[[Asking, int], bool]) -> None:
        """Call ``told`` with each trigger and its source, from the bridge's thread; those that came before, too.

        It returns whether it will answer. A trigger that nobody will is answered as failed, so that no board waits.
        """
        with self._guard:
            self._asked.append(told)
            early, self._early = self._early, []
        for asking, source in early:
            self._ask(asking, source)

    @property
    def state(self) -> str:
        """For people."""
        return "closed" if self._bridge is None else self._bridge.state

    def check(self) -> None:
        """Raises RemoteUnavailable: there is no such port, or it may not be used. It is not opened: a board that is
        plugged in is often started anew by that."""
        try:
            path = find(self.url)
        except PortUnavailable as error:
            raise RemoteUnavailable(str(error)) from error
        if "://" in path:
            return
        if not Path(path).exists():
            raise RemoteUnavailable(f"there is no port {path}; `firmware-bridge ports` lists those there are")
        if not os.access(path, os.R_OK | os.W_OK):
            group = Path(path).group()
            raise RemoteUnavailable(
                f"{path} may not be opened; join its group and log in again: sudo usermod -aG {group} $USER"
            )

    def answer(
        self, asking: Asking, *, concept: int | None, score: float, known: float, is_known: bool, failed: bool
    ) -> bool:
        """Answer a trigger; kept until the board has it. False when it was answered already."""
        assert self._bridge is not None
        return self._bridge.answer(
            asking.nonce, asking.id, concept=concept, score=score, known=known, is_known=is_known, failed=failed
        )

    def teach(self, who: str, names: Sequence[str]) -> int:
        """The names of a loop's concepts, for the board's table; where in it they begin.

        Loops that answer the same board share its table, each with a part of its own, in the order they came.
        """
        with self._guard:
            if self._tables.get(who) != tuple(names):
                self._tables[who] = tuple(names)
                if self._bridge is not None:
                    self._bridge.set_concepts(self._table())
            before = list(self._tables).index(who)
            return sum(len(one) for one in list(self._tables.values())[:before])

    def _table(self) -> list[str]:
        return [name for part in self._tables.values() for name in part]

    def close(self, seconds: float = 2.0) -> None:
        """Let the board take what it can within ``seconds``; the rest stays in the journal."""
        if self._bridge is not None:
            self._bridge.drain(seconds if self._bridge.up else 0.0)
            self._bridge.close()
        with self._picture:
            self._number = -1
            self._picture.notify_all()

    def _ask(self, asking: Asking, source: int) -> None:
        with self._guard:
            told = list(self._asked)
        taken = [one(asking, source) for one in told]
        if not any(taken):
            self.answer(asking, concept=None, score=0.0, known=0.0, is_known=False, failed=True)

    # --- the bridge's thread -------------------------------------------------------------------------------------

    def _happened(self, event: BridgeEvent) -> None:
        if isinstance(event, Trigger):
            asking = Asking(self, event.nonce, event.id)
            with self._guard:
                told = list(self._asked)
                if not told:
                    self._early = [*self._early[-99:], (asking, event.source)]
            if told:
                self._ask(asking, event.source)
        elif isinstance(event, Image):
            with self._picture:
                self._number += 1
                self._newest = self._number, event.data
                self._picture.notify_all()
        elif isinstance(event, Heard) and event.message.name == "LOG":
            text = "".join(one if one.isprintable() else "?" for one in str(event.message.fields["text"]))
            log.log(int(event.message.fields["level"]), "%s says: %s", self.url, text)

    def wait_picture(self, after: int, seconds: float) -> tuple[int, bytes] | None:
        """A picture newer than number ``after``; None after ``seconds``. Raises EndOfPictures (the link is closed)."""
        with self._picture:
            self._picture.wait_for(
                lambda: self._number < 0 or (self._newest is not None and self._newest[0] > after), seconds
            )
            if self._number < 0:
                raise EndOfPictures
            return self._newest if self._newest is not None and self._newest[0] > after else None

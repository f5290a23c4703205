"""A microcontroller on a serial port: triggers from it, answers to it, pictures of its camera. Wraps the bridge."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.camera.base import EndOfPictures, Picture
from edge.camera.urls import CameraUrl
from edge.errors import CameraUnavailable
from firmware_bridge.bridge import Bridge, BridgeEvent
from firmware_bridge.events import Heard
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
        self._picture = threading.Condition()
        self._newest: tuple[int, bytes] | None = None
        self._number = 0

    def start(self) -> None:
        """Open the port in the background, once; it is tried until it is there."""
        with self._guard:
            if self._bridge is None:
                self._bridge = Bridge(self.url, self._happened, baud=self._baud, journal=self._journal)

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

    def answer(
        self, asking: Asking, *, concept: int | None, score: float, known: float, is_known: bool, failed: bool
    ) -> bool:
        """Answer a trigger; kept until the board has it. False when it was answered already."""
        assert self._bridge is not None
        return self._bridge.answer(
            asking.nonce, asking.id, concept=concept, score=score, known=known, is_known=is_known, failed=failed
        )

    def set_concepts(self, names: Sequence[str]) -> None:
        """The names that indices in answers mean."""
        if self._bridge is not None:
            self._bridge.set_concepts(names)

    def close(self, seconds: float = 2.0) -> None:
        """Let the board take what it can within ``seconds``; the rest stays in the journal."""
        if self._bridge is not None:
            self._bridge.drain(seconds if self._bridge.up else 0.0)
            self._bridge.close()
        with self._picture:
            self._number = -1
            self._picture.notify_all()

    def camera(self, url: CameraUrl) -> BoardCamera:
        """The board's camera, as a source of pictures."""
        url.only()
        return BoardCamera(self)

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


class BoardCamera:
    """``bridge://``: pictures that the board sends when it likes."""

    patient = False

    def __init__(self, link: SerialLink) -> None:
        link.start()
        self._link = link
        self._number = 0
        self._closed = False

    def read(self) -> tuple[Picture, str]:
        """The next picture. Raises EndOfPictures (closed), CameraUnavailable (nothing for a minute)."""
        for _ in range(120):
            if self._closed:
                raise EndOfPictures
            found = self._link.wait_picture(self._number, 0.5)
            if found is not None:
                self._number = found[0]
                return found[1], self._link.url
        raise CameraUnavailable(f"the board on {self._link.url} has sent no picture for a minute; {self._link.state}")

    def close(self) -> None:
        """Stop waiting."""
        self._closed = True

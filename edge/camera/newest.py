"""A camera that always has its newest picture: one thread reads, and opens the source again when it goes away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType

from edge.camera.base import Capture, EndOfPictures, Source
from edge.camera.catalogue import Opener, known, open_source
from edge.camera.urls import redacted
from edge.errors import BadImage, EdgeError, InvalidArgument, RuntimeMissing

log = logging.getLogger("edge.camera")
BACK_OFF = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between attempts; the last repeats. A camera that was unplugged for a night is back within half a minute."""


class Camera:
    """The newest picture of a source. Use it from any thread; close it, or use it as a context manager.

    The source is opened in the background, so making one never waits and never fails for a camera that is not there:
    ``state`` says how it is, and it is tried again until it comes. Raises InvalidArgument for what is no camera's URL.
    """

    def __init__(
        self,
        url: str,
        *,
        more: Mapping[str, Opener] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        back_off: tuple[float, ...] = BACK_OFF,
    ) -> None:
        self.url = redacted(url)
        self.scheme = known(url, more).scheme
        self._text = url
        self._more = more
        self._clock, self._now, self._back_off = clock, now, back_off
        self._changed = threading.Condition()
        self._newest: Capture | None = None
        self._taken = True
        self._state = "opening"
        self._ended = False
        self._closing = False
        self._number = 0
        self.patient = False
        """Whether every picture matters: the next one is read only when the one before was taken."""
        self.dropped = 0
        """Pictures that were replaced by newer ones before anybody took them."""
        self._listeners: list[Callable[[], None]] = []
        self._source: Source | None = None
        self._thread = threading.Thread(target=self._run, name="edge-camera", daemon=True)
        self._thread.start()

    # --- asking --------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """For people: "opening", "open", "ended", "closed", or why it is waiting to try again."""
        with self._changed:
            return self._state

    @property
    def ended(self) -> bool:
        """Whether there will be no more pictures."""
        with self._changed:
            return self._ended and self._taken

    def newest(self, after: int = 0, timeout: float | None = None) -> Capture | None:
        """The newest capture whose number is above ``after``, waited for; None after ``timeout`` s, at the end of a
        recording, and when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._has(after) or self._over(), timeout)
            if not self._has(after):
                return None
            self._taken = True
            self._changed.notify_all()
            return self._newest

    def peek(self) -> Capture | None:
        """The newest capture, without taking it from whoever works through them."""
        with self._changed:
            return self._newest

    def look(self, timeout: float | None = None, *, after: int = 0) -> Capture | None:
        """As ``peek``, but a capture whose number is above ``after`` is waited for; None where none comes."""
        with self._changed:
            self._changed.wait_for(lambda: self._has(after) or self._over(), timeout)
            return self._newest if self._has(after) else None

    def fresh(self, after: int) -> bool:
        """Whether there is a capture whose number is above ``after``."""
        with self._changed:
            return self._has(after)

    @property
    def watched(self) -> bool:
        """Whether somebody works through the pictures, and was told of them with ``listen``."""
        with self._changed:
            return bool(self._listeners)

    def listen(self, told: Callable[[], None]) -> None:
        """Call ``told`` for every new capture, and at the end, from the camera's thread; it returns at once."""
        with self._changed:
            self._listeners.append(told)

    def close(self) -> None:
        """Stop reading and give the device back."""
        with self._changed:
            self._closing = True
            self._state = "closed"
            source = self._source
            self._changed.notify_all()
        if source is not None:
            source.close()
        self._thread.join(10)

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _has(self, after: int) -> bool:
        return self._newest is not None and self._newest.number > after

    def _over(self) -> bool:
        return self._closing or (self._ended and self._taken)

    # --- reading -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures, said = 0, ""
        while not self._closing:
            try:
                before = self._number
                self._read_all()
                return
            except (InvalidArgument, RuntimeMissing) as error:
                self._say(str(error), level=logging.ERROR)
                failures = len(self._back_off) - 1
            except EdgeError as error:
                failures = 0 if self._number > before else failures
                wait = self._back_off[min(failures, len(self._back_off) - 1)]
                text = redacted(str(error))
                if text != said:
                    log.warning("%s: %s", self.url, text)
                    said = text
                self._say(f"{text}; trying again in {wait:g} s", level=None)
            except Exception as error:  # a driver's bug must not end a loop that runs for months
                text = f"unexpected {type(error).__name__}: {redacted(str(error))}"
                if text != said:
                    log.error("%s: %s", self.url, text, exc_info=True)
                    said = text
                self._say(text, level=None)
            self._wait(self._back_off[min(failures, len(self._back_off) - 1)])
            failures += 1

    def _read_all(self) -> None:
        source = open_source(self._text, self._more)
        with self._changed:
            self._source, self.patient = source, source.patient
        try:
            while not self._closing:
                try:
                    picture, name = source.read()
                except BadImage as error:
                    self._say(f"a picture is damaged: {error}", level=None)
                    continue
                self._keep(picture, name, patient=source.patient)
        except EndOfPictures:
            with self._changed:
                self._ended, self._state = True, self._state if self._closing else "ended"
                self._tell()
        finally:
            with self._changed:
                self._source = None
            source.close()

    def _keep(self, picture: object, name: str, *, patient: bool) -> None:
        with self._changed:
            self._number += 1
            if self._state != "open" and not self._closing:
                if self._number > 1:
                    log.info("%s: gives pictures again", self.url)
                self._state = "open"
            self.dropped += not self._taken
            self._newest = Capture(picture, self._clock(), self._now(), self._number, redacted(name))  # type: ignore[arg-type]
            self._taken = False
            self._tell()
            if patient:
                self._changed.wait_for(lambda: self._taken or self._closing)

    def _tell(self) -> None:
        self._changed.notify_all()
        for told in self._listeners:
            told()

    def _say(self, text: str, level: int | None) -> None:
        with self._changed:
            if not self._closing and self._state != text:
                self._state = text
                if level is not None:
                    log.log(level, "%s: %s", self.url, text)

    def _wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing, seconds)

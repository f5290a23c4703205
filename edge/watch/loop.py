"""One loop: a camera, triggers, a model's predictions, a decision, actions. It lives through whatever fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from edge.camera.base import Capture
from edge.camera.newest import Camera
from edge.camera.urls import redacted
from edge.errors import EdgeError
from edge.types import Prediction
from edge.watch.base import Action, Change, Event, Fired, Trigger
from edge.watch.config import LoopConfig
from edge.watch.counters import Counters
from edge.watch.decision import Decider

log = logging.getLogger("edge.watch")
_MOST_WAIT = 1.0
_NO_PICTURE = 2.0
"""Seconds that a trigger waits for a picture that is new enough; then nobody could look."""


class Loop:
    """Runs in a thread of its own between ``start`` and ``stop``; ``step`` is one turn of it, for tests.

    ``predict``: what a picture shows; may raise EdgeError. ``told``: called with every event, after the actions.
    """

    def __init__(
        self,
        config: LoopConfig,
        camera: Camera,
        triggers: Sequence[Trigger],
        actions: Sequence[Action],
        predict: Callable[[Any], Prediction],
        *,
        told: Callable[[Event], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.config = config
        self.camera = camera
        self.triggers, self.actions = tuple(triggers), tuple(actions)
        self.decider = Decider(config.rules)
        self.counters = Counters()
        self.last: Event | None = None
        self._predict, self._told = predict, told
        self._clock, self._now = clock, now
        self._watching = any(one.watching for one in triggers)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._number = 0
        self._said: dict[str, str] = {}
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def ended(self) -> bool:
        """Whether the camera was a recording and has been looked at to its end."""
        return self.camera.ended or self._stop.is_set()

    # --- running -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin. Raises what a trigger or an action cannot do without."""
        for action in self.actions:
            action.start()
        for trigger in self.triggers:
            trigger.start(self._wake.set)
        if self._watching:
            self.camera.listen(self._wake.set)
        self._thread = threading.Thread(target=self._run, name=f"edge-watch-{self.name}", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Finish the look in hand, then what the actions have queued, within ``seconds`` each."""
        self._stop.set()
        self._wake.set()
        for trigger in self.triggers:
            trigger.close()
        if self._thread is not None:
            self._thread.join(seconds)
        for action in self.actions:
            action.close(seconds)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of a recording; whether it has come."""
        if self._thread is not None:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step()
                if self.camera.ended:
                    return
            except Exception:  # a bug must not end a loop that runs for months
                log.exception("loop %s: unexpected", self.name)
                self._stop.wait(1.0)
                continue
            self._wake.wait(self._pause())
            self._wake.clear()

    def _pause(self) -> float:
        now = self._clock()
        wait = min([_MOST_WAIT, *(one.next(now) for one in self.triggers)])
        if self._watching and self.camera.fresh(self._number):
            return 0.0
        return max(0.0, wait)

    # --- one turn ------------------------------------------------------------------------------------------------

    def step(self) -> list[Event]:
        """Do what is due now; the events that came of it."""
        now = self._clock()
        fired = [one for trigger in self.triggers for one in trigger.due(now)]
        if self._watching:
            fired += self._seen(now)
        self.counters.triggers += len(fired)
        waiting = [one for one in fired if one.reply is not None]
        others = [one for one in fired if one.reply is None]
        self.counters.drops += max(0, len(others) - 1)
        return [self._look(one) for one in (*waiting, *others[:1])]

    def _seen(self, now: float) -> list[Fired]:
        capture = self.camera.newest(self._number, 0)
        if capture is None:
            return []
        self._number = capture.number
        self.counters.captures += 1
        found = [one.seen(capture, now) for one in self.triggers if one.watching]
        return [one for one in found if one is not None]

    def _look(self, fired: Fired) -> Event:
        capture = self._picture(fired)
        prediction, failed = None, None
        changed: tuple[Change, ...] = ()
        if capture is None:
            failed = f"the camera gives no picture: {self.camera.state}"
        else:
            try:
                prediction = self._predict(capture.picture)
                self.counters.predictions += 1
            except EdgeError as error:
                failed = redacted(str(error))
        if prediction is not None:
            changed = self.decider.update(prediction, self._clock())
        self._say("looking", failed)
        event = Event(
            self.name,
            self.config.model,
            self._now(),
            fired,
            capture,
            prediction,
            self.decider.active,
            changed,
            failed,
            self._clock() - fired.at,
        )
        self._act(event)
        self.counters.failures += failed is not None
        self.counters.latencies.add(self._clock() - fired.at)
        self.last = event
        self._told(event)
        return event

    def _picture(self, fired: Fired) -> Capture | None:
        """The newest picture, if it is new enough for this trigger; else the next one."""
        newest = self.camera.peek()
        if newest is not None and (newest.number == self._number or fired.at - newest.at <= self.config.max_age):
            taken = self.camera.newest(newest.number - 1, 0)
            newest = newest if taken is None else taken
            if newest.number != self._number:
                self.counters.captures += 1
                self._number = newest.number
            if fired.at - newest.at <= self.config.max_age or self._watching:
                return newest
        after = 0 if newest is None else newest.number
        found = self.camera.newest(after, _NO_PICTURE)
        if found is not None:
            self.counters.captures += 1
            self._number = found.number
        return found

    def _act(self, event: Event) -> None:
        for action in self.actions:
            try:
                self.counters.actions += action.act(event)
            except (EdgeError, OSError) as error:
                self._say(action.name, redacted(str(error)))
            else:
                self._say(action.name, None)

    def _say(self, what: str, failed: str | None) -> None:
        """A failure is said once, until it is another one or it is over."""
        if failed is None:
            if self._said.pop(what, None) is not None:
                log.info("loop %s: %s works again", self.name, what)
        elif self._said.get(what) != failed:
            self._said[what] = failed
            log.warning("loop %s: %s: %s", self.name, what, failed)

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
from edge.watch.said import Said

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
        self.decider = Decider(config.rules, config.concepts)
        self.counters = Counters()
        self.last: Event | None = None
        self._predict, self._told = predict, told
        self._clock, self._now = clock, now
        self._watching = any(one.watching for one in triggers)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._number = 0
        self._said = Said(config.name, clock)
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        return self.config.name

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

    def halt(self) -> None:
        """Begin no look from now on; the one in hand is finished."""
        self._stop.set()
        self._wake.set()
        for trigger in self.triggers:
            trigger.close()

    def stop(self, seconds: float = 5.0) -> None:
        """Finish the look in hand, then what the actions have queued, within ``seconds`` in all."""
        until = time.monotonic() + seconds
        self.halt()
        if self._thread is not None:
            self._thread.join(seconds)
        for action in self.actions:
            try:
                action.close(max(0.0, until - time.monotonic()))
            except (EdgeError, OSError) as error:
                log.warning("loop %s: %s: %s", self.name, action.name, redacted(str(error)))

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
        """Do what is due now; the events that came of it.

        Somebody who waits gets a look of his own. Of all other triggers that came together one is looked at.
        """
        now = self._clock()
        looks: list[tuple[Fired, Capture | None]] = [
            (one, None) for trigger in self.triggers for one in trigger.due(now)
        ]
        if self._watching:
            looks = [*self._seen(now), *looks]
        self.counters.triggers += len(looks)
        waiting = [one for one in looks if one[0].reply is not None]
        others = [one for one in looks if one[0].reply is None]
        self.counters.drops += max(0, len(others) - 1)
        found = [self._look(*one) for one in (*waiting, *others[:1])]
        return [one for one in found if one is not None]

    def once(self) -> Event | None:
        """Look now, whatever the triggers say; None where a folder has nothing new. Not while it runs."""
        self.counters.triggers += 1
        return self._look(Fired("once", self._clock()), None)

    def _seen(self, now: float) -> list[tuple[Fired, Capture | None]]:
        capture = self.camera.newest(self._number, 0)
        if capture is None:
            return []
        self._took(capture)
        found = [one.seen(capture, now) for one in self.triggers if one.watching]
        return [(one, capture) for one in found if one is not None]

    def _look(self, fired: Fired, capture: Capture | None) -> Event | None:
        capture = capture or self._picture(fired)
        if capture is None and self.camera.patient and fired.reply is None:
            return None  # a folder without a new picture is no failure
        failed: str | None = f"the camera gives no picture: {self.camera.state}"
        prediction: Prediction | None = None
        changed: tuple[Change, ...] = ()
        if capture is not None:
            prediction, failed = self._predicted(capture)
        else:
            self._said.failed("looking", str(failed), same="no picture")
        if prediction is not None:
            changed = self.decider.update(prediction, self._clock())
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

    def _predicted(self, capture: Capture) -> tuple[Prediction | None, str | None]:
        """What the picture shows, or why nobody knows."""
        try:
            found = self._predict(capture.picture)
        except EdgeError as error:
            failed = redacted(str(error))
            self._said.failed("looking", failed)
        except Exception as error:  # noqa: BLE001 a bug must not cost whoever waits his answer
            failed = f"unexpected {type(error).__name__}: {redacted(str(error))}"
            self._said.failed("looking", failed, error=error)
        else:
            self.counters.predictions += 1
            self._said.works("looking")
            return found, None
        return None, failed

    def _picture(self, fired: Fired) -> Capture | None:
        """The newest picture, if it is new enough for this trigger; else the next one."""
        if self.camera.patient:
            found = self.camera.newest(self._number, 0)
        else:
            newest = self.camera.peek()
            fresh = newest is not None and fired.at - newest.at <= self.config.max_age
            after = 0 if newest is None else newest.number - fresh
            # of several who wait, only the first waits in vain
            found = self.camera.newest(after, max(0.0, fired.at + _NO_PICTURE - self._clock()))
        if found is not None:
            self._took(found)
        return found

    def _took(self, capture: Capture) -> None:
        if capture.number != self._number:
            self.counters.captures += 1
            self._number = capture.number

    def _act(self, event: Event) -> None:
        for action in self.actions:
            try:
                self.counters.actions += action.act(event)
            except (EdgeError, OSError) as error:
                self._said.failed(action.name, redacted(str(error)))
            except Exception as error:  # noqa: BLE001 a bug in one action must not cost the others
                self._said.failed(action.name, f"unexpected {type(error).__name__}: {error}", error=error)
            else:
                self._said.works(action.name)

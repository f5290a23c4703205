"""A loop without threads or clocks: a camera that shows what it is told, a model that answers what it is told."""

from __future__ import annotations

from datetime import UTC, datetime

from edge.camera.base import Capture
from edge.types import ConceptScore, Prediction
from edge.watch.config import LoopConfig
from edge.watch.decision import Rules
from edge.watch.loop import Loop
from edge.watch.triggers import Asked

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def said(known=True, **values):
    """A prediction by concept; ``known`` may be a number."""
    number = known if isinstance(known, float) else float(known)
    scores = sorted((ConceptScore(id, value) for id, value in values.items()), key=lambda one: -one.value)
    return Prediction("m", "v1", tuple(scores), number, number > 0.5)


class Clock:
    """Seconds, told by the test."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Still:
    """A camera as loops use it. ``show`` puts a picture in front of it."""

    def __init__(self, clock, *, patient=False):
        self.clock, self.patient = clock, patient
        self.state, self.ended, self.url = "open", False, "fake://"
        self.waited = []
        self.coming = []
        """Pictures that come while somebody waits."""
        self._newest = None

    def show(self, picture=b"x", age=0.0):
        number = 1 if self._newest is None else self._newest.number + 1
        self._newest = Capture(picture, self.clock.now - age, NOON, number, self.url)

    def newest(self, after=0, timeout=None):
        if (self._newest is None or self._newest.number <= after) and timeout:
            self.waited.append(timeout)
            if self.coming:
                self.show(self.coming.pop(0))
            else:
                self.clock.now += timeout
        return None if self._newest is None or self._newest.number <= after else self._newest

    def peek(self):
        return self._newest

    def fresh(self, after):
        return self._newest is not None and self._newest.number > after


class Noted:
    """An action that remembers events."""

    name = "noted"

    def __init__(self):
        self.events, self.closed = [], None

    def check(self):
        return "remember"

    def start(self):
        pass

    def act(self, event):
        self.events.append(event)
        return bool(event.changed)

    def close(self, seconds):
        self.closed = seconds


class Rig:
    """A loop with all its doubles. ``answers``: what the model says next, an exception to raise it."""

    def __init__(self, *, triggers=None, smoothing=1, patient=False, actions=None, max_age=0.5):
        self.clock = Clock()
        self.camera = Still(self.clock, patient=patient)
        self.asked = Asked(clock=self.clock)
        self.action = Noted()
        self.answers, self.pictures = [], []
        config = LoopConfig("l", "fake://", "m", rules=Rules(smoothing=smoothing), max_age=max_age)
        self.loop = Loop(
            config,
            self.camera,
            [self.asked] if triggers is None else triggers,
            [self.action] if actions is None else actions,
            self._predict,
            clock=self.clock,
            now=lambda: NOON,
        )

    def _predict(self, picture):
        self.pictures.append(picture)
        found = self.answers.pop(0) if self.answers else said(ripe=0.9)
        if isinstance(found, Exception):
            raise found
        return found

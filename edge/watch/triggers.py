"""When to look: by the clock, by the picture, or because somebody asks."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.camera.base import Capture
from edge.errors import BadImage, HardwareMissing, InvalidArgument, RuntimeMissing
from edge.watch.base import Fired, QuietTrigger
from edge.watch.specs import Spec, seconds_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GRID = (48, 64)
"""Rows and columns that motion is looked for in: a hand is some cells, noise of a sensor averages out in one."""
_FOLLOW = 0.1
"""The share of a new picture in the background: what stands still for twenty pictures has become part of it."""
_WHITE = 235
_CONTRAST = 5
"""Cells nearer to the middle than this say nothing about the light's gain."""


class Interval(QuietTrigger):
    """``interval:2s``. What was missed is not made up for."""

    def __init__(self, spec: Spec) -> None:
        spec.only()
        self.every = seconds_of(spec.rest, "an interval")
        if self.every < 0.001:
            raise InvalidArgument("an interval is at least 1ms; use each for every picture")
        self._due: float | None = None

    def resume(self, wait: float, now: float) -> None:
        """Fire after ``wait`` seconds at first, where a process before this one left off; not if that cannot be."""
        if 0 < wait <= self.every:
            self._due = now + wait

    def due(self, now: float) -> list[Fired]:
        """One firing when its time has come."""
        if self._due is None:
            self._due = now
        if now < self._due:
            return []
        self._due += self.every * (math.floor((now - self._due) / self.every) + 1)
        return [Fired("interval", now)]

    def next(self, now: float) -> float:
        """Seconds until then."""
        return 0.0 if self._due is None else max(0.0, self._due - now)


class Each(QuietTrigger):
    """``each``: every picture the camera gives; for folders and recordings."""

    watching = True

    def __init__(self, spec: Spec) -> None:
        spec.only()

    def seen(self, capture: Capture, now: float) -> Fired | None:  # noqa: ARG002
        """Always."""
        return Fired("each", now)


class Motion(QuietTrigger):
    """``motion?area=0.02&level=12&cooldown=1s&region=0.1,0.2,0.9,0.8``.

    Each new picture, as 64 x 48 grey cells, is compared with a background that follows slowly (an exponential average,
    a tenth of each picture). What the light did to the whole region is taken out first: a gain and an offset between
    the two, by medians, so that what moved has no say. Cells that then differ by more than ``level`` of 255 have moved,
    but for those that are white in one of the two, where the camera saw no more. It fires when they are at least
    ``area`` of the region (left, top, right, bottom as shares), and not again for ``cooldown``.
    """

    watching = True

    def __init__(self, spec: Spec) -> None:
        spec.only("area", "level", "cooldown", "region")
        self.area = spec.number("area", 0.01, 0.0001, 1)
        self.level = spec.number("level", 12, 1, 255)
        self.cooldown = spec.seconds("cooldown", 1.0)
        self._region = _region(spec.options.get("region", "0,0,1,1"))
        self._background: NDArray[np.float32] | None = None
        self._quiet_until = float("-inf")

    def seen(self, capture: Capture, now: float) -> Fired | None:
        """Whether something moved since the pictures before."""
        try:
            cells = grey(capture)[self._region]
        except BadImage:
            return None  # the loop will say so when it looks
        if self._background is None or self._background.shape != cells.shape:
            self._background = cells
            return None
        moved = changed(self._background, cells, self.level)
        self._background += _FOLLOW * (cells - self._background)
        if moved.mean() < self.area or now < self._quiet_until:
            return None
        self._quiet_until = now + self.cooldown
        return Fired("motion", now)


_MOST_ASKED = 1000


class Asked(QuietTrigger):
    """``api``: somebody asks, over the service or from a program; also what triggers from outside are made of."""

    def __init__(
        self, spec: Spec | None = None, source: str = "api", clock: Callable[[], float] = time.monotonic
    ) -> None:
        if spec is not None:
            spec.only()
        self.source = source
        self._clock = clock
        self._guard = threading.Lock()
        self._asked: list[tuple[float, Any]] = []
        self._wake: Callable[[], None] = lambda: None

    def ask(self, reply: Any = None) -> bool:
        """Fire, from any thread; whether there was room for it. ``reply``: who waits for an answer."""
        with self._guard:
            room = len(self._asked) < _MOST_ASKED
            if room:
                self._asked.append((self._clock(), reply))
        self._wake()
        return room

    def due(self, now: float) -> list[Fired]:  # noqa: ARG002
        """What was asked since the last call, each with the moment it was."""
        with self._guard:
            asked, self._asked = self._asked, []
        return [Fired(self.source, at, reply) for at, reply in asked]

    def start(self, wake: Callable[[], None]) -> None:
        """Asking wakes the loop from now on."""
        self._wake = wake


class Gpio(Asked):
    """``gpio:17``: a pin that is pulled to ground (``?pull=down``: to 3.3 V). Through gpiozero."""

    def __init__(self, spec: Spec) -> None:
        spec.only("pull", "bounce")
        super().__init__(source=f"gpio:{spec.rest}")
        if not spec.rest.isdecimal() or int(spec.rest) > 1000:
            raise InvalidArgument(f"gpio takes the number of a pin, such as gpio:17, not {spec.rest!r}")
        self._pin = int(spec.rest)
        pull = spec.options.get("pull", "up")
        if pull not in ("up", "down"):
            raise InvalidArgument(f"pull={pull} of gpio is up or down")
        self._up = pull == "up"
        self._bounce = spec.seconds("bounce", 0.05)
        self._button: Any = None
        self._last = float("-inf")

    def start(self, wake: Callable[[], None]) -> None:
        """Listen to the pin. Raises RuntimeMissing, HardwareMissing."""
        super().start(wake)
        self._button = pin("Button", self._pin, pull_up=self._up)
        self._button.when_pressed = self._pressed

    def _pressed(self) -> None:
        now = self._clock()
        if now - self._last >= self._bounce:
            self._last = now
            self.ask()

    def close(self) -> None:
        """Give the pin back."""
        if self._button is not None:
            self._button.close()


def pin(kind: str, number: int, **options: Any) -> Any:
    """A pin of gpiozero's. Raises RuntimeMissing (not installed), HardwareMissing (no such pin, none here, in use)."""
    try:
        import gpiozero
    except ImportError as error:
        raise RuntimeMissing("pins need gpiozero; install it with: pip install 'edge-concepts[gpio]'") from error
    try:
        return getattr(gpiozero, kind)(number, **options)
    except (gpiozero.GPIOZeroError, OSError, ImportError, ValueError) as error:
        raise HardwareMissing(f"pin {number} cannot be used ({error}); name another, or run it on a board") from error


def changed(before: NDArray[np.float32], after: NDArray[np.float32], level: float) -> NDArray[np.bool_]:
    """Which cells differ by more than ``level`` once the light's gain and offset are taken out."""
    seen = (before < _WHITE) & (after < _WHITE)
    difference = after - before
    if not seen.any() or np.abs(difference - np.median(difference)).max() <= level:
        return np.zeros(seen.shape, dtype=bool)  # the usual picture, in half the time
    middle_before, middle_after = np.median(before[seen]), np.median(after[seen])
    contrast = before - middle_before
    firm = seen & (np.abs(contrast) > _CONTRAST)
    gain = np.median((after[firm] - middle_after) / contrast[firm]) if firm.any() else 1.0
    difference = after - np.clip(gain, 0.25, 4.0) * before
    moved: NDArray[np.bool_] = (np.abs(difference - np.median(difference[seen])) > level) & seen
    return moved


def grey(capture: Capture) -> NDArray[np.float32]:
    """(48, 64) float32: a capture in grey, decoded as small as JPEG allows. Raises BadImage."""
    import io

    from PIL import Image, UnidentifiedImageError

    picture = capture.picture
    try:
        if isinstance(picture, bytes):
            image: Image.Image = Image.open(io.BytesIO(picture), formats=("JPEG", "PNG", "WEBP", "BMP"))
            if image.width * image.height > 80_000_000:
                raise BadImage("the picture has too many pixels")
            image.draft("L", (_GRID[1], _GRID[0]))
        else:
            image = Image.fromarray(picture[:: max(1, picture.shape[0] // 192), :: max(1, picture.shape[1] // 256)])
        small = image.convert("L").resize((_GRID[1], _GRID[0]), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise BadImage(f"the picture cannot be read ({error})") from error
    return np.asarray(small, dtype=np.float32)


def _region(text: str) -> tuple[slice, slice]:
    try:
        left, top, right, bottom = (float(one) for one in text.split(","))
    except ValueError:
        left = top = right = bottom = -1
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise InvalidArgument(f"region={text} is left,top,right,bottom as shares from 0 to 1, such as 0.1,0.2,0.9,0.8")
    rows, columns = _GRID
    return (
        slice(int(top * rows), max(int(top * rows) + 1, round(bottom * rows))),
        slice(int(left * columns), max(int(left * columns) + 1, round(right * columns))),
    )

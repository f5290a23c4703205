"""``store``, ``store:changed``, ``store:uncertain``: keep captures, to be annotated later."""

from __future__ import annotations

from edge.errors import InvalidArgument, StoreUnavailable
from edge.types import Prediction
from edge.watch.actions import QuietAction
from edge.watch.base import Event
from edge.watch.context import Context, Quota
from edge.watch.specs import Spec

WHEN = ("all", "changed", "uncertain")
_UNCERTAIN = 0.2
"""A value this near to a half, or two best concepts this near to each other, teach most."""


class StoreAction(QuietAction):
    """Captures go into the store without annotations, as ``watch/LOOP``, the prediction in their metadata.

    ``?count=1000&bytes=500MB&age=30d`` bound what is kept: the oldest go first, and none that somebody has annotated.
    """

    name = "store"

    def __init__(self, spec: Spec, context: Context) -> None:
        spec.only("count", "bytes", "age")
        self._when = spec.rest or "all"
        if self._when not in WHEN:
            raise InvalidArgument(f"store keeps {', '.join(WHEN)}, not {self._when!r}")
        count = int(spec.number("count", 1000, 1, 10_000_000))
        age = spec.seconds("age", 0.0)
        self._quota = Quota(count, spec.bytes("bytes", 0) or None, age or None)
        self._context = context
        self._source = f"watch/{context.loop}"

    def check(self) -> str:
        """What is kept."""
        quota = self._quota
        bounds = [f"at most {quota.count} pictures"]
        bounds += [f"{quota.bytes / 1e6:g} MB"] if quota.bytes else []
        bounds += [f"{quota.age / 86400:g} days"] if quota.age else []
        what = {"all": "every capture", "changed": "captures when something changes", "uncertain": "uncertain captures"}
        return f"keep {what[self._when]} as {self._source}, {', '.join(bounds)}"

    def act(self, event: Event) -> bool:
        """Keep the capture. Raises StoreUnavailable (the disk is full), BadImage."""
        keeper = self._context.keeper
        if event.capture is None or event.prediction is None or not self._wanted(event, event.prediction):
            if self._quota.age is not None:
                keeper.tidy(self._source, self._quota)
            return False
        try:
            keeper.keep(event.capture.picture, self._source, event.prediction)
        except StoreUnavailable:
            if not keeper.tidy(self._source, self._quota):  # what is too old may make room
                raise
            keeper.keep(event.capture.picture, self._source, event.prediction)
        keeper.tidy(self._source, self._quota)
        return True

    def _wanted(self, event: Event, prediction: Prediction) -> bool:
        if self._when == "all":
            return True
        return bool(event.changed) if self._when == "changed" else uncertain(prediction)


def uncertain(prediction: Prediction) -> bool:
    """Whether a person's word on this picture would teach much: it is known, and its values waver."""
    values = [one.value for one in prediction.concepts]
    if not prediction.is_known or not values:
        return False
    near_half = any(abs(value - 0.5) < _UNCERTAIN for value in values)
    return near_half or (len(values) > 1 and values[0] - values[1] < _UNCERTAIN)

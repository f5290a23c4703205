"""``mqtt``: what a loop sees, as retained topics, and its entities for Home Assistant."""

from __future__ import annotations

import json
from collections.abc import Mapping

from edge.links.announced import Announced, place_of
from edge.links.discovery import entities, key
from edge.watch.actions.pictures import small
from edge.watch.base import Event
from edge.watch.context import Context
from edge.watch.specs import Spec

_NO = ("0", "no", "false")


class MqttAction:
    """Topics below ``PREFIX/LOOP``: ``state`` (JSON, when the answer differs), ``concept/ID`` (ON, OFF), ``picture``
    (JPEG, when something changes), all retained; ``event`` (JSON of every change) is not.

    What it retained is remembered in the loop's folder: what a later start does not need any more is taken away.
    """

    name = "mqtt"

    def __init__(self, spec: Spec, context: Context) -> None:
        spec.only("discovery", "picture")
        self._broker, prefix = context.broker(spec.rest)
        self._context = context
        self._base = f"{prefix}/{key(context.loop)}"
        self._broker.serve(context.loop, self._base)
        self._discovery = spec.options.get("discovery", "1") not in _NO
        self._picture = spec.options.get("picture", "1") not in _NO
        self._place = place_of(context.folder, self._broker.place)
        self._retained: dict[str, str | bytes] = {}
        self._topics: set[str] = set()
        self._gone: set[str] = set()
        self._names: tuple[tuple[str, str], ...] | None = None
        self._state: object = None
        self._remembered: object = None

    def check(self) -> str:
        """Where it publishes. Raises RemoteUnavailable, RemoteRefused: what is wrong with the broker."""
        self._broker.check()
        return f"publish below {self._base} on {self._broker.url}"

    def start(self) -> None:
        """Announce the loop's entities, and take away what a former start left and this one does not have."""
        self._broker.start()
        before = Announced.read(self._place)
        self._topics = set() if before is None else set(before.topics)
        self._announce()

    def act(self, event: Event) -> bool:
        """Publish what differs from before. Raises BadImage."""
        self._announce()
        found = event.prediction
        best = next((one for one in found.concepts if found.is_known), None) if found is not None else None
        state = (None if best is None else best.id, event.active, found is None)
        first, new = self._state is None, state != self._state or bool(event.changed)
        if new:
            self._state = state
            document = {**event.document(), "best": "unknown" if best is None else best.name or best.id}
            self._keep(f"{self._base}/state", json.dumps(document, ensure_ascii=False))
        if found is not None:
            for id, _ in self._names or ():
                self._keep(self._concept(id), "ON" if id in event.active else "OFF")
        if event.changed:
            self._broker.publish(f"{self._base}/event", json.dumps(event.document(), ensure_ascii=False))
        if self._picture and event.capture is not None and (event.changed or first):
            self._keep(f"{self._base}/picture", small(event.capture.picture))
        return bool(event.changed)

    def close(self, seconds: float) -> None:  # noqa: ARG002
        """The broker is the runner's; it says "offline"."""
        if self._broker.state == "connected":
            self._gone.clear()
        self._remember()

    def _concept(self, id: str) -> str:
        return f"{self._base}/concept/{key(id)}"

    def _keep(self, topic: str, payload: str | bytes) -> None:
        """Publish what stays at the broker, if it differs from what is there."""
        if self._retained.get(topic) != payload:
            self._retained[topic] = payload
            self._broker.publish(topic, payload, retain=True)

    def _announce(self) -> None:
        """Entities of the concepts there are now; what is gone, or was from before, is taken away."""
        names = tuple(self._context.names())
        if names == self._names:
            return
        self._names = names
        found: Mapping[str, str] = {}
        if self._discovery:
            found = entities(self._context.loop, names, self._base, self._broker.availability, self._context.facts)
        for topic, payload in found.items():
            self._keep(topic, payload)
        topics = {*found, *(self._concept(id) for id, _ in names), f"{self._base}/state", f"{self._base}/picture"}
        topics |= {one for one in [self._broker.availability] if one.startswith(f"{self._base}/")}
        for topic in self._topics - topics:
            self._retained.pop(topic, None)
            self._broker.publish(topic, "", retain=True)
        self._gone = (self._gone | self._topics) - topics
        self._topics = topics
        self._remember()

    def _remember(self) -> None:
        """Seldom written: when there are other topics. Those that were taken away are remembered until the broker was
        seen at the end; else the next start takes them away again."""
        topics = tuple(sorted(self._topics | self._gone))
        if topics != self._remembered:
            self._remembered = topics
            Announced(self._broker.place, self._context.file, topics).write(self._place)

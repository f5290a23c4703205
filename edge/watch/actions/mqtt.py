"""``mqtt``: what a loop sees, as retained topics, and its entities for Home Assistant."""

from __future__ import annotations

import io
import json

from PIL import Image

from edge.links.discovery import entities, key
from edge.watch.base import Event
from edge.watch.context import Context
from edge.watch.specs import Spec

_SIDE = 640


class MqttAction:
    """Topics below ``PREFIX/LOOP``: ``state`` (JSON, after every look whose answer differs), ``concept/ID`` (ON, OFF),
    ``picture`` (JPEG, when something changes), ``event`` (JSON of every change, not retained)."""

    name = "mqtt"

    def __init__(self, spec: Spec, context: Context) -> None:
        spec.only("discovery", "picture")
        self._broker = context.broker(spec.rest)
        self._context = context
        self._base = f"{self._broker.prefix}/{key(context.loop)}"
        self._discovery = spec.options.get("discovery", "1") not in ("0", "no", "false")
        self._picture = spec.options.get("picture", "1") not in ("0", "no", "false")
        self._announced: dict[str, str] = {}
        self._names: tuple[tuple[str, str], ...] = ()
        self._state: object = None

    def check(self) -> str:
        """Where it publishes."""
        return f"publish below {self._base} on {self._broker.url}"

    def start(self) -> None:
        """Announce the loop's entities."""
        self._broker.start_once()
        self._announce()

    def act(self, event: Event) -> bool:
        """Publish what differs from before."""
        self._announce()
        found = event.prediction
        if found is None:
            return False
        best = next((one for one in found.concepts if found.is_known), None)
        state = (None if best is None else best.id, event.active)
        if state != self._state or event.changed:
            self._state = state
            document = {**event.document(), "best": "unknown" if best is None else best.name or best.id}
            self._broker.publish(f"{self._base}/state", json.dumps(document, ensure_ascii=False), retain=True)
        for id, _ in self._names:
            self._seen(id, id in event.active)
        if event.changed:
            self._broker.publish(f"{self._base}/event", json.dumps(event.document(), ensure_ascii=False))
            if self._picture and event.capture is not None:
                self._broker.publish(f"{self._base}/picture", small(event.capture.picture), retain=True)
        return bool(event.changed)

    def close(self, seconds: float) -> None:
        """The broker is the runner's; it says "offline"."""

    def _seen(self, id: str, on: bool) -> None:
        topic, payload = f"{self._base}/concept/{key(id)}", "ON" if on else "OFF"
        if self._announced.get(topic) != payload:
            self._announced[topic] = payload
            self._broker.publish(topic, payload, retain=True)

    def _announce(self) -> None:
        """Entities of the concepts there are now; those of concepts that are gone are taken away."""
        names = tuple(self._context.names())
        if names == self._names or not self._discovery:
            self._names = names
            return
        self._names = names
        found = entities(self._context.loop, names, self._base, self._broker.availability, self._context.facts)
        old = [topic for topic in self._announced if topic.endswith("/config") and topic not in found]
        for topic, payload in [*found.items(), *((topic, "") for topic in old)]:
            if self._announced.get(topic) != payload:
                self._broker.publish(topic, payload, retain=True)
                self._announced[topic] = payload
        for topic in old:
            del self._announced[topic]


def small(picture: object) -> bytes:
    """A capture as a JPEG of at most 640 pixels. A JPEG that is small enough stays as it is."""
    if isinstance(picture, bytes):
        image: Image.Image = Image.open(io.BytesIO(picture), formats=("JPEG", "PNG", "WEBP", "BMP"))
        if image.format == "JPEG" and max(image.size) <= _SIDE:
            return picture
        image.draft("RGB", (_SIDE, _SIDE))
    else:
        image = Image.fromarray(picture)  # type: ignore[arg-type]
    image.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=80)
    return out.getvalue()

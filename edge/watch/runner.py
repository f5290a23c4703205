"""All loops of a process: built from a configuration, with links that they share, started and stopped together."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.camera.newest import Camera
from edge.camera.urls import CameraUrl, parse
from edge.errors import EdgeError, InvalidArgument, NotFound
from edge.links.announced import LeftBehind
from edge.links.mqtt import Broker, prefix_of, same_broker
from edge.links.pictures import BoardCamera
from edge.links.serial import Asking, SerialLink
from edge.store.files import write_durably
from edge.types import Prediction
from edge.watch.base import Action, Event, Trigger
from edge.watch.catalogue import ACTIONS, LINKED_TRIGGERS, TRIGGERS, made
from edge.watch.config import WORKED_THROUGH, LoopConfig, WatchConfig
from edge.watch.context import Context, Keeper
from edge.watch.counters import Counters
from edge.watch.loop import Loop
from edge.watch.specs import Spec, spec
from edge.watch.triggers import Asked, Interval

log = logging.getLogger("edge.watch")
_FIRST_PICTURE = 10.0
"""Seconds that a rehearsal waits for a camera: some take as long to open."""
_SAVE = 60.0
_LOOK = 5.0
"""Seconds between saves of a loop's state: of its counters, and of what it sees if that has changed."""
_TRIGGER = re.compile(rf"\+(?=(?:{'|'.join((*TRIGGERS, *LINKED_TRIGGERS))})(?:[:?+]|\Z))")
_WHOLE = ("exec", "webhook")


@dataclass(frozen=True, slots=True)
class Model:
    """What a loop asks of a model: predictions, and its concepts' ids and names in its order."""

    predict: Callable[[Any], Prediction]
    names: Callable[[], Sequence[tuple[str, str]]]


class Watch:
    """Loops that run. ``models``: a model by name; raises NotFound. ``folder``: where state is kept over restarts."""

    def __init__(
        self,
        config: WatchConfig,
        models: Callable[[str], Model],
        keeper: Keeper,
        folder: Path,
        *,
        facts: Mapping[str, str] | None = None,
        told: Callable[[Event], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.config, self.folder = config, folder
        self._models, self._keeper, self._told, self._now = models, keeper, told, now
        self._facts = dict(facts or {})
        self._brokers: dict[str, Broker] = {}
        self._serials: dict[str, SerialLink] = {}
        self._cameras: dict[str, Camera] = {}
        self.asked: dict[str, Asked] = {}
        """The ``api`` trigger of a loop, by the loop's name."""
        self.loops: list[Loop] = []
        self._done = threading.Event()
        self._saver: threading.Thread | None = None
        self._unsaved = ""
        self._begun = False
        self._left: LeftBehind | None = None
        try:
            for one in config.loops:
                self.loops.append(self._loop(one))
        except BaseException:
            self.stop(0.0)
            raise

    # --- building ------------------------------------------------------------------------------------------------

    def _loop(self, config: LoopConfig) -> Loop:
        given = [spec(one).name for text in config.trigger for one in _several(text)]
        if "serial" in given and "serial" not in [spec(text, whole=_WHOLE).name for text in config.then]:
            raise InvalidArgument(f"loop {config.name}: a board that asks waits for an answer; add the action serial")
        model = self._models(config.model)
        _check_concepts(config, model)
        context = Context(
            config.name,
            config.model,
            self.folder / config.name,
            self._keeper,
            model.names,
            self._broker,
            self._serial,
            self._facts,
            self.config.file,
        )
        actions: list[Action] = [made(ACTIONS, spec(text, whole=_WHOLE), "action", context) for text in config.then]
        triggers = [self._trigger(one, config) for text in config.trigger for one in _several(text)]
        loop = Loop(config, self._camera(config.camera), triggers, actions, model.predict, told=self._told)
        self._restore(loop)
        return loop

    def _trigger(self, text: str, config: LoopConfig) -> Trigger:
        one = spec(text)
        if one.name == "serial":
            return self._serial_trigger(one)
        if one.name == "mqtt":
            return self._mqtt_trigger(one)
        found: Trigger = made(TRIGGERS, one, "trigger", also=LINKED_TRIGGERS)
        if one.name == "api" and isinstance(found, Asked):
            self.asked[config.name] = found
        return found

    def _serial_trigger(self, one: Spec) -> Trigger:
        """``serial:PORT?source=1``: a board's trigger, each with its own answer."""
        one.only("source", "baud")
        link = self._serial(one.rest, int(one.number("baud", 115_200, 300, 4_000_000)))
        wanted = int(one.number("source", -1, 0, 255)) if "source" in one.options else None
        trigger = Asked(source=f"serial:{one.rest}")

        def told(asking: Asking, source: int) -> bool:
            return wanted in (None, source) and trigger.ask(asking)

        link.on_trigger(told)
        return trigger

    def _mqtt_trigger(self, one: Spec) -> Trigger:
        """``mqtt:TOPIC``, or ``mqtt://HOST/TOPIC``: any message on a topic."""
        one.only()
        url, topic = "", one.rest
        if "://" in one.rest:
            head, _, rest = one.rest.partition("://")
            host, _, topic = rest.partition("/")
            url = f"{head}://{host}"
        if not topic or "#" in topic or "+" in topic:
            raise InvalidArgument("an mqtt trigger names one topic, without wildcards, such as mqtt:door/opened")
        trigger = Asked(source=f"mqtt:{topic}")

        def told(_: bytes) -> None:
            trigger.ask()

        self._broker(url)[0].subscribe(topic, told)
        return trigger

    def _broker(self, url: str) -> tuple[Broker, str]:
        """The connection to a broker, one for all who name it, and what topics begin with there."""
        wanted = url or self.config.mqtt
        if wanted is None:
            raise InvalidArgument('no broker is named; write mqtt://HOST, or mqtt = "mqtt://HOST" in watch.toml')
        prefix = prefix_of(wanted)
        named = [one for one in (self.config.mqtt, *self._brokers) if one is not None]
        known = next((one for one in named if same_broker(one, wanted)), wanted)
        if known not in self._brokers:
            self._brokers[known] = Broker(known)
        return self._brokers[known], prefix

    def _serial(self, port: str, baud: int = 115_200) -> SerialLink:
        if not port:
            raise InvalidArgument("no port is named; write serial:/dev/ttyACM0")
        if port not in self._serials:
            name = "".join(one if one.isalnum() else "_" for one in port).strip("_")
            self._serials[port] = SerialLink(port, journal=self.folder / "serial" / f"{name}.journal", baud=baud)
        return self._serials[port]

    def _camera(self, url: str) -> Camera:
        """Loops that name the same camera share it, but for folders and recordings: each works through all of them."""
        key = f"{len(self._cameras)} {url}" if parse(url).scheme in WORKED_THROUGH else url
        if key not in self._cameras:
            if parse(url).scheme == "bridge":
                self._board(parse(url))  # here, not in the camera's thread, while others go through the links
            self._cameras[key] = Camera(url, more={"bridge": self._board_camera})
        return self._cameras[key]

    def _board(self, url: CameraUrl) -> SerialLink:
        return self._serial(url.text.removeprefix("bridge://").partition("?")[0] or next(iter(self._serials), ""))

    def _board_camera(self, url: CameraUrl) -> Any:
        url.only()
        return BoardCamera(self._board(url))

    # --- running -------------------------------------------------------------------------------------------------

    def check(self) -> list[tuple[str, str, str | None]]:
        """What each loop would do: (loop, what, why it could not or None); for a rehearsal."""
        found: list[tuple[str, str, str | None]] = []
        for loop in self.loops:
            capture = loop.camera.look(_FIRST_PICTURE)  # takes none away
            found.append((loop.name, f"look through {loop.camera.url}", None if capture else loop.camera.state))
            for action in loop.actions:
                try:
                    found.append((loop.name, action.check(), None))
                except (EdgeError, OSError) as error:
                    found.append((loop.name, action.name, str(error)))
            if capture is not None:
                found.append(self._rehearsed(loop, capture.picture))
        return found

    def _rehearsed(self, loop: Loop, picture: Any) -> tuple[str, str, str | None]:
        try:
            prediction = self._models(loop.config.model).predict(picture)
        except EdgeError as error:
            return loop.name, f"ask {loop.config.model}", str(error)
        best = prediction.concepts[0] if prediction.concepts else None
        seen = "nothing" if best is None else f"{best.name or best.id} {best.value:.2f}"
        return loop.name, f"ask {loop.config.model}: it sees {seen}, known {prediction.known:.2f}", None

    def start(self) -> None:
        """Start every link and loop. Raises what a trigger or an action cannot do without."""
        self._begun = True
        self._start_links()
        for loop in self.loops:
            loop.start()
        self._saver = threading.Thread(target=self._save_often, name="edge-watch-state", daemon=True)
        self._saver.start()

    def once(self) -> list[Event]:
        """Instead of ``start``: every loop looks once and acts; what they saw."""
        self._begun = True
        self._start_links()
        for loop in self.loops:
            for action in loop.actions:
                action.start()
        until = time.monotonic() + _FIRST_PICTURE
        while any(_opening(one) for one in self._cameras.values()) and time.monotonic() < until:
            time.sleep(0.02)
        return [event for loop in self.loops if (event := loop.once()) is not None]

    def _start_links(self) -> None:
        for link in self._serials.values():
            link.on_trigger(lambda *_: False)  # where no loop listens, nobody is left waiting
            link.start()
        names = [one.name for one in self.loops]
        self._left = LeftBehind(self.folder, self.config.file, names, self._brokers.values())
        if self._left.records and self.config.mqtt is not None:
            self._broker(self.config.mqtt)  # no loop may speak to it any more
        self._left.take_away(self._brokers.values())
        for broker in self._brokers.values():
            broker.start()

    def wait(self, seconds: float) -> bool:
        """Wait for all recordings to end; whether they have."""
        until = time.monotonic() + seconds
        return all(loop.wait(max(0.0, until - time.monotonic())) for loop in self.loops)

    def stop(self, seconds: float = 5.0) -> None:
        """Stop loops, actions, links and cameras, in this order; looks in hand and what is queued have ``seconds``."""
        until = time.monotonic() + seconds
        self._done.set()
        for loop in self.loops:
            loop.halt()
        for loop in self.loops:
            loop.stop(max(0.0, until - time.monotonic()))
            if self._begun:
                self._save(loop)
        for link in self._serials.values():
            link.close(min(seconds, 2.0))
        if self._left is not None:
            self._left.close()
        for broker in self._brokers.values():
            broker.close(min(seconds, 2.0))
        for camera in self._cameras.values():
            camera.close()
        if self._saver is not None:
            self._saver.join(5)

    def ask(self, loop: str) -> None:
        """Fire a loop's ``api`` trigger. Raises NotFound."""
        if loop not in self.asked:
            names = ", ".join(sorted(self.asked)) or "none"
            raise NotFound(f"no loop {loop!r} has an api trigger; those that have: {names}")
        self.asked[loop].ask()

    def cameras(self) -> dict[str, Camera]:
        """Cameras by the name of the first loop that looks through each."""
        found: dict[str, Camera] = {}
        for loop in self.loops:
            if loop.camera not in found.values():
                found[loop.name] = loop.camera
        return found

    def document(self) -> dict[str, Any]:
        """Loops with their counters and how they are."""
        return {
            loop.name: {
                **loop.counters.document(),
                "camera": loop.camera.state,
                "active": list(loop.decider.active),
                "last": None if loop.last is None else loop.last.document(),
            }
            for loop in self.loops
        }

    # --- over restarts -------------------------------------------------------------------------------------------

    def _save_often(self) -> None:
        """What is seen soon after it changed, counters once a minute, and neither without need: SD cards wear out."""
        seen = {loop.name: loop.decider.active for loop in self.loops}
        counted = {loop.name: (loop.counters.triggers, time.monotonic()) for loop in self.loops}
        while not self._done.wait(_LOOK):
            now = time.monotonic()
            for loop in self.loops:
                count, saved = counted[loop.name]
                late = now - saved >= _SAVE and loop.counters.triggers != count
                if late or loop.decider.active != seen[loop.name]:
                    seen[loop.name] = loop.decider.active
                    counted[loop.name] = loop.counters.triggers, now
                    self._save(loop)

    def _save(self, loop: Loop) -> None:
        now = time.monotonic()
        waits = [one.next(now) for one in loop.triggers if isinstance(one, Interval)]
        state = {
            "seen": loop.decider.state(now),
            "counters": loop.counters.kept(),
            "next": [(self._now() + timedelta(seconds=one)).isoformat() for one in waits],
        }
        try:
            write_durably(self.folder / loop.name / "state.json", json.dumps(state).encode())
            self._unsaved = ""
        except OSError as error:
            if self._unsaved != str(error.strerror):
                log.warning("loop %s: its state cannot be kept (%s); make room", loop.name, error.strerror)
            self._unsaved = str(error.strerror)

    def _restore(self, loop: Loop) -> None:
        try:
            state = json.loads((self.folder / loop.name / "state.json").read_bytes())
            counters = Counters.restored(state["counters"])
            waits = [(datetime.fromisoformat(one) - self._now()).total_seconds() for one in state.get("next", [])]
            loop.decider.resume(state["seen"], time.monotonic())
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            log.warning("loop %s: its state is damaged; it starts anew", loop.name)
            return
        loop.counters = counters
        intervals = [one for one in loop.triggers if isinstance(one, Interval)]
        for trigger, wait in zip(intervals, waits, strict=False):
            trigger.resume(wait, time.monotonic())


def _check_concepts(config: LoopConfig, model: Model) -> None:
    """Raises InvalidArgument where rules are for a concept that the model does not have."""
    has = dict(model.names())
    for one in config.concepts:
        if one not in has and one not in has.values():
            raise InvalidArgument(
                f"loop {config.name}: {config.model} has no concept {one!r}; it has: {', '.join(has.values())}"
            )


def _opening(camera: Camera) -> bool:
    """Whether a first picture may still come: a folder that is open and empty has none."""
    return camera.peek() is None and not camera.ended and not (camera.patient and camera.state == "open")


def _several(text: str) -> list[str]:
    """``interval:10s+motion``: any of them. A plus that no trigger's name follows is part of a topic or an address."""
    return _TRIGGER.split(text)

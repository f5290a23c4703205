"""What tests of actions share: a keeper and a broker in memory, a web hook that refuses when it is told to, events."""

from __future__ import annotations

import http.server
import json
import threading
from datetime import UTC, datetime
from importlib.util import find_spec

import pytest

from edge.camera.base import Capture
from edge.camera.fake import encoded, scene
from edge.errors import RemoteRefused, StoreUnavailable
from edge.types import ConceptScore, Prediction
from edge.watch.base import Change, Event, Fired
from edge.watch.catalogue import ACTIONS, made
from edge.watch.context import Context
from edge.watch.specs import spec

JPEG = encoded(scene(1, 48, 64))


class Keeping:
    """A keeper in memory."""

    def __init__(self):
        self.kept, self.tidied, self.full = [], [], False

    def keep(self, picture, source, prediction):
        if self.full:
            raise StoreUnavailable("the disk is full; make room")
        self.kept.append((picture, source, prediction))
        return str(len(self.kept))

    def tidy(self, source, quota):
        self.tidied.append((source, quota))
        return 0


class Remembering:
    """A broker in memory."""

    url, place, state = "mqtt://broker", "broker:1883", "connected"

    def __init__(self):
        self.topics, self.retained, self.started, self.loops, self.refuses = {}, {}, 0, set(), False
        self.availability = "farm/availability"

    def serve(self, loop, base):
        self.loops.add(loop)
        self.availability = f"{base}/availability"

    def check(self):
        if self.refuses:
            raise RemoteRefused("mqtt://broker refuses: check user and password")

    def start(self):
        self.started += 1

    def publish(self, topic, payload, *, retain=False):
        self.topics[topic] = payload
        if retain:
            self.retained[topic] = payload


@pytest.fixture
def keeper():
    return Keeping()


@pytest.fixture
def broker():
    return Remembering()


@pytest.fixture
def names():
    return [("ripe", "ripe"), ("grün", "grün")]


@pytest.fixture
def context(tmp_path, keeper, broker, names):
    return Context(
        "gate", "tomatoes", tmp_path / "gate", keeper, lambda: names, lambda _: (broker, "farm"), lambda _: None
    )


@pytest.fixture
def pins():
    """gpiozero's own fake pins."""
    if find_spec("gpiozero") is None:
        pytest.skip("gpiozero is not installed")
    from gpiozero import Device
    from gpiozero.pins.mock import MockFactory

    before, Device.pin_factory = Device.pin_factory, MockFactory()
    yield Device.pin_factory
    Device.pin_factory.reset()
    Device.pin_factory = before


class Hook(http.server.BaseHTTPRequestHandler):
    """Takes events, or refuses as often as it is told to."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.server.got.append((status, self.headers["Idempotency-Key"], json.loads(body)))
        self.server.asked.append((self.path, self.headers["Authorization"]))
        self.send_response(status)
        if status in (301, 302, 307):
            self.send_header("Location", self.server.elsewhere)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def hook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.answers, server.asked, server.elsewhere = [], [], [], "/elsewhere"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def at(hook, path="/hook?key=abc"):
    return f"webhook:http://127.0.0.1:{hook.server_address[1]}{path}"


def event(*, on=True, changed=True, value=0.9, is_known=True, failed=None, capture=True, reply=None, active=("ripe",)):
    scores = (ConceptScore("ripe", value, "ripe"), ConceptScore("grün", 1 - value, "grün"))
    prediction = None if failed else Prediction("tomatoes", "v1", scores, 0.8, is_known)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    taken = Capture(JPEG, 1.0, now, 1, "fake://") if capture and not failed else None
    changes = (Change("ripe", "ripe", on, value),) if changed and not failed else ()
    return Event("gate", "tomatoes", now, Fired("interval", 1.0, reply), taken, prediction, active, changes, failed)


def action(text, context):
    return made(ACTIONS, spec(text, whole=("exec", "webhook")), "action", context)


@pytest.fixture
def started(context):
    """``started("log:FILE")``: an action that has begun; it is closed at the end."""
    begun = []

    def start(text):
        one = action(text, context)
        one.start()
        begun.append(one)
        return one

    yield start
    for one in begun:
        one.close(1.0)

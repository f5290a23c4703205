"""What every action does: says beforehand what it would do, returns soon, fails with a sentence, finishes in time."""

from __future__ import annotations

import http.server
import json
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.camera.base import Capture
from edge.camera.fake import encoded, scene
from edge.errors import InvalidArgument, StoreUnavailable
from edge.types import ConceptScore, Prediction
from edge.watch.base import Change, Event, Fired
from edge.watch.catalogue import ACTIONS, made
from edge.watch.context import Context
from edge.watch.specs import spec

pytest.importorskip("gpiozero")
pytest.importorskip("paho.mqtt")

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

    url, prefix, availability = "mqtt://broker", "farm", "farm/availability"

    def __init__(self):
        self.topics, self.started = {}, 0

    def start_once(self):
        self.started += 1

    def publish(self, topic, payload, *, retain=False):  # noqa: ARG002
        self.topics[topic] = payload


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
    return Context("gate", "tomatoes", tmp_path / "gate", keeper, lambda: names, lambda _: broker, lambda _: None)


@pytest.fixture(autouse=True)
def pins():
    """gpiozero's own fake pins."""
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
        self.send_response(status)
        if status in (301, 302, 307):
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def hook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.answers = [], []
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


@pytest.fixture(params=sorted(ACTIONS))
def text(request, tmp_path, hook):
    return {
        "log": f"log:{tmp_path / 'events.jsonl'}",
        "store": "store",
        "exec": f"exec:{sys.executable} -c pass",
        "webhook": at(hook),
        "gpio": "gpio:17",
        "mqtt": "mqtt",
        "serial": "serial",
    }[request.param]


# --- every action ----------------------------------------------------------------------------------------------------


def test_it_says_beforehand_what_it_would_do(text, context):
    assert len(action(text, context).check()) > 8


def test_it_takes_any_event_and_returns_soon(text, started):
    one = started(text)
    begun = time.monotonic()
    for each in (event(), event(changed=False), event(failed="the camera gives no picture"), event(on=False)):
        assert isinstance(one.act(each), bool)
    assert time.monotonic() - begun < 2


def test_it_can_be_closed_at_once_and_twice(text, context):
    one = action(text, context)
    one.start()
    one.close(1.0)
    one.close(1.0)


@pytest.mark.parametrize("bad", ["nothing", "log:x?colour=red", "store:some", "gpio:led", "webhook:ftp://x", "exec:",
                                 "exec:say {nobody}", "exec:'", "store?count=-1", "store?bytes=lots"])  # fmt: skip
def test_what_can_never_work_is_refused_when_it_is_made(bad, context):
    with pytest.raises(InvalidArgument):
        action(bad, context)


# --- log -------------------------------------------------------------------------------------------------------------


def test_a_log_has_a_line_per_event(started, tmp_path):
    one = started(f"log:{tmp_path / 'events.jsonl'}")
    one.act(event())
    one.act(event(changed=False))
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["loop"] for line in lines] == ["gate", "gate"]
    assert lines[0]["changed"] == [{"id": "ripe", "name": "ripe", "on": True, "value": 0.9}]


def test_a_log_of_changes_leaves_the_rest_out(started, tmp_path):
    one = started(f"log:{tmp_path / 'events.jsonl'}?always=0")
    assert not one.act(event(changed=False))
    assert one.act(event())


def test_a_log_that_has_grown_is_put_aside(started, tmp_path):
    one = started(f"log:{tmp_path / 'e'}?size=2kB")
    for _ in range(40):
        one.act(event())
    assert sorted(path.name for path in tmp_path.glob("e*")) == ["e", "e.1", "e.2", "e.3"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.glob("e*"))


def test_a_log_on_a_full_disk_says_so(started):
    with pytest.raises(StoreUnavailable, match="make room"):
        for _ in range(3):
            started("log:/dev/full").act(event())


# --- store -----------------------------------------------------------------------------------------------------------


def test_store_keeps_what_it_is_asked_to(started, keeper):
    for text, kept in (("store", 3), ("store:changed", 1), ("store:uncertain", 1)):
        keeper.kept.clear()
        one = started(text)
        one.act(event())
        one.act(event(changed=False))
        one.act(event(changed=False, value=0.55))
        assert len(keeper.kept) == kept, text


def test_store_bounds_what_it_keeps(started, keeper):
    started("store?count=10&bytes=5MB&age=2d").act(event())
    [(source, quota)] = keeper.tidied
    assert source == "watch/gate"
    assert (quota.count, quota.bytes, quota.age) == (10, 5_000_000, 172_800)


def test_a_full_disk_is_a_sentence_and_keeping_goes_on_when_there_is_room(started, keeper):
    one = started("store")
    keeper.full = True
    with pytest.raises(StoreUnavailable, match="full"):
        one.act(event())
    keeper.full = False
    assert one.act(event())


# --- exec ------------------------------------------------------------------------------------------------------------


def test_exec_fills_in_what_changed_and_starts_no_shell(started, tmp_path):
    out = tmp_path / "out"
    program = "import sys; open(sys.argv[1], 'a').write('|'.join(sys.argv[2:]) + chr(10))"
    one = started(f'exec:{sys.executable} -c "{program}" {out} {{concept}} {{on}} {{value}} "; touch /tmp/x"')
    one.act(event())
    one.act(event(changed=False))
    one.act(event(on=False, value=0.1))
    one.close(10)
    assert out.read_text().splitlines() == ["ripe|1|0.9000|; touch /tmp/x", "ripe|0|0.1000|; touch /tmp/x"]


def test_a_program_that_fails_is_said(started, caplog):
    one = started(f"exec:{sys.executable} -c \"import sys; sys.exit('no paper')\"")
    with caplog.at_level("WARNING", "edge.watch"):
        one.act(event())
        one.act(event())
        one.close(10)
    assert caplog.text.count("no paper") == 1


def test_a_program_that_hangs_is_ended(started, monkeypatch, caplog):
    monkeypatch.setattr("edge.watch.actions.run._SECONDS", 0.3)
    one = started(f'exec:{sys.executable} -c "import time; time.sleep(60)"')
    with caplog.at_level("WARNING", "edge.watch"):
        one.act(event())
        one.close(10)
    assert "was ended" in caplog.text


def test_a_program_that_is_not_there_is_said_before(context):
    with pytest.raises(InvalidArgument, match="no program"):
        action("exec:no-such-program-anywhere", context).check()


# --- webhook ---------------------------------------------------------------------------------------------------------


def wait_for(what, seconds=10):
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.01)
    assert what()


def test_a_change_is_posted_once(started, hook):
    one = started(at(hook))
    one.act(event())
    one.act(event(changed=False))
    wait_for(lambda: hook.got)
    time.sleep(0.1)
    [(_, key, body)] = hook.got
    assert key
    assert body["changed"][0]["id"] == "ripe"


def test_what_was_not_taken_comes_again_with_the_same_key_and_in_order(started, hook, monkeypatch):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (0.05,))
    hook.answers = [503, 500]
    one = started(at(hook))
    one.act(event(value=0.9))
    one.act(event(value=0.8))
    wait_for(lambda: len(hook.got) == 4)
    assert [status for status, *_ in hook.got] == [503, 500, 200, 200]
    assert len({key for _, key, _ in hook.got[:3]}) == 1
    assert [body["concepts"][0]["value"] for *_, body in hook.got[2:]] == [0.9, 0.8]


def test_what_waits_is_delivered_after_a_restart(context, hook):
    missing = action("webhook:http://127.0.0.1:9/x", context)
    missing.start()
    missing.act(event())
    missing.close(0.5)
    there = action(at(hook), context)
    there.start()
    wait_for(lambda: hook.got)
    there.close(1)


def test_what_will_never_be_taken_is_dropped_and_said(started, hook):
    hook.answers = [404]
    one = started(at(hook))
    one.act(event())
    wait_for(lambda: one.failed)
    assert "refuses events with 404" in one.failed
    assert "abc" not in one.failed


def test_a_redirect_is_not_followed(started, hook, monkeypatch):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (30.0,))
    hook.answers = [307]
    started(at(hook)).act(event())
    wait_for(lambda: hook.got)
    time.sleep(0.1)
    assert len(hook.got) == 1


def test_only_so_many_events_wait(started, monkeypatch, context):
    monkeypatch.setattr("edge.watch.actions.webhook._MOST", 5)
    one = started("webhook:http://127.0.0.1:9/x")
    for _ in range(20):
        one.act(event())
    one.close(0.2)
    fresh = action("webhook:http://127.0.0.1:9/x", context)
    assert len(fresh._waiting()) == 5


# --- gpio ------------------------------------------------------------------------------------------------------------


def test_a_pin_is_high_while_a_concept_is_seen(started, pins):
    one = started("gpio:17")
    one.act(event())
    assert pins.pin(17).state == 1
    one.act(event(on=False, active=()))
    assert pins.pin(17).state == 0


def test_a_pin_of_one_concept_leaves_the_others_alone(started, pins):
    one = started("gpio:17?concept=grün")
    assert not one.act(event())
    assert pins.pin(17).state == 0


def test_a_pin_is_low_after_it_is_closed(context, pins):
    one = action("gpio:17", context)
    one.start()
    one.act(event())
    one.close(1)
    assert pins.pin(17).state == 0


# --- mqtt ------------------------------------------------------------------------------------------------------------


def test_home_assistant_is_told_of_every_concept(started, broker):
    started("mqtt")
    configs = [json.loads(text) for topic, text in broker.topics.items() if topic.endswith("/config")]
    assert len(configs) == 4
    assert len({one["unique_id"] for one in configs}) == 4
    assert {one["availability_topic"] for one in configs} == {"farm/availability"}


def test_concepts_that_are_gone_are_taken_away_there(started, broker, names):
    one = started("mqtt")
    names.pop()
    one.act(event())
    assert [text for topic, text in broker.topics.items() if "binary_sensor" in topic].count("") == 1


def test_states_and_pictures_are_published_when_they_change(started, broker):
    one = started("mqtt")
    one.act(event())
    assert broker.topics["farm/gate/concept/ripe"] == "ON"
    assert json.loads(broker.topics["farm/gate/state"])["best"] == "ripe"
    assert broker.topics["farm/gate/picture"] == JPEG
    broker.topics.clear()
    one.act(event(changed=False))
    assert broker.topics == {}


def test_what_is_not_known_is_not_called_by_the_best_of_wrong_names(started, broker):
    started("mqtt").act(event(is_known=False, changed=False, active=()))
    assert json.loads(broker.topics["farm/gate/state"])["best"] == "unknown"


def test_names_that_no_topic_may_have_get_one_of_their_own():
    from edge.links.discovery import key

    assert key("ripe") == "ripe"
    assert len({key(name) for name in ("a/b", "a+b", "a b", "grün", "#", "ü")}) == 6
    assert all(set(key(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") for name in ("a/b", "grün", "#"))


def test_the_source_tree_has_an_action_for_every_name():
    for where in ACTIONS.values():
        module = where.partition(":")[0].replace(".", "/") + ".py"
        assert (Path(__file__).parents[2] / module).is_file()

"""Loops and a real mosquitto: one connection, what is retained, what is taken away, who may hear a password."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

pytest.importorskip("paho.mqtt")

from edge.engine.watching import watch
from edge.errors import InvalidArgument
from edge.watch.config import LoopConfig, WatchConfig
from edge.watch.decision import Rules
from tests.brokers import Mosquitto

LOOP = LoopConfig("gate", "fake://?fps=20", "colours", ("each",), ("mqtt",), Rules(smoothing=1))


@pytest.fixture
def mosquitto(tmp_path):
    broker = Mosquitto(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def run(taught, mosquitto):
    """``run(LoopConfig(...), ...)``: loops with that broker, until the test ends or they are stopped."""
    running = []

    def start(*loops, file="", mqtt=f"mqtt://127.0.0.1:{mosquitto.port}/farm"):
        made = watch(taught, WatchConfig(loops, mqtt=mqtt, file=file))
        running.append(made)
        made.start()
        return made

    yield start
    for one in running:
        one.stop(2.0)


def of(name):
    """Whether something is retained of a loop."""
    return lambda found: any(f"/{name}" in topic and payload for topic, payload in found.items())


def until(happens, seconds=20.0):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_all_who_name_a_broker_share_one_connection(run, mosquitto):
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    running = run(LOOP, replace(LOOP, name="door", trigger=(f"{url}/look",), then=(f"{url}/barn",)))
    assert len(running._brokers) == 1
    mosquitto.eventually(lambda found: "farm/gate/state" in found)
    until(lambda: next(iter(running._brokers.values())).state == "connected")
    time.sleep(0.3)
    mosquitto.publish("look", "now")
    found = mosquitto.eventually(lambda found: "barn/door/state" in found)
    assert found["farm/gate/availability"] == "online"
    assert running.loops[1].counters.triggers == 1


def test_a_loop_that_its_file_does_not_name_any_more_leaves_nothing(run, mosquitto):
    door = replace(LOOP, name="door")
    before = run(LOOP, door, file="/etc/watch.toml")
    mosquitto.eventually(lambda found: of("gate/state")(found) and of("door/state")(found))
    before.stop(2.0)
    running = run(door, file="/etc/watch.toml")
    mosquitto.eventually(lambda found: of("door/state")(found) and not of("gate")(found))
    until(lambda: next(iter(running._brokers.values())).state == "connected")
    running.stop(2.0)
    assert not list((running.folder / "gate").glob("mqtt-*.json"))
    assert list((running.folder / "door").glob("mqtt-*.json"))


def test_a_file_without_any_loop_at_its_broker_still_takes_away_what_it_left(run, mosquitto):
    run(LOOP, file="/etc/watch.toml").stop(2.0)
    assert of("gate")(mosquitto.retained())
    run(replace(LOOP, then=()), file="/etc/watch.toml")
    mosquitto.eventually(lambda found: not of("gate")(found))


def test_a_rehearsal_leaves_nothing_at_the_broker(taught, mosquitto):
    made = watch(taught, WatchConfig((LOOP,), mqtt=f"mqtt://127.0.0.1:{mosquitto.port}/farm"))
    assert [why for _, _, why in made.check()] == [None] * 3
    made.stop(0.0)
    assert mosquitto.retained(seconds=0.5) == {}
    assert not (made.folder / "gate").exists()


def test_a_rehearsal_says_that_a_broker_refuses(taught, tmp_path):
    refusing = Mosquitto(tmp_path, {"barn": "right"})
    made = watch(taught, WatchConfig((LOOP,), mqtt=f"mqtt://barn:wr0ng@127.0.0.1:{refusing.port}/farm"))
    whys = [why for _, what, why in made.check() if what == "mqtt"]
    made.stop(0.0)
    refusing.stop()
    assert "check user and password" in whys[0]
    assert "wr0ng" not in whys[0]


def test_a_password_is_in_no_log_and_in_no_file(run, tmp_path, caplog):
    folder = tmp_path / "refusing"
    folder.mkdir()
    refusing = Mosquitto(folder, {"barn": "right"})
    with caplog.at_level("DEBUG"):
        running = run(LOOP, mqtt=f"mqtt://barn:wr0ng@127.0.0.1:{refusing.port}/farm")
        until(lambda: "refuses" in caplog.text and running.loops[0].counters.predictions > 2)
        running.stop(2.0)
    refusing.stop()
    assert "wr0ng" not in caplog.text
    assert caplog.text.count("check user and password") == 1
    files = [one for one in running.folder.rglob("*") if one.is_file()]
    assert files
    assert not any(b"wr0ng" in one.read_bytes() for one in files)


@pytest.mark.parametrize("url", ["mqtt://", "http://h", "mqtt://h:0", "mqtt://h:x", "mqtt://h/a#b", "mqtt://h/a/+", "mqtt://h?x=1",
                                 "mqtt://[::1", "mqtt://" + "a" * 70, "mqtt://h/%00"])  # fmt: skip
def test_what_is_no_broker_is_refused_at_once(taught, url):
    with pytest.raises(InvalidArgument):
        watch(taught, WatchConfig((LOOP,), mqtt=url))

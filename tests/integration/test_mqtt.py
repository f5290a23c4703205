"""The link to a real mosquitto: what is retained, what is said when it breaks, what comes after a restart."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

pytest.importorskip("paho.mqtt")

from edge.links.mqtt import Broker
from tests.brokers import Mosquitto


@pytest.fixture
def mosquitto(tmp_path):
    broker = Mosquitto(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def broker(mosquitto):
    made = Broker(f"mqtt://127.0.0.1:{mosquitto.port}/barn")
    made.start()
    assert made.wait(10)
    yield made
    made.close()


def test_it_says_that_it_is_there_to_whoever_comes_later(broker, mosquitto):
    assert mosquitto.retained() == {"barn/availability": "online"}
    assert broker.state == "connected"


def test_it_says_goodbye_when_it_is_closed(mosquitto):
    made = Broker(f"mqtt://127.0.0.1:{mosquitto.port}/barn")
    made.start()
    assert made.wait(10)
    made.close()
    assert mosquitto.retained()["barn/availability"] == "offline"


def test_the_broker_says_it_for_a_program_that_was_killed(mosquitto):
    program = "import os, sys; from edge.links.mqtt import Broker; b = Broker(sys.argv[1]); b.start(); b.wait(10); "
    program += "__import__('time').sleep(0.2); os._exit(9)"
    url = f"mqtt://127.0.0.1:{mosquitto.port}/barn"
    assert subprocess.run([sys.executable, "-c", program, url], check=False).returncode == 9
    assert mosquitto.retained()["barn/availability"] == "offline"


def test_a_message_on_a_topic_is_heard(broker, mosquitto):
    heard = []
    broker.subscribe("door/opened", heard.append)
    time.sleep(0.2)
    mosquitto.publish("door/opened", "yes")
    until = time.monotonic() + 5
    while not heard and time.monotonic() < until:
        time.sleep(0.01)
    assert heard == [b"yes"]


def test_after_the_broker_was_started_anew_it_is_heard_and_published_to_again(broker, mosquitto):
    heard = []
    broker.subscribe("door/opened", heard.append)
    mosquitto.stop()
    broker.publish("barn/late", "kept meanwhile", retain=True)
    mosquitto.start()
    assert broker.wait(20)
    time.sleep(0.5)
    mosquitto.publish("door/opened", "again")
    time.sleep(0.5)
    assert heard == [b"again"]
    assert mosquitto.retained()["barn/late"] == "kept meanwhile"


def test_a_refused_password_is_said_without_it(tmp_path, caplog):
    mosquitto = Mosquitto(tmp_path, {"barn": "right"})
    made = Broker(f"mqtt://barn:wr0ng@127.0.0.1:{mosquitto.port}")
    with caplog.at_level("WARNING", "edge.links"):
        made.start()
        assert not made.wait(1)
    made.close()
    mosquitto.stop()
    assert "check user and password" in caplog.text
    assert "wr0ng" not in caplog.text + made.state + made.url


def test_the_right_password_is_taken(tmp_path):
    mosquitto = Mosquitto(tmp_path, {"barn": "r@ght"})
    made = Broker(f"mqtt://barn:r%40ght@127.0.0.1:{mosquitto.port}/x")
    made.start()
    assert made.wait(10)
    made.close()
    mosquitto.stop()


def test_a_broker_that_is_not_there_is_said_once(caplog):
    made = Broker("mqtt://127.0.0.1:9")
    with caplog.at_level("WARNING", "edge.links"):
        made.start()
        assert not made.wait(2.5)
    made.close()
    assert len([one for one in caplog.records if "does not answer" in one.message]) == 1

"""The link to a real mosquitto: what is retained, what is said when it breaks, what comes after a restart."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest

pytest.importorskip("paho.mqtt")

from edge.errors import RemoteRefused, RemoteUnavailable
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
    mosquitto.eventually(lambda found: found == {"barn/availability": "online"})
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


def heard_by(broker, topic):
    """What a trigger on a topic hears; the broker has said that it will tell."""
    heard = []
    broker.subscribe(topic, heard.append)
    time.sleep(0.3)
    return heard


def until(happens, seconds=20.0):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_message_on_a_topic_is_heard(broker, mosquitto):
    heard = heard_by(broker, "door/opened")
    mosquitto.publish("door/opened", "yes")
    until(lambda: heard == [b"yes"])


def test_a_message_from_before_is_no_news(broker, mosquitto):
    mosquitto.publish("door/opened", "last week", retain=True)
    heard = heard_by(broker, "door/opened")
    mosquitto.publish("door/opened", "now", retain=True)
    until(lambda: heard)
    assert heard == [b"now"]


def test_after_the_broker_was_started_anew_it_is_heard_and_published_to_again(broker, mosquitto):
    heard = heard_by(broker, "door/opened")
    mosquitto.stop()
    broker.publish("barn/late", "older", retain=True)
    broker.publish("barn/late", "kept meanwhile", retain=True)
    mosquitto.start()
    assert broker.wait(20)
    mosquitto.eventually(lambda found: found.get("barn/late") == "kept meanwhile")
    mosquitto.publish("door/opened", "again")
    until(lambda: heard == [b"again"])


def test_a_broker_that_lost_what_it_retained_is_told_again(broker, mosquitto):
    broker.publish("barn/state", "first", retain=True)
    broker.publish("barn/state", "newest", retain=True)
    mosquitto.eventually(lambda found: found.get("barn/state") == "newest")
    mosquitto.stop(forget=True)
    mosquitto.start()
    found = mosquitto.eventually(lambda found: "barn/state" in found and "barn/availability" in found)
    assert found == {"barn/availability": "online", "barn/state": "newest"}


def test_of_a_long_absence_the_newest_is_told_and_no_memory_is_needed(broker, mosquitto):
    mosquitto.stop()
    until(lambda: broker.state != "connected")
    for number in range(3000):
        broker.publish("barn/state", str(number), retain=True)
        broker.publish("barn/event", str(number))
    assert broker.dropped == 2000
    mosquitto.start()
    mosquitto.eventually(lambda found: found.get("barn/state") == "2999")


def test_events_of_a_short_absence_come_in_order(broker, mosquitto):
    mosquitto.stop()
    until(lambda: broker.state != "connected")
    for number in range(50):
        broker.publish("door/opened", str(number))
    mosquitto.start()
    heard = []
    broker.subscribe("door/opened", heard.append)
    until(lambda: heard == [str(number).encode() for number in range(50)])


def test_the_end_of_one_process_does_not_call_another_gone(mosquitto):
    url = f"mqtt://127.0.0.1:{mosquitto.port}/farm"
    made = {name: Broker(url) for name in ("gate", "door")}
    for name, one in made.items():
        one.serve(name, f"farm/{name}")
        one.start()
        assert one.wait(10)
    made["gate"].close()
    mosquitto.eventually(
        lambda found: found == {"farm/gate/availability": "offline", "farm/door/availability": "online"}
    )
    made["door"].close()


def test_a_check_connects_and_says_nothing(mosquitto):
    Broker(f"mqtt://127.0.0.1:{mosquitto.port}/farm").check()
    assert mosquitto.retained(seconds=0.5) == {}


def test_a_check_says_that_nobody_is_there():
    with pytest.raises(RemoteUnavailable, match="check that the broker runs"):
        Broker("mqtt://127.0.0.1:9").check()


def test_a_check_says_that_a_name_is_wrong():
    with pytest.raises(RemoteUnavailable, match=r"check the name no-such-host\.invalid"):
        Broker("mqtt://no-such-host.invalid").check()


def test_a_check_says_that_the_broker_refuses(tmp_path):
    mosquitto = Mosquitto(tmp_path, {"barn": "right"})
    with pytest.raises(RemoteRefused, match="check user and password") as refused:
        Broker(f"mqtt://barn:wr0ng@127.0.0.1:{mosquitto.port}").check()
    assert "wr0ng" not in str(refused.value)
    mosquitto.stop()


def test_an_encrypted_broker_is_believed_by_its_authority_only(tmp_path):
    mosquitto = Mosquitto(tmp_path, tls=True)
    url = f"mqtts://127.0.0.1:{mosquitto.port}/barn"
    Broker(url, environ={"EDGE_MQTT_CA": str(tmp_path / "ca.pem")}).check()
    with pytest.raises(RemoteUnavailable, match="name its authority's file in EDGE_MQTT_CA"):
        Broker(url, environ={}).check()
    mosquitto.stop()


def test_an_encrypted_connection_to_a_broker_that_is_not_is_said(mosquitto):
    with pytest.raises(RemoteUnavailable, match=r"write mqtt://|check that"):
        Broker(f"mqtts://127.0.0.1:{mosquitto.port}").check()


def test_closing_does_not_wait_for_a_broker_that_never_answers():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        made = Broker(f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
        made.start()
        assert not made.wait(0.3)
        begun = time.monotonic()
        made.close(1.0)
        assert time.monotonic() - begun < 4


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


def test_user_and_password_may_stand_in_the_environment(tmp_path):
    mosquitto = Mosquitto(tmp_path, {"barn": "r@ght"})
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    Broker(url, environ={"EDGE_MQTT_USER": "barn", "EDGE_MQTT_PASSWORD": "r@ght"}).check()
    with pytest.raises(RemoteRefused):
        Broker(url, environ={}).check()
    mosquitto.stop()


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

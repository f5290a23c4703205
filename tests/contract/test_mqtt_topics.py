"""What a loop publishes, with a broker in memory: states, pictures, entities, and nothing left behind."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("paho.mqtt")

from edge.links.announced import LeftBehind
from edge.links.discovery import key
from tests.contract.conftest import JPEG, action, event


def test_home_assistant_is_told_of_every_concept(started, broker):
    started("mqtt")
    configs = [json.loads(text) for topic, text in broker.topics.items() if topic.endswith("/config")]
    assert len(configs) == 4
    assert len({one["unique_id"] for one in configs}) == 4
    assert {one["availability_topic"] for one in configs} == {"farm/gate/availability"}


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
    assert key("ripe") == "ripe"
    assert len({key(name) for name in ("a/b", "a+b", "a b", "grün", "#", "ü")}) == 6
    assert all(set(key(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") for name in ("a/b", "grün", "#"))


def test_what_is_retained_of_a_concept_that_is_gone_is_emptied(started, broker, names):
    one = started("mqtt")
    one.act(event())
    names.pop(0)
    one.act(event(active=()))
    assert broker.retained["farm/gate/concept/ripe"] == ""
    assert broker.retained["farm/gate/concept/" + key("grün")] == "OFF"


def test_a_concept_that_went_while_nothing_ran_is_taken_away_by_the_next_start(context, broker, names):
    one = action("mqtt", context)
    one.start()
    one.act(event())
    one.close(1.0)
    announced = {topic for topic in broker.retained if "gr_n" in topic}
    assert len(announced) == 2
    names.pop()
    action("mqtt", context).start()
    assert {broker.retained[topic] for topic in announced} == {""}
    assert broker.retained["homeassistant/sensor/edge/gate/config"]


def test_discovery_that_is_switched_off_is_taken_away(context, broker):
    action("mqtt", context).start()
    action("mqtt?discovery=0", context).start()
    configs = [payload for topic, payload in broker.retained.items() if topic.startswith("homeassistant/")]
    assert configs == [""] * 4


def test_topics_that_moved_to_another_prefix_leave_nothing_at_the_old_one(context, broker):
    from dataclasses import replace

    one = action("mqtt", context)
    one.start()
    one.act(event())
    action("mqtt", replace(context, broker=lambda _: (broker, "barn"))).start()
    left = {topic for topic, payload in broker.retained.items() if topic.startswith("farm/") and payload}
    assert left == set()


@pytest.fixture
def left(context, broker, tmp_path):
    """``left(file, loops)``: what of the loop "gate", which has run, nobody looks after."""
    from dataclasses import replace

    def find(file, loops, by="watch.toml"):
        one = action("mqtt", replace(context, file=by))
        one.start()
        one.act(event())
        broker.loops.clear()
        found = LeftBehind(tmp_path, file, loops, [broker])
        found.take_away([broker])
        return found

    return find


def test_a_loop_that_its_file_does_not_name_any_more_is_taken_away(left, broker, tmp_path):
    left("watch.toml", ["door"]).close()
    assert set(broker.retained.values()) == {""}
    assert list(tmp_path.glob("*/mqtt-*.json")) == []


def test_a_loop_without_its_action_is_taken_away(left, broker):
    left("", ["gate"], by="")
    assert set(broker.retained.values()) == {""}


@pytest.mark.parametrize(("file", "by"), [("other.toml", "watch.toml"), ("", ""), ("watch.toml", "")])
def test_a_loop_that_another_process_may_run_is_left_alone(left, broker, file, by):
    assert left(file, ["door"], by=by).records == []
    assert "" not in broker.retained.values()


def test_what_a_broker_has_not_taken_away_yet_is_remembered(left, broker, tmp_path):
    broker.state = "connecting"
    left("watch.toml", ["door"]).close()
    assert len(list(tmp_path.glob("*/mqtt-*.json"))) == 1


def test_a_look_that_failed_is_said_once(started, broker):
    one = started("mqtt")
    one.act(event())
    one.act(event(failed="the camera gives no picture"))
    state = json.loads(broker.topics["farm/gate/state"])
    assert (state["best"], state["failed"]) == ("unknown", "the camera gives no picture")
    broker.topics.clear()
    one.act(event(failed="the camera gives no picture"))
    assert broker.topics == {}


def test_the_first_look_has_a_picture(started, broker):
    started("mqtt").act(event(changed=False))
    assert broker.topics["farm/gate/picture"] == JPEG


def test_picture_0_sends_none(started, broker):
    started("mqtt?picture=0").act(event())
    assert "farm/gate/picture" not in broker.topics

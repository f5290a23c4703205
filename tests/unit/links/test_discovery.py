"""What Home Assistant is told of a loop: the entities its documentation asks for, and no two of one name."""

import json

from edge.links.discovery import entities, key

DEVICE = {"id": "green house", "name": "Edge Concepts on greenhouse", "version": "1.2"}


def told(loop="gate", concepts=(("ripe", "Ripe"), ("grün", "Grün"))):
    found = entities(loop, concepts, f"farm/{key(loop)}", "farm/gate/availability", DEVICE)
    return {topic: json.loads(text) for topic, text in found.items()}


def test_a_loop_is_a_sensor_a_picture_and_a_binary_sensor_of_each_concept():
    assert sorted(topic.split("/")[1] for topic in told()) == ["binary_sensor", "binary_sensor", "image", "sensor"]
    assert all(topic.startswith("homeassistant/") and topic.endswith("/config") for topic in told())


def test_every_entity_says_where_its_state_is():
    kinds = {topic.split("/")[1]: one for topic, one in told(concepts=(("ripe", "Ripe"),)).items()}
    assert kinds["sensor"]["state_topic"] == kinds["sensor"]["json_attributes_topic"] == "farm/gate/state"
    assert kinds["image"]["image_topic"] == "farm/gate/picture"
    assert kinds["binary_sensor"]["state_topic"] == "farm/gate/concept/ripe"
    assert (kinds["binary_sensor"]["payload_on"], kinds["binary_sensor"]["payload_off"]) == ("ON", "OFF")


def test_every_entity_says_what_device_it_belongs_to_who_made_it_and_when_it_is_there():
    for one in told().values():
        assert one["device"]["name"] == DEVICE["name"]
        assert one["device"]["identifiers"] == [f"edge-{key('green house')}"]
        assert one["origin"] == {"name": "edge-concepts", "sw_version": "1.2"}
        assert one["availability_topic"] == "farm/gate/availability"


def test_loops_and_concepts_whose_names_look_alike_are_told_apart():
    looks = {"gate": ("a_ripe", "ripe", "picture"), "gate_a": ("ripe",), "gate a": ("ripe",), "gäte": ("ripe",)}
    found = [each for loop, ids in looks.items() for each in told(loop, [(id, id) for id in ids]).items()]
    assert len({topic for topic, _ in found}) == len(found) == 14
    kinds = [(topic.split("/")[1], one["unique_id"]) for topic, one in found]
    assert len(set(kinds)) == 14


def test_topics_have_only_what_topics_may_have():
    for topic in told("a/b #+", (("x/y#", "x"), ("", ""), ("🍅" * 200, "tomato"))):
        assert len(topic.split("/")) == 5
        assert not set("#+ ") & set(topic)
        assert len(topic.encode()) < 200

"""Home Assistant's MQTT discovery: what a loop's model looks like there.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery: a retained configuration per entity; an empty one takes
it away again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

ROOT = "homeassistant"


def entities(
    loop: str, concepts: Sequence[tuple[str, str]], base: str, availability: str, device: Mapping[str, str]
) -> dict[str, str]:
    """Discovery topic -> configuration, of a loop's state sensor, its picture, and one binary sensor per concept.

    ``concepts``: (id, name). ``base``: the loop's topics stand below it.
    """
    node = key(device.get("id", "edge"))
    common = {
        "availability_topic": availability,
        "device": {
            "identifiers": [f"edge-{node}"],
            "name": device.get("name", "Edge Concepts"),
            "manufacturer": "Edge Concepts",
            "model": device.get("model", "image concepts"),
            "sw_version": device.get("version", ""),
        },
        "origin": {"name": "edge-concepts", "sw_version": device.get("version", "")},
    }
    found = {
        f"{ROOT}/sensor/{node}/{key(loop)}/config": {
            **common,
            "name": loop,
            "unique_id": f"edge_{node}_{key(loop)}",
            "state_topic": f"{base}/state",
            "value_template": "{{ value_json.best }}",
            "json_attributes_topic": f"{base}/state",
            "icon": "mdi:eye",
        },
        f"{ROOT}/image/{node}/{key(loop)}/config": {
            **common,
            "name": f"{loop} picture",
            "unique_id": f"edge_{node}_{key(loop)}_picture",
            "image_topic": f"{base}/picture",
            "content_type": "image/jpeg",
        },
    }
    for id, name in concepts:
        one = key(f"{loop}/{id}")  # loop "a" with concept "b_c" is not loop "a_b" with concept "c"
        found[f"{ROOT}/binary_sensor/{node}/{one}/config"] = {
            **common,
            "name": f"{loop} {name}",
            "unique_id": f"edge_{node}_{one}",
            "state_topic": f"{base}/concept/{key(id)}",
            "payload_on": "ON",
            "payload_off": "OFF",
        }
    return {topic: json.dumps(config, ensure_ascii=False) for topic, config in found.items()}


def key(text: str) -> str:
    """A text as a part of a topic: letters, digits, - and _; others get a short digest, so that no two are alike."""
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "_", text).strip("_")[:40]
    return plain if plain == text else f"{plain}_{hashlib.sha256(text.encode()).hexdigest()[:8]}".lstrip("_")

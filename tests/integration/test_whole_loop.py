"""From a beam that is broken to a lamp that lights: a microcontroller, a camera with real photographs, the engine, the
answer on the wire, the message at the broker."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("paho.mqtt")
import skimage.data

from edge import Engine
from edge.engine.watching import watch
from edge.watch.config import LoopConfig, WatchConfig
from edge.watch.decision import Rules
from tests.brokers import Mosquitto
from tests.firmware import building
from tests.firmware.boards import Board

STRANGER = "an astronaut"


@pytest.fixture(scope="module")
def taught(tmp_path_factory, config, photographs):
    """An engine with the real backbone that tells bricks from grass, and a photograph of each it has not seen."""
    folder = tmp_path_factory.mktemp("whole")
    with Engine.open(folder / "store", config=config) as engine:
        for name in ("brick", "grass"):
            engine.add(photographs / "taught" / name, concepts=[name])
        engine.create_model("ground", ["brick", "grass"], mutually_exclusive=True).train().wait(120)
        yield engine


@pytest.fixture
def scenes(tmp_path, photographs):
    """``show("brick")`` changes what the camera sees; the folder it shows."""
    folder = tmp_path / "scene"
    folder.mkdir()

    def show(name):
        if name == STRANGER:
            pixels = skimage.data.astronaut()
        else:
            photo = min((photographs / "held-out" / name).iterdir())
            pixels = np.asarray(Image.open(photo).convert("RGB"))
        Image.fromarray(pixels).save(folder / "new", "JPEG", quality=92)
        (folder / "new").rename(folder / "now.jpg")  # the camera never sees half a picture

    show("brick")
    return folder, show


def run_loop(engine, port, scene, broker):
    config = WatchConfig(
        (
            LoopConfig(
                "gate",
                f"fake://?fps=20&folder={scene}",
                "ground",
                (f"serial:{port}",),
                ("serial", "mqtt", "store:changed"),
                Rules(smoothing=1, on=0.6, off=0.4),
                max_age=0.2,
            ),
        ),
        mqtt=f"mqtt://127.0.0.1:{broker.port}/farm",
    )
    return watch(engine, config)


def test_the_posix_board_gets_the_right_answer_and_the_broker_is_told(taught, scenes, tmp_path):
    broker = Mosquitto(tmp_path)
    folder, show = scenes
    with Board(str(building.posix()), "7001") as board:
        running = run_loop(taught, board.port, folder, broker)
        running.start()
        try:
            names = [id for id, _ in running._models("ground").names()]
            for name in ("brick", "grass"):
                show(name)
                time.sleep(0.4)
                board.say("trigger 1")
                _, _, concept, score, _, flags = board.expect("answer", 20).split()
                assert names[int(concept)] == name
                assert int(score) > 0.5 * 65535
                assert int(flags) in (0, 1)
            retained = broker.eventually(lambda found: found.get("farm/gate/concept/grass") == "ON")
        finally:
            running.stop()
    configs = {topic: json.loads(text) for topic, text in retained.items() if topic.startswith("homeassistant/")}
    kinds = sorted(topic.split("/")[1] for topic in configs)
    assert kinds == ["binary_sensor", "binary_sensor", "image", "sensor"]
    assert all(one["availability_topic"] == "farm/gate/availability" for one in configs.values())
    state = json.loads(retained["farm/gate/state"])
    assert state["best"] == "grass"
    assert retained["farm/gate/concept/grass"] == "ON"
    assert retained["farm/gate/concept/brick"] == "OFF"
    assert retained["farm/gate/availability"] == "online"
    broker.eventually(lambda found: found["farm/gate/availability"] == "offline")
    broker.stop()
    assert [one.source for one in taught.inputs(unlabelled=True)] == ["watch/gate"] * 2
    counters = running.loops[0].counters
    assert (counters.triggers, counters.predictions) == (2, 2)


def test_the_chip_in_the_simulator_gets_its_answer_from_the_whole_loop(taught, scenes, tmp_path):
    """Its lamp is lit while the last answer was a concept that is known."""
    broker = Mosquitto(tmp_path)
    folder, show = scenes
    with Board(str(building.simulator()), str(building.avr())) as chip:
        running = run_loop(taught, chip.port, folder, broker)
        running.start()
        try:
            link = next(iter(running._serials.values()))
            until = time.monotonic() + 20
            while link.state != "up" and time.monotonic() < until:
                time.sleep(0.02)
            chip.say("pin D2 0")
            assert chip.expect("PIN B5 1", 20)
            retained = broker.eventually(lambda found: found.get("farm/gate/concept/brick") == "ON")
            assert json.loads(retained["farm/gate/state"])["best"] == "brick"
            assert len([topic for topic in retained if topic.startswith("homeassistant/")]) == 4
            chip.say("pin D2 1")
            show(STRANGER)
            time.sleep(0.4)
            chip.say("pin D2 0")
            assert chip.expect("PIN B5 0", 20)
            retained = broker.eventually(lambda found: found.get("farm/gate/concept/brick") == "OFF")
            assert json.loads(retained["farm/gate/state"])["best"] == "unknown"
        finally:
            running.stop()
    broker.stop()
    assert not running.loops[0].last.prediction.is_known

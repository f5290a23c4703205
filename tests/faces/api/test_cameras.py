"""The device's cameras are opened for whoever looks, and given back."""

import time

import pytest

from edge.errors import NotFound
from edge.faces.api.cameras import Cameras


@pytest.fixture
def cameras():
    made = Cameras({"gate": "fake://?fps=50&width=32&height=24"}, idle=0.2)
    yield made
    made.close()


def test_a_camera_is_off_until_somebody_looks(cameras):
    assert cameras.states() == {"gate": "off"}
    assert cameras.camera("gate").newest(timeout=5) is not None
    assert cameras.states() == {"gate": "open"}


def test_a_camera_nobody_looks_at_is_given_back(cameras):
    camera = cameras.camera("gate")
    until = time.monotonic() + 5
    while camera.state != "closed" and time.monotonic() < until:
        time.sleep(0.02)
    assert cameras.states() == {"gate": "off"}


def test_a_camera_is_the_same_for_all_who_look(cameras):
    assert cameras.camera("gate") is cameras.camera("gate")


def test_a_camera_that_there_is_not_names_those_there_are(cameras):
    with pytest.raises(NotFound, match="gate"):
        cameras.camera("barn")

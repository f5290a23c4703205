"""Cameras on a cable. Where tests run there is no Video4Linux device and no picamera2: what is tested are stand-ins
that have the same calls, real devices that are no cameras, and packages that are missing."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from edge.camera.base import EndOfPictures
from edge.camera.catalogue import open_source
from edge.camera.fake import encoded, scene
from edge.errors import CameraUnavailable, RuntimeMissing


def test_a_device_that_is_not_there_names_those_that_are():
    with pytest.raises(CameraUnavailable, match="there are:"):
        open_source("v4l2:///dev/video97")


def test_a_device_that_is_no_camera_is_refused():
    with pytest.raises(CameraUnavailable, match="another program may use it"):
        open_source("v4l2:///dev/null")


def test_a_device_that_may_not_be_opened_names_the_group(monkeypatch):
    monkeypatch.setattr("edge.camera.video.os.access", lambda *_: False)
    with pytest.raises(CameraUnavailable, match="usermod -aG video"):
        open_source("v4l2:///dev/null")


@pytest.mark.parametrize(("url", "words"), [("v4l2:///dev/null", "camera]"), ("picamera://0", "python3-picamera2")])
def test_a_package_that_is_missing_is_named_with_how_to_get_it(monkeypatch, url, words):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(RuntimeMissing, match="install it with") as raised:
        open_source(url)
    assert words in str(raised.value)


class StandInVideo:
    """The calls of ``cv2.VideoCapture`` on a camera that makes JPEGs, or on one that does not."""

    makes_jpegs, jpeg = True, encoded(scene(1, 48, 64))

    def __init__(self, path, backend):
        self.asked, self.closed = {"path": path, "backend": backend}, False
        type(self).last = self

    def isOpened(self):  # noqa: N802 its name
        return True

    def set(self, key, value):
        self.asked[key] = value

    def get(self, _):
        return 0x47504A4D if self.makes_jpegs else 0x56595559

    def read(self):
        if self.makes_jpegs:
            return True, np.frombuffer(self.jpeg, np.uint8)[None]
        return True, scene(1, 48, 64)[..., ::-1]

    def release(self):
        self.closed = True


@pytest.mark.parametrize("makes_jpegs", [True, False])
def test_a_usb_camera_is_asked_for_small_jpegs_and_they_stay_as_they_are(monkeypatch, makes_jpegs):
    import cv2

    monkeypatch.setattr(cv2, "VideoCapture", StandInVideo)
    monkeypatch.setattr(StandInVideo, "makes_jpegs", makes_jpegs)
    source = open_source("v4l2:///dev/null?width=320&height=240")
    picture, _ = source.read()
    source.close()
    asked = StandInVideo.last.asked
    assert asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter_fourcc(*"MJPG")
    assert (asked[cv2.CAP_PROP_FRAME_WIDTH], asked[cv2.CAP_PROP_FRAME_HEIGHT]) == (320, 240)
    assert StandInVideo.last.closed
    assert picture == StandInVideo.jpeg if makes_jpegs else np.array_equal(picture, scene(1, 48, 64))


class StandInPi:
    """The calls of ``picamera2.Picamera2`` that are used; libcamera's "RGB888" lies in memory as BGR."""

    busy = unplugged = False

    @staticmethod
    def global_camera_info():
        return [{"Model": "imx708"}]

    def __init__(self, number):
        self.number, self.calls = number, []
        type(self).last = self

    def create_video_configuration(self, main, buffer_count):
        return {"main": main, "buffer_count": buffer_count}

    def configure(self, configuration):
        self.configuration = configuration

    def start(self):
        if self.busy:
            raise RuntimeError("Failed to acquire camera: Device or resource busy")

    def capture_array(self, stream):
        if self.unplugged:
            raise RuntimeError("camera frontend has timed out")
        width, height = self.configuration[stream]["size"]
        return scene(1, height, width)[..., ::-1]

    def stop(self):
        self.calls.append("stop")

    def close(self):
        self.calls.append("close")


@pytest.fixture
def pi(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=StandInPi))
    monkeypatch.setattr(StandInPi, "busy", False)
    monkeypatch.setattr(StandInPi, "unplugged", False)
    return StandInPi


def test_a_pi_camera_gives_rgb_of_a_small_main_stream_and_is_given_back(pi):
    source = open_source("picamera://0?width=320&height=240")
    picture, name = source.read()
    assert np.array_equal(picture, scene(1, 240, 320))
    assert name.startswith("picamera://0")
    source.close()
    with pytest.raises(EndOfPictures):
        source.read()
    assert pi.last.calls == ["stop", "close"]
    assert pi.last.configuration["main"]["format"] == "RGB888"


def test_a_pi_camera_that_is_busy_absent_or_comes_loose_says_what_to_do(pi, monkeypatch):
    with pytest.raises(CameraUnavailable, match="1 are connected"):
        open_source("picamera://1")
    source = open_source("picamera://0")
    monkeypatch.setattr(pi, "unplugged", True)
    with pytest.raises(CameraUnavailable, match="ribbon cable"):
        source.read()
    monkeypatch.setattr(pi, "busy", True)
    with pytest.raises(CameraUnavailable, match="another program"):
        open_source("picamera://0")
    assert "close" in pi.last.calls  # or no later attempt could have it

"""What every camera that can run here does.

The real ones are a clip made by ffmpeg, a web server, an RTSP server and a folder.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import threading
import time

import numpy as np
import PIL.Image
import pytest

from edge.camera.base import EndOfPictures
from edge.camera.catalogue import CAMERAS, open_source
from edge.camera.fake import encoded, scene
from edge.camera.newest import Camera
from edge.errors import CameraUnavailable, InvalidArgument
from edge.image import prepare
from edge.types import Preprocessing
from tests.rtsp_server import RtspServer
from tests.web_camera import WebCameras

SMALL = Preprocessing(32, 32)
FAST = (0.01, 0.02)


@pytest.fixture(scope="module")
def web():
    with WebCameras() as server:
        yield server


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    if shutil.which("ffmpeg") is None:
        pytest.fail("the clip is made by ffmpeg; install it with: apt-get install ffmpeg")
    made = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=10", "-t", "1", str(path)]
    subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture(scope="module")
def rtsp():
    with RtspServer() as server:
        yield server


@pytest.fixture(params=["fake", "folder", "file", "http-sized", "http-plain", "http-single", "rtsp"])
def url(request, web, tmp_path):
    if request.param == "fake":
        return "fake://?fps=100&width=64&height=48"
    if request.param == "folder":
        for number in range(5):
            (tmp_path / f"{number}.jpg").write_bytes(encoded(scene(number, 48, 64)))
        return f"folder://{tmp_path}?existing=1"
    if request.param == "rtsp":
        return f"rtsp://{request.getfixturevalue('rtsp').address}"
    if request.param == "file":
        return f"file://{request.getfixturevalue('clip')}"
    return web.at(request.param.removeprefix("http-"))


def test_it_gives_pictures_that_the_engine_takes(url):
    source = open_source(url)
    try:
        for _ in range(3):
            picture, name = source.read()
            assert name
            assert prepare(picture, SMALL).shape == (32, 32, 3)
    finally:
        source.close()


def test_closing_twice_harms_nothing(url):
    source = open_source(url)
    source.read()
    source.close()
    source.close()


def test_its_newest_picture_has_a_number_that_grows(url):
    with Camera(url) as camera:
        first = camera.newest(timeout=10)
        second = camera.newest(after=first.number, timeout=10)
        assert second.number > first.number
        assert second.at >= first.at
        assert camera.state == "open"


def test_it_can_be_closed_while_somebody_waits_for_a_picture(url):
    camera = Camera(url)
    camera.newest(timeout=10)
    threading.Timer(0.05, camera.close).start()
    assert camera.newest(after=10**9, timeout=10) is None
    camera.close()


@pytest.mark.parametrize("scheme", sorted(CAMERAS))
def test_every_scheme_refuses_or_reports_what_is_not_there(scheme):
    url = {"fake": "fake://?fault=missing", "picamera": "picamera://7"}.get(scheme, f"{scheme}://127.0.0.1:9/none")
    with pytest.raises((OSError, ImportError)) as raised:
        open_source(url).read()
    assert len(str(raised.value)) > 20


# --- the newest picture -----------------------------------------------------------------------------------------------


def test_pictures_nobody_takes_are_dropped_for_newer_ones():
    with Camera("fake://?fps=200&width=16&height=16") as camera:
        first = camera.newest(timeout=5)
        time.sleep(0.2)
        second = camera.newest(after=first.number, timeout=5)
    assert second.number > first.number + 1
    assert camera.dropped > 0


def test_a_patient_camera_drops_nothing():
    numbers = []
    with Camera("fake://?fps=0&count=30&width=16&height=16") as camera:
        while (capture := camera.newest(after=numbers[-1] if numbers else 0, timeout=5)) is not None:
            numbers.append(capture.number)
    assert numbers == list(range(1, 31))


def test_at_the_end_of_a_recording_nobody_waits(clip):
    with Camera(f"file://{clip}") as camera:
        number = 0
        while (capture := camera.newest(after=number, timeout=5)) is not None:
            number = capture.number
        assert number == 10
        assert camera.ended


def test_a_camera_that_disappears_is_opened_again_and_says_so():
    states = set()
    with Camera("fake://?fps=500&width=16&height=16&fault=gone", back_off=FAST) as camera:
        number = 0
        while number < 35:
            capture = camera.newest(after=number, timeout=5)
            states.add(camera.state)
            number = capture.number
    assert number >= 35


def test_a_camera_that_is_missing_says_when_it_is_tried_again():
    with Camera("fake://?fault=missing", back_off=(5.0,)) as camera:
        assert camera.newest(timeout=0.2) is None
        assert "trying again in 5 s" in camera.state


def test_damaged_pictures_are_passed_on_for_the_engine_to_refuse():
    with Camera("fake://?fps=100&fault=corrupt") as camera:
        assert camera.newest(timeout=5) is not None


def test_a_reason_is_logged_once_however_often_it_is_tried(caplog):
    with caplog.at_level("WARNING", "edge.camera"), Camera("fake://?fault=missing", back_off=FAST) as camera:
        camera.newest(timeout=0.3)
    assert len(caplog.records) == 1


# --- recordings and fakes ---------------------------------------------------------------------------------------------


def test_a_clip_that_is_none_is_refused(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"not a film" * 100)
    with pytest.raises(CameraUnavailable, match="no recording"):
        open_source(f"file://{tmp_path / 'clip.mp4'}")


def test_a_recording_keeps_its_colours(clip):
    picture, _ = open_source(f"file://{clip}").read()
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8


def test_a_single_picture_is_a_camera_with_one_picture(tmp_path):
    data = encoded(scene(1, 16, 16))
    (tmp_path / "one.jpg").write_bytes(data)
    source = open_source(str(tmp_path / "one.jpg"))
    assert source.read()[0] == data
    with pytest.raises(EndOfPictures):
        source.read()


def test_a_fake_camera_that_changes_its_size_does_and_one_that_is_black_is():
    sizes = open_source("fake://?fps=0&fault=sizes&width=64&height=48")
    shapes = {np.asarray(PIL.Image.open(io.BytesIO(sizes.read()[0]))).shape for _ in range(5)}
    black = open_source("fake://?fps=0&fault=black")
    assert len(shapes) > 1
    assert np.asarray(PIL.Image.open(io.BytesIO(black.read()[0]))).max() == 0


@pytest.mark.parametrize(
    "text", ["gopher://x", "fake://?colour=red", "fake://?fps=lots", "fake://?fault=fire", "a\nb", "v" * 3000]
)
def test_what_is_no_camera_is_refused_with_what_would_be(text):
    with pytest.raises(InvalidArgument):
        open_source(text)

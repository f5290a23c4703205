"""What every camera that can run here does. The real ones are a clip made by ffmpeg, a web server and a folder."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
import time

import numpy as np
import pytest

from edge.camera.base import EndOfPictures
from edge.camera.catalogue import CAMERAS, open_source
from edge.camera.fake import encoded, scene
from edge.camera.newest import Camera
from edge.errors import CameraUnavailable, InvalidArgument
from edge.image import prepare
from edge.types import Preprocessing

SMALL = Preprocessing(32, 32)
FAST = (0.01, 0.02)


class Pushing(http.server.BaseHTTPRequestHandler):
    """A web camera: /sized and /plain push pictures, /single gives one, and the rest misbehaves."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        getattr(self, f"do_{self.path.strip('/').partition('?')[0]}")()

    def start(self, kind, **headers):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def do_sized(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        for number in range(200):
            data = encoded(scene(number, 48, 64))
            self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
            self.wfile.write(data + b"\r\n")
            if self.server.stop.wait(0.02):
                return

    def do_plain(self):
        self.start('multipart/x-mixed-replace; boundary="--frame"', Connection="close")
        self.close_connection = True
        self.wfile.write(b"--frame\r\n")
        for number in range(200):
            self.wfile.write(b"Content-Type: image/jpeg\r\n\r\n" + encoded(scene(number, 48, 64)) + b"\r\n--frame\r\n")
            if self.server.stop.wait(0.02):
                return

    def do_single(self):
        data = encoded(scene(1, 48, 64))
        self.start("image/jpeg", **{"Content-Length": str(len(data))})
        self.wfile.write(data)

    def do_page(self):
        self.start("text/html", **{"Content-Length": "2"})
        self.wfile.write(b"hi")

    def do_huge(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        self.wfile.write(b"--frame\r\nContent-Length: 99999999999\r\n\r\n")

    def do_endless(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        self.wfile.write(b"--frame\r\n\r\n")
        try:
            while not self.server.stop.is_set():
                self.wfile.write(bytes(1 << 20))
        except OSError:
            pass

    def do_dripping(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        try:
            while not self.server.stop.wait(0.05):
                self.wfile.write(b"x")
        except OSError:
            pass

    def do_html_parts(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        for _ in range(3):
            self.wfile.write(b"--frame\r\nContent-Length: 6\r\n\r\n<html>\r\n")

    def do_away(self):
        self.send_response(302)
        self.send_header("Location", "file:///etc/passwd")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_circle(self):
        self.send_response(302)
        self.send_header("Location", "/circle")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_locked(self):
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pushing)
    server.daemon_threads = True
    server.asked, server.stop = [], threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.stop.set()
    server.shutdown()
    server.server_close()


def at(web, path, user=""):
    return f"http://{user}127.0.0.1:{web.server_address[1]}/{path}"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    if shutil.which("ffmpeg") is None:
        pytest.fail("the clip is made by ffmpeg; install it with: apt-get install ffmpeg")
    made = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=10", "-t", "1", str(path)]
    subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture(params=["fake", "folder", "file", "http-sized", "http-plain", "http-single"])
def url(request, web, tmp_path):
    if request.param == "fake":
        return "fake://?fps=100&width=64&height=48"
    if request.param == "folder":
        for number in range(5):
            (tmp_path / f"{number}.jpg").write_bytes(encoded(scene(number, 48, 64)))
        return f"folder://{tmp_path}?existing=1"
    if request.param == "file":
        return f"file://{request.getfixturevalue('clip')}"
    return at(web, request.param.removeprefix("http-"))


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


# --- the newest picture ----------------------------------------------------------------------------------------------


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


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_gives_what_is_put_into_it_from_now_on(tmp_path):
    (tmp_path / "old.jpg").write_bytes(encoded(scene(1, 16, 16)))
    with Camera(f"folder://{tmp_path}") as camera:
        assert camera.newest(timeout=0.6) is None
        (tmp_path / "new.jpg").write_bytes(encoded(scene(2, 16, 16)))
        assert camera.newest(timeout=5).source.endswith("new.jpg")


def test_a_file_that_is_still_being_written_is_waited_for(tmp_path):
    data = encoded(scene(1, 64, 64))
    with Camera(f"folder://{tmp_path}") as camera, (tmp_path / "slow.jpg").open("wb") as file:
        for part in (data[:100], data[100:200]):
            file.write(part)
            file.flush()
            assert camera.newest(timeout=0.6) is None
        file.write(data[200:])
        file.flush()
        assert camera.newest(timeout=5).picture == data


def test_a_folder_leaves_texts_links_and_hidden_files_alone(tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(encoded(scene(1, 16, 16)))
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    (folder / ".b.jpg").write_bytes(b"x")
    (folder / "c.jpg").symlink_to(secret)
    with Camera(f"folder://{folder}?existing=1") as camera:
        assert camera.newest(timeout=0.8) is None


def test_a_folder_that_goes_away_is_a_camera_that_goes_away(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    source = open_source(f"folder://{folder}")
    folder.rmdir()
    with pytest.raises(CameraUnavailable, match="make it, or mount"):
        source.read()


# --- the network -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["page", "away", "circle", "locked"])
def test_a_web_address_that_is_no_camera_says_why(web, path):
    with pytest.raises(CameraUnavailable, match="gives no pictures"):
        open_source(at(web, path))


@pytest.mark.parametrize("path", ["huge", "endless"])
def test_a_picture_without_end_is_cut_off(web, path):
    source = open_source(at(web, path))
    with pytest.raises(CameraUnavailable):
        source.read()
    source.close()


def test_a_server_that_drips_is_given_up(web, monkeypatch):
    monkeypatch.setattr("edge.camera.mjpeg._TIMEOUT", 0.5)
    source = open_source(at(web, "dripping"))
    with pytest.raises(CameraUnavailable, match="no whole picture"):
        source.read()
    source.close()


def test_a_part_that_is_no_picture_is_left_out(web):
    with Camera(at(web, "html_parts"), back_off=FAST) as camera:
        assert camera.newest(timeout=0.3) is None


def test_the_password_is_sent_to_the_camera_and_shown_to_nobody(web, caplog):
    with Camera(at(web, "single?token=abc", user="me:s3cret@")) as camera:
        assert camera.newest(timeout=5) is not None
        assert "s3cret" not in camera.url + camera.state + camera.peek().source
        assert "abc" not in camera.url
    assert any("Basic" in headers.get("Authorization", "") for _, headers in web.asked)
    assert "s3cret" not in caplog.text


# --- recordings and devices ------------------------------------------------------------------------------------------


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


def test_a_device_that_is_not_there_names_those_that_are():
    with pytest.raises(CameraUnavailable, match="there are:"):
        open_source("v4l2:///dev/video97")


@pytest.mark.parametrize(
    "text", ["gopher://x", "fake://?colour=red", "fake://?fps=lots", "fake://?fault=fire", "a\nb", "v" * 3000]
)
def test_what_is_no_camera_is_refused_with_what_would_be(text):
    with pytest.raises(InvalidArgument):
        open_source(text)

"""Cameras on the network: what they push, what they ask for, and what hostile ones try."""

from __future__ import annotations

import threading
import time

import pytest

from edge.camera.base import EndOfPictures
from edge.camera.catalogue import open_source
from edge.camera.fake import encoded, scene
from edge.camera.newest import Camera
from edge.camera.urls import redacted
from edge.errors import CameraUnavailable, InvalidArgument
from tests.rtsp_server import RtspServer
from tests.web_camera import WebCameras

FAST = (0.01, 0.02)


@pytest.fixture(scope="module")
def web():
    with WebCameras() as server:
        yield server


@pytest.mark.parametrize("path", ["page", "away", "circle", "locked"])
def test_a_web_address_that_is_no_camera_says_why(web, path):
    with pytest.raises(CameraUnavailable, match="gives no pictures"):
        open_source(web.at(path))


@pytest.mark.parametrize("path", ["huge", "endless", "gigabytes", "short"])
def test_a_picture_without_end_is_cut_off(web, path):
    source = open_source(web.at(path))
    with pytest.raises(CameraUnavailable):
        source.read()
    source.close()


def test_a_server_that_drips_is_given_up(web, monkeypatch):
    monkeypatch.setattr("edge.camera.mjpeg._TIMEOUT", 0.5)
    source = open_source(web.at("dripping"))
    with pytest.raises(CameraUnavailable, match="no whole picture"):
        source.read()
    source.close()


def test_a_server_that_drips_its_head_or_a_single_picture_is_given_up(web, monkeypatch):
    monkeypatch.setattr("edge.camera.mjpeg._TIMEOUT", 0.4)
    with pytest.raises(CameraUnavailable):
        open_source(web.at("slow_head"))
    source = open_source(web.at("slow_single"))
    with pytest.raises(CameraUnavailable, match="no whole picture"):
        source.read()
    source.close()


def test_closing_ends_a_wait_for_a_silent_camera(web):
    source, ended = open_source(web.at("quiet")), []

    def wait():
        try:
            source.read()
        except EndOfPictures:
            ended.append(True)

    reader = threading.Thread(target=wait)
    reader.start()
    time.sleep(0.05)
    source.close()
    reader.join(5)  # half of what a silent camera is given
    assert ended == [True]


def test_a_jpeg_of_the_network_stays_the_bytes_it_was(web):
    source = open_source(web.at("sized"))
    assert source.read()[0] == encoded(scene(0, 48, 64))
    source.close()


def test_a_part_that_is_no_picture_is_left_out(web):
    with Camera(web.at("html_parts"), back_off=FAST) as camera:
        assert camera.newest(timeout=0.3) is None


def test_the_password_is_sent_to_the_camera_and_shown_to_nobody(web, caplog):
    with Camera(web.at("single?token=abc", user="me:s3cret@")) as camera:
        assert camera.newest(timeout=5) is not None
        assert "s3cret" not in camera.url + camera.state + camera.peek().source
        assert "abc" not in camera.url
    assert any("Basic" in headers.get("Authorization", "") for _, headers in web.asked)
    assert "s3cret" not in caplog.text


def test_a_password_with_a_slash_in_it_is_not_shown_either():
    assert redacted("rtsp://me:s3/cr?et@10.0.0.7/1 and more") == "rtsp://me:***@10.0.0.7/1 and more"
    assert redacted("http://host:8080/a@b?x=1") == "http://host:8080/a@b?x=1"
    assert redacted("mqtt://me:a@b@host:1883") == "mqtt://me:***@host:1883"


@pytest.mark.parametrize("url", ["http://me:s3/cret@host/", "rtsp://me:s3/cret@host/", "http://me:s3\u2100cret@host/"])
def test_a_password_that_should_have_been_escaped_is_refused_without_being_shown(url):
    with pytest.raises(InvalidArgument, match="%2F") as raised:
        Camera(url)
    assert "s3" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_rtsp_is_asked_for_over_tcp_with_its_password_and_gives_rgb(capfd):
    with RtspServer(password="s3/cret") as server:
        source = open_source(f"rtsp://me:s3%2Fcret@{server.address}")
        picture, name = source.read()
        source.close()
        with pytest.raises(CameraUnavailable, match="user and password") as raised:
            open_source(f"rtsp://me:wr0ng@{server.address}")
    assert "RTP/AVP/TCP" in server.transports[0]
    assert picture.shape == (48, 64, 3)
    assert picture[..., 0].max() > 180 > picture[..., 2].max()  # the disc is red
    assert "cret" not in name
    assert "wr0ng" not in str(raised.value) + "".join(capfd.readouterr())


def test_an_rtsp_camera_that_falls_silent_is_one_that_went_away(monkeypatch):
    monkeypatch.setattr("edge.camera.video._OPEN_MS", 1000)
    monkeypatch.setattr("edge.camera.video._READ_MS", 500)
    with RtspServer(silent=True) as server, pytest.raises(CameraUnavailable):
        open_source(f"rtsp://{server.address}").read()

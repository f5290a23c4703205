"""Cameras by the scheme of their URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from edge.camera.base import Source
from edge.camera.urls import CameraUrl, parse
from edge.errors import InvalidArgument

# a new kind of camera is a file and a line here
CAMERAS = {
    "fake": "edge.camera.fake:FakeCamera",
    "folder": "edge.camera.folder:FolderCamera",
    "file": "edge.camera.video:FileCamera",
    "v4l2": "edge.camera.video:DeviceCamera",
    "rtsp": "edge.camera.video:StreamCamera",
    "rtsps": "edge.camera.video:StreamCamera",
    "http": "edge.camera.mjpeg:MjpegCamera",
    "https": "edge.camera.mjpeg:MjpegCamera",
    "picamera": "edge.camera.picamera:PiCamera",
}

Opener = Callable[[CameraUrl], Source]


def open_source(text: str, more: Mapping[str, Opener] | None = None) -> Source:
    """Open what a URL names; blocks while the device starts. ``more``: openers of further schemes.

    Raises InvalidArgument (no such scheme, a wrong option), CameraUnavailable, RuntimeMissing (a package is needed).
    """
    url = known(text, more)
    if more and url.scheme in more:
        return more[url.scheme](url)
    name = CAMERAS[url.scheme]
    module, _, attribute = name.partition(":")
    opener: Opener = getattr(import_module(module), attribute)
    return opener(url)


def known(text: str, more: Mapping[str, Opener] | None = None) -> CameraUrl:
    """A camera's URL whose scheme there is. Raises InvalidArgument."""
    url = parse(text)
    schemes = {*CAMERAS, *(more or ())}
    if url.scheme not in schemes:
        raise InvalidArgument(f"{url} is no camera; its scheme must be one of: {', '.join(sorted(schemes))}")
    return url

"""``picamera://0``: a camera on the Raspberry Pi's ribbon cable, through picamera2 of the operating system.

A small main stream (``width``, ``height``, default 640 x 480), RGB: libcamera scales on the sensor's side for nothing.
"""

from __future__ import annotations

import threading
from typing import Any

from edge.camera.base import EndOfPictures, Picture
from edge.camera.urls import CameraUrl
from edge.errors import CameraUnavailable, InvalidArgument, RuntimeMissing


class PiCamera:
    """Camera ``n`` of ``picamera://n``."""

    patient = False

    def __init__(self, url: CameraUrl) -> None:
        url.only("width", "height")
        number = (url.host or url.path.strip("/") or "0").strip()
        if not number.isdecimal() or len(number) > 2:
            raise InvalidArgument(f"{url} names no camera; the first one is picamera://0")
        size = (int(url.number("width", 640, 64, 4608)), int(url.number("height", 480, 64, 2592)))
        self._url = url
        self._closed = False
        self._guard = threading.Lock()
        self._camera = _open(int(number), size)

    def read(self) -> tuple[Picture, str]:
        """The next picture. Raises CameraUnavailable, EndOfPictures (closed)."""
        with self._guard:
            if self._closed:
                raise EndOfPictures
            try:
                picture = self._camera.capture_array("main")
            except RuntimeError as error:
                raise CameraUnavailable(f"{self._url} has stopped ({error}); check its ribbon cable") from error
        return picture[..., ::-1].copy(), str(self._url)  # libcamera's "RGB888" lies in memory as BGR

    def close(self) -> None:
        """Give the camera back."""
        self._closed = True
        with self._guard:
            self._camera.stop()
            self._camera.close()


def _open(number: int, size: tuple[int, int]) -> Any:
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise RuntimeMissing(
            "this camera needs picamera2 of Raspberry Pi OS; install it with: sudo apt install python3-picamera2, and "
            "make the environment with --system-site-packages"
        ) from error
    found = Picamera2.global_camera_info()
    if number >= len(found):
        raise CameraUnavailable(f"there is no camera {number}, {len(found)} are connected; rpicam-hello shows them")
    camera = None
    try:
        camera = Picamera2(number)
        camera.configure(camera.create_video_configuration(main={"size": size, "format": "RGB888"}, buffer_count=2))
        camera.start()
    except RuntimeError as error:
        if camera is not None:
            camera.close()
        raise CameraUnavailable(f"camera {number} does not start ({error}); another program may use it") from error
    return camera

"""Cameras by OpenCV: ``v4l2:///dev/video0``, ``rtsp://``, and recordings ``file://clip.mp4``.

The picture is asked for as small as is useful (``width`` and ``height`` in the query, default 640 x 480): the backbone
looks at a few hundred pixels, and decoding more is where the time would go.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.camera.base import EndOfPictures, Picture
from edge.camera.urls import CameraUrl
from edge.errors import CameraUnavailable, RuntimeMissing
from edge.image import SUFFIXES, read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OPEN_MS = 10_000
_READ_MS = 10_000


class _Video:
    """What the three have in common."""

    patient = False

    def __init__(self, url: CameraUrl) -> None:
        self._url = url
        self._guard = threading.Lock()
        self._closed = False
        self._cv2 = _opencv()
        self._capture: Any = self._open()

    def _open(self) -> Any:
        raise NotImplementedError

    def read(self) -> tuple[Picture, str]:
        """The next picture, RGB. Raises CameraUnavailable, EndOfPictures."""
        with self._guard:
            if self._closed:
                raise EndOfPictures
            good, picture = self._capture.read()
        if not good or picture is None:
            raise self._over()
        return self._rgb(picture), str(self._url)

    def _over(self) -> Exception:
        return CameraUnavailable(f"{self._url} has stopped giving pictures; check its cable or network")

    def _rgb(self, picture: NDArray[np.uint8]) -> Picture:
        rgb: NDArray[np.uint8] = self._cv2.cvtColor(picture, self._cv2.COLOR_BGR2RGB)
        return rgb

    def close(self) -> None:
        """Give the device back; waits for a ``read`` of another thread."""
        self._closed = True
        with self._guard:
            self._capture.release()

    def _set_size(self, capture: Any) -> None:
        capture.set(self._cv2.CAP_PROP_FRAME_WIDTH, self._url.number("width", 640, 16, 7680))
        capture.set(self._cv2.CAP_PROP_FRAME_HEIGHT, self._url.number("height", 480, 16, 4320))


class DeviceCamera(_Video):
    """A USB or other Video4Linux camera. Its pictures stay the JPEGs it makes, where it makes any."""

    def _open(self) -> Any:
        self._url.only("width", "height", "fps")
        path = self._url.path
        check_device(path)
        cv2 = self._cv2
        capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
        if not capture.isOpened():
            raise CameraUnavailable(f"{path} does not open as a camera; another program may use it (fuser {path})")
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*"MJPG"))
        self._set_size(capture)
        capture.set(cv2.CAP_PROP_FPS, self._url.number("fps", 15, 1, 240))
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)  # the JPEG itself, where the camera makes one
        self._encoded = int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter_fourcc(*"MJPG")
        if not self._encoded:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 1)
        return capture

    def _rgb(self, picture: NDArray[np.uint8]) -> Picture:
        if self._encoded and picture.ndim <= 2:
            data = picture.tobytes()
            if data[:2] == b"\xff\xd8":
                return data
        return super()._rgb(picture)


class StreamCamera(_Video):
    """A network camera. Over TCP, because half-lost pictures over UDP look like something new."""

    def _open(self) -> Any:
        cv2 = self._cv2
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
        settings = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS]
        capture = cv2.VideoCapture(self._url.text, cv2.CAP_FFMPEG, settings)
        if not capture.isOpened():
            raise CameraUnavailable(f"{self._url} does not answer; check its address, user and password")
        return capture


class FileCamera(_Video):
    """A recording, every picture of it, as fast as they are taken; or a single picture."""

    patient = True

    def __init__(self, url: CameraUrl) -> None:
        url.only()
        path = Path(url.path)
        if not path.is_file():
            raise CameraUnavailable(f"{path} is no file; give the path of a recording")
        self._single = path.suffix.lower() in SUFFIXES
        self._given = False
        if self._single:
            self._path = path
            return
        super().__init__(url)

    def _open(self) -> Any:
        capture = self._cv2.VideoCapture(self._url.path, self._cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise CameraUnavailable(f"{self._url.path} is no recording that can be read; convert it to MP4 or MJPEG")
        return capture

    def read(self) -> tuple[Picture, str]:
        """The next picture. Raises EndOfPictures, BadImage (too large)."""
        if not self._single:
            return super().read()
        if self._given:
            raise EndOfPictures
        self._given = True
        return read(self._path), str(self._path)

    def close(self) -> None:
        """Close the file."""
        if not self._single:
            super().close()

    def _over(self) -> Exception:
        return EndOfPictures()


def check_device(path: str) -> None:
    """Raises CameraUnavailable, saying why a device cannot be opened."""
    if not Path(path).exists():
        there = ", ".join(sorted(str(one) for one in Path("/dev").glob("video*"))) or "none"
        raise CameraUnavailable(f"there is no camera {path}; there are: {there}. Plug it in, or name another")
    if not os.access(path, os.R_OK | os.W_OK):
        raise CameraUnavailable(f"{path} may not be opened; join its group with: sudo usermod -aG video $USER")


def _opencv() -> Any:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # its messages may hold a URL with its password
    try:
        import cv2
    except ImportError as error:
        raise RuntimeMissing(
            "this camera needs OpenCV; install it with: pip install 'edge-concepts[camera]'"
        ) from error
    found: Any = cv2
    found.utils.logging.setLogLevel(0)
    return found

"""``bridge://``: pictures that a board sends over its serial link, as a camera."""

from __future__ import annotations

from edge.camera.base import EndOfPictures, Picture
from edge.errors import CameraUnavailable
from edge.links.serial import SerialLink


class BoardCamera:
    """Pictures that the board sends when it likes; a broken one is the camera's ``BadImage`` like any other."""

    patient = False

    def __init__(self, link: SerialLink) -> None:
        link.start()
        self._link = link
        self._number = 0
        self._closed = False

    def read(self) -> tuple[Picture, str]:
        """The next picture. Raises EndOfPictures (closed), CameraUnavailable (nothing for a minute)."""
        for _ in range(120):
            if self._closed:
                raise EndOfPictures
            found = self._link.wait_picture(self._number, 0.5)
            if found is not None:
                self._number = found[0]
                return found[1], self._link.url
        raise CameraUnavailable(f"the board on {self._link.url} has sent no picture for a minute; {self._link.state}")

    def close(self) -> None:
        """Stop waiting."""
        self._closed = True

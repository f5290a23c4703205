"""This device's own cameras: opened when somebody looks, given back when nobody has for a while.

A camera that loops watch with is shared: it stays theirs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from edge.camera.newest import Camera
from edge.errors import NotFound

IDLE = 60.0
"""Seconds without a look after which a camera is closed; another program may want it."""


class Cameras:
    """Cameras by name. Safe to use from several threads."""

    def __init__(self, urls: Mapping[str, str], *, idle: float = IDLE) -> None:
        self._urls = dict(urls)
        self._idle = idle
        self._guard = threading.Condition()
        self._open: dict[str, tuple[Camera, float]] = {}
        self._shared: dict[str, Camera] = {}
        self._closed = False
        self._keeper: threading.Thread | None = None

    def share(self, name: str, camera: Camera) -> None:
        """Show a camera that somebody else opened and will close."""
        with self._guard:
            self._shared[name] = camera

    def states(self) -> dict[str, str]:
        """Name -> how it is; "off" while nobody looks."""
        with self._guard:
            opened = {name: camera for name, (camera, _) in self._open.items()} | self._shared
            return {name: opened[name].state if name in opened else "off" for name in {**self._urls, **self._shared}}

    def camera(self, name: str) -> Camera:
        """An open camera. Raises NotFound."""
        with self._guard:
            if name in self._shared:
                return self._shared[name]
            if name not in self._urls or self._closed:
                names = ", ".join({**self._urls, **self._shared}) or "none; give one to the service with --camera"
                raise NotFound(f"this device has no camera {name!r}; it has: {names}")
            camera = self._open[name][0] if name in self._open else Camera(self._urls[name])
            self._open[name] = (camera, time.monotonic())
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="edge-cameras", daemon=True)
                self._keeper.start()
            return camera

    def close(self) -> None:
        """Give every camera back."""
        with self._guard:
            self._closed = True
            opened = [camera for camera, _ in self._open.values()]
            self._open.clear()
            self._guard.notify_all()
        for camera in opened:
            camera.close()
        if self._keeper is not None:
            self._keeper.join()

    def _keep(self) -> None:
        while True:
            with self._guard:
                if self._guard.wait_for(lambda: self._closed, self._idle / 4):
                    return
                late = time.monotonic() - self._idle
                gone = [self._open.pop(name)[0] for name, (_, used) in [*self._open.items()] if used < late]
            for camera in gone:
                camera.close()

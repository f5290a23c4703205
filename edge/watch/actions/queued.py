"""A queue with one worker behind an action that takes time: bounded, so that a slow target costs no memory."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from edge.camera.urls import redacted
from edge.errors import EdgeError
from edge.watch.said import Said

T = TypeVar("T")


class Worker(Generic[T]):
    """Does jobs one after the other in a thread. When ``most`` wait, the oldest is dropped and counted."""

    def __init__(self, name: str, loop: str, work: Callable[[T], None], most: int) -> None:
        self._name, self._work, self._most = name, work, most
        self._said = Said(loop, time.monotonic)
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._busy = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name=f"edge-{name}", daemon=True)
        self._thread.start()

    def put(self, job: T) -> None:
        """Queue a job."""
        with self._changed:
            self._waiting.append(job)
            if len(self._waiting) > self._most:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Finish what waits, within ``seconds``; the rest is dropped."""
        until = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._busy, seconds)
            self._closing = True
            self._changed.notify_all()
        self._thread.join(max(0.1, until - time.monotonic()))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting or self._closing:
                    return
                job, self._busy = self._waiting.popleft(), True
            try:
                self._work(job)
                self._said.works(self._name)
            except (EdgeError, OSError) as error:
                self._said.failed(self._name, redacted(str(error)))
            except Exception as error:  # noqa: BLE001 a bug in one job must not stop the next
                self._said.failed(self._name, f"unexpected {type(error).__name__}", error=error)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

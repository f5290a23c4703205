"""An event loop in a thread of its own: whoever calls may be inside one already, as in a notebook or a web service."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

T = TypeVar("T")
_SECONDS = 0.2
"""After which a signal is heard at the latest."""


class Loop:
    """Runs one coroutine after another, or several at once for several threads. It starts with the first."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._over: asyncio.Event | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What it returns or raises. A signal in the caller's thread, such as Ctrl-C, cancels it at once."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._running())
        try:
            while not wait([future], _SECONDS).done:
                pass  # the kernel may give a signal to another thread, and that wakes nobody who waits for a lock
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread; what runs is cancelled. May be called twice; a later ``run`` starts anew."""
        with self._guard:
            loop, thread, over = self._loop, self._thread, self._over
            self._loop = self._thread = self._over = None
        if loop is None or thread is None or over is None:
            return
        loop.call_soon_threadsafe(over.set)
        thread.join()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None:
                started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
                self._thread = threading.Thread(
                    target=lambda: asyncio.run(_until_over(started)), name="edge-remote", daemon=True
                )
                self._thread.start()
                self._loop, self._over = started.result()
            return self._loop


async def _until_over(started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    over = asyncio.Event()
    started.set_result((asyncio.get_running_loop(), over))
    await over.wait()

"""Fetches the pictures of inputs by URL in the background, and makes inputs of them."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

from edge.errors import EdgeError, InvalidArgument
from edge.faces.api import urls
from edge.faces.api.adding import Wanted, prepared, store
from edge.faces.api.fetches import Fetch
from edge.faces.api.statuses import DUPLICATE, Refused
from edge.store import NewInput

if TYPE_CHECKING:
    from edge.faces.api.core import Core

_THREADS = 3
_TRIES = 3
_LATER = 10.0


class Fetcher:
    """A few threads that work the queue off until they are stopped; what is not done then stays queued."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._busy: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._threads = [
            threading.Thread(target=self._run, name=f"edge-fetch-{number}", daemon=True) for number in range(_THREADS)
        ]

    def start(self) -> None:
        """Begin."""
        for one in self._threads:
            one.start()

    def close(self) -> None:
        """Stop once what is being fetched is there, at most after the time a fetch may take."""
        self._stop.set()
        self._core.fetches.wake.set()
        for one in self._threads:
            if one.is_alive():
                one.join(self._core.options.fetch_seconds)

    def _run(self) -> None:
        queue = self._core.fetches
        while not self._stop.is_set():
            try:
                one = self._take()
                if one is None:
                    queue.wake.wait(1.0)
                    queue.wake.clear()
                else:
                    self._work(one)
            except EdgeError as error:  # a full disk, a locked store: it stays queued
                print(f"inputs by URL wait: {error}", file=sys.stderr)
                self._stop.wait(_LATER)

    def _take(self) -> Fetch | None:
        with self._guard:
            now = time.monotonic()
            waiting = [id for id, when in self._not_before.items() if when > now]
            found = self._core.fetches.next([*self._busy, *waiting[:500]], 1)
            self._busy.update(one.id for one in found)
        return found[0] if found else None

    def _work(self, one: Fetch) -> None:
        try:
            self._finish(one, urls.fetch(one.url, self._core.options))
        except urls.Passing as refused:
            if self._core.fetches.failed_once_more(one.id) < _TRIES:
                self._not_before[one.id] = time.monotonic() + self._core.options.fetch_pause
            else:
                self._give_up(one, refused.details)
        except Refused as refused:
            self._give_up(one, refused.details)
        except EdgeError:
            raise
        except Exception:  # noqa: BLE001 a fault of ours must not stop the queue; the input says that there is one
            traceback.print_exc()
            self._give_up(one, "the service has a fault here; its log says where")
        finally:
            with self._guard:
                self._busy.discard(one.id)

    def _give_up(self, one: Fetch, details: str) -> None:
        self._core.fetches.fail(one.id, details)
        self._not_before.pop(one.id, None)

    def _finish(self, one: Fetch, data: bytes) -> None:
        """Make it an input, with what is said about it by now. Raises Refused (no picture)."""
        core, queue = self._core, self._core.fetches
        with core.working:
            new = prepared(core.engine, Wanted(one.id, data, one.url, {}, {}, True))
        if isinstance(new, Refused):
            raise new
        with queue.guard:
            now = queue.get([one.id]).get(one.id)
            if now is not None:  # else it was deleted meanwhile
                self._store(now, new)
                queue.forget([one.id])
        self._not_before.pop(one.id, None)

    def _store(self, one: Fetch, new: NewInput) -> None:
        from dataclasses import replace

        whole = replace(new, annotations=one.annotations, metadata=one.metadata)
        try:
            store(self._core.engine, [whole], by=one.by)
        except InvalidArgument as error:
            raise Refused(DUPLICATE, str(error)) from error

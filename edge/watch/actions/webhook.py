"""``webhook:URL``: an event as JSON by POST, queued on disk until the other side has taken it."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from edge.camera.urls import redacted
from edge.errors import InvalidArgument, StoreUnavailable
from edge.store.files import make_folder, write_durably
from edge.watch.actions import worth_saying
from edge.watch.actions.queued import log
from edge.watch.base import Event
from edge.watch.context import Context
from edge.watch.specs import Spec

_MOST = 1000
_TIMEOUT = 10.0
_BACK_OFF = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
_GIVE_UP = (400, 404, 405, 410, 413, 415, 422)
"""Answers that will not be another one tomorrow: the event is dropped, and said."""


class WebhookAction:
    """Every event with a change. Delivered at least once, in order; the header ``Idempotency-Key`` tells repetitions.

    At most 1 000 wait; then the oldest is dropped. What waits survives a restart.
    """

    name = "webhook"

    def __init__(self, spec: Spec, context: Context) -> None:
        parts = urlsplit(spec.rest)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidArgument(f"webhook takes an http or https address, not {redacted(spec.rest)!r}")
        self._url = spec.rest
        self._folder = context.folder / "webhook"
        self._changed = threading.Condition()
        self._closing = False
        self._until: float | None = None
        self._thread: threading.Thread | None = None
        self.dropped = 0
        self.failed: str | None = None

    def check(self) -> str:
        """Where events go."""
        return f"POST every change to {redacted(self._url)}"

    def start(self) -> None:
        """Begin to deliver, what was left from before first."""
        make_folder(self._folder)
        self._thread = threading.Thread(target=self._run, name="edge-webhook", daemon=True)
        self._thread.start()

    def act(self, event: Event) -> bool:
        """Queue an event, durably. Raises StoreUnavailable (the disk is full)."""
        if worth_saying(event):
            name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.json"
            try:
                write_durably(self._folder / name, json.dumps(event.document()).encode())
            except OSError as error:
                raise StoreUnavailable(f"an event cannot be queued ({error.strerror}); make room") from error
            with self._changed:
                self._changed.notify_all()
        return worth_saying(event)

    def close(self, seconds: float) -> None:
        """Deliver what can be within ``seconds``; the rest waits for the next start."""
        with self._changed:
            self._closing, self._until = True, time.monotonic() + seconds
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(seconds + _TIMEOUT)

    def _run(self) -> None:
        failures = 0
        while True:
            waiting = self._waiting()
            with self._changed:
                if self._closing and (not waiting or failures or time.monotonic() > (self._until or 0)):
                    return
                if not waiting:
                    self._changed.wait(60)
                    continue
            if self._deliver(waiting[0]):
                failures = 0
                continue
            with self._changed:
                self._changed.wait_for(lambda: self._closing, _BACK_OFF[min(failures, len(_BACK_OFF) - 1)])
            failures += 1

    def _waiting(self) -> list[Path]:
        names = sorted(one.name for one in self._folder.iterdir() if one.suffix == ".json")
        for name in names[:-_MOST]:
            (self._folder / name).unlink(missing_ok=True)
            self.dropped += 1
        return [self._folder / name for name in names[-_MOST:]]

    def _deliver(self, path: Path) -> bool:
        """Whether the event is done with."""
        try:
            status = self._post(path.read_bytes(), path.stem)
        except FileNotFoundError:
            return True
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._say(f"{redacted(self._url)} does not answer ({redacted(str(error))}); events wait on disk")
            return False
        if status >= 300 and status not in _GIVE_UP:
            self._say(f"{redacted(self._url)} answers {status}; events wait on disk")
            return False
        path.unlink(missing_ok=True)
        self._say(f"{redacted(self._url)} refuses events with {status}; check its address" if status >= 300 else None)
        return True

    def _say(self, failed: str | None) -> None:
        """Once, until it is another failure or over."""
        if failed is not None and failed != self.failed:
            log.warning("webhook: %s", failed)
        elif failed is None and self.failed is not None:
            log.info("webhook works again")
        self.failed = failed

    def _post(self, data: bytes, key: str) -> int:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": "edge-concepts"}
        request = urllib.request.Request(self._url, data, headers, method="POST")
        try:
            with _OPENER.open(request, timeout=_TIMEOUT) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return int(error.code)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would become a GET, or carry the event somewhere nobody named."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)

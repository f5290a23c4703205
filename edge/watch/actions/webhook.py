"""``webhook:URL``: an event as JSON by POST, queued on disk until the other side has taken it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from edge.camera.urls import redacted
from edge.errors import BadImage, InvalidArgument, RemoteUnavailable, StoreUnavailable
from edge.store.files import make_folder, write_durably
from edge.watch.actions import worth_saying
from edge.watch.actions.pictures import small
from edge.watch.base import Event
from edge.watch.context import Context
from edge.watch.said import Said
from edge.watch.specs import Spec

_MOST = 1000
_MOST_BYTES = 64 << 20
_TIMEOUT = 10.0
_BACK_OFF = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
_GIVE_UP = (400, 404, 405, 410, 413, 415, 422)
"""Answers that will not be another one tomorrow: the event is dropped, and said."""
_SAME_AGAIN = (307, 308)
"""Redirects that ask for the same POST elsewhere; others would have it become a GET."""
_MOST_HOPS = 3
_NAME = re.compile(r"[0-9]{12}-[0-9a-f]{16}\.json\Z")


class WebhookAction:
    """Every event with a change. Delivered at least once, in order; the header ``Idempotency-Key`` tells repetitions.

    At most 1 000 wait, with 64 MiB in all; then the oldest is dropped. What waits survives a restart, also one by a
    power cut. What stands behind a ``#`` is not part of the address: ``#picture=1`` sends a small JPEG along.
    """

    name = "webhook"

    def __init__(self, spec: Spec, context: Context) -> None:
        url, _, options = spec.rest.partition("#")
        given = dict(parse_qsl(options, keep_blank_values=True))
        Spec(spec.text, spec.name, "", given).only("picture")
        self._url, self._picture = url, given.get("picture", "0") not in ("0", "no", "false")
        self._shown = _checked(url)
        # the address without its secrets: a new token finds the queue of the old one
        name = hashlib.sha256(redacted(url).encode()).hexdigest()[:12]
        self._folder = context.folder / "webhook" / name
        self._changed = threading.Condition()
        self._closing = False
        self._until: float | None = None
        self._thread: threading.Thread | None = None
        self._number = 0
        self._dropping = False
        self._said = Said(context.loop, time.monotonic)
        self.dropped = 0
        self.failed: str | None = None

    def check(self) -> str:
        """Where events go. Raises RemoteUnavailable: nobody listens there."""
        parts = urlsplit(self._url)
        try:
            where = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection(where, _TIMEOUT / 2).close()
        except OSError as error:
            raise RemoteUnavailable(f"{self._shown} does not answer ({error}); check its address") from error
        return f"POST every change to {self._shown}" + (", with its picture" if self._picture else "")

    def start(self) -> None:
        """Begin to deliver, what was left from before first. Raises StoreUnavailable."""
        try:
            make_folder(self._folder)
            waiting = self._waiting()
        except OSError as error:
            raise StoreUnavailable(f"{self._folder} cannot be used ({error.strerror}); make room") from error
        self._number = int(waiting[-1].name.partition("-")[0]) if waiting else 0
        self._thread = threading.Thread(target=self._run, name="edge-webhook", daemon=True)
        self._thread.start()

    def act(self, event: Event) -> bool:
        """Queue an event, durably. Raises StoreUnavailable (the disk is full)."""
        if worth_saying(event):
            # by number, not by time: a board without a clock may live in 1970 after a power cut
            self._number += 1
            name = f"{self._number:012d}-{uuid.uuid4().hex[:16]}.json"
            try:
                write_durably(self._folder / name, json.dumps(self._document(event)).encode())
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
            self._thread.join(seconds)

    def _document(self, event: Event) -> dict[str, object]:
        document: dict[str, object] = event.document()
        if self._picture and event.capture is not None:
            try:
                data = small(event.capture.picture)
            except BadImage:
                return {**document, "picture": None}
            document["picture"] = {"media_type": "image/jpeg", "base64": base64.b64encode(data).decode()}
        return document

    # --- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while True:
            first = self._first()
            with self._changed:
                if self._closing and (first is None or failures or time.monotonic() > (self._until or 0)):
                    return
                if first is None:
                    self._changed.wait(5)
                    continue
            if self._deliver(first):
                failures = 0
                continue
            with self._changed:
                self._changed.wait_for(lambda: self._closing, _BACK_OFF[min(failures, len(_BACK_OFF) - 1)])
            failures += 1

    def _waiting(self) -> list[Path]:
        return sorted(one for one in self._folder.iterdir() if _NAME.match(one.name))

    def _first(self) -> Path | None:
        """The oldest event that waits; what is too much is dropped before."""
        try:
            waiting = self._waiting()
            over = _over(waiting)
            for one in waiting[:over]:
                one.unlink(missing_ok=True)
        except FileNotFoundError:  # another process delivers the same queue
            return None
        except OSError as error:
            self._say(f"what waits for {self._shown} cannot be read ({error.strerror}); check the disk")
            return None
        self.dropped += over
        if over and not self._dropping:
            self._said.failed("webhook's queue", f"too many events wait for {self._shown}; the oldest are dropped")
        self._dropping = bool(over) or len(waiting) > _MOST // 2
        return waiting[over] if over < len(waiting) else None

    def _deliver(self, path: Path) -> bool:
        """Whether the event is done with."""
        try:
            status = self._post(path.read_bytes(), path.stem)
        except FileNotFoundError:
            return True
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = type(error).__name__ if isinstance(error, http.client.HTTPException | ValueError) else error
            self._say(f"{self._shown} does not answer ({why}); events wait on disk")
            return False
        if 300 <= status < 400:
            self._say(f"{self._shown} answers {status}: it has moved; name its new address. Events wait on disk")
            return False
        if status >= 300 and status not in _GIVE_UP:
            self._say(f"{self._shown} answers {status}; events wait on disk")
            return False
        try:
            path.unlink(missing_ok=True)
        except OSError as error:  # it would come again at once, and for ever
            self._say(f"an event that {self._shown} has taken cannot be deleted ({error.strerror}); check the disk")
            return False
        self._say(f"{self._shown} refuses events with {status}; check its address" if status >= 300 else None)
        return True

    def _say(self, failed: str | None) -> None:
        """Once, until it is another failure or over."""
        self.failed = failed
        if failed is None:
            self._said.works("webhook")
        else:
            self._said.failed("webhook", failed)

    def _post(self, data: bytes, key: str) -> int:
        """The status of the answer. A redirect is followed if it asks for the same POST of the same host."""
        url = self._url
        for _ in range(_MOST_HOPS):
            status, location = _posted(url, data, key)
            there = urljoin(url, location or "")
            if status not in _SAME_AGAIN or not location or not _same_host(url, there):
                return status
            url = there
        return status


def _over(waiting: list[Path]) -> int:
    """How many of the oldest are too much. The newest never is."""
    sizes = [one.stat().st_size for one in waiting]
    over = max(0, len(sizes) - _MOST)
    while over < len(sizes) - 1 and sum(sizes[over:]) > _MOST_BYTES:
        over += 1
    return over


def _posted(url: str, data: bytes, key: str) -> tuple[int, str | None]:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": "edge-concepts"}
    parts = urlsplit(url)
    if parts.username is not None:  # http.client takes no user in an address
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        headers["Authorization"] = "Basic " + base64.b64encode(_user(parts.netloc)).decode()
    request = urllib.request.Request(url, data, headers, method="POST")
    try:
        with _OPENER.open(request, timeout=_TIMEOUT) as answer:
            return int(answer.status), None
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code), error.headers.get("Location")


def _user(netloc: str) -> bytes:
    user, _, password = netloc.rpartition("@")[0].partition(":")
    return f"{unquote(user)}:{unquote(password)}".encode()


def _same_host(url: str, other: str) -> bool:
    """Whether an event may be sent on: to the same host, and not from an encrypted address to one that is not."""
    here, there = urlsplit(url), urlsplit(other)
    ways = {("http", "http"), ("http", "https"), ("https", "https")}
    return here.hostname == there.hostname and (here.scheme, there.scheme) in ways


def _checked(url: str) -> str:
    """How an address is shown: its path is a secret, too, with most hooks. Raises InvalidArgument."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidArgument(f"webhook takes an http or https address ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or any(one <= " " or one == "\x7f" for one in url):
        raise InvalidArgument("webhook takes an http or https address, such as webhook:https://example.org/hook")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}/..."


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects are looked at by ``_post``: urllib would make a POST a GET."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)

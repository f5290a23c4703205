"""One client per broker, shared by triggers and actions. The only user of paho-mqtt.

Availability: a will says "offline" when the connection breaks, a message of our own when it ends in good order; both
are retained, so that whoever comes later knows. What is retained is kept here too, newest payload by topic, and said
again after every connection: a broker may have lost it (mosquitto writes it to disk every half hour), and what was
published while it was away would else be too old, or too much. So paho's own queue is for what is on its way only; it
resends that itself, which is why nothing is queued a second time.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import ssl
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from edge.camera.urls import redacted
from edge.errors import InvalidArgument, RemoteRefused, RemoteUnavailable, RuntimeMissing

log = logging.getLogger("edge.links")
_KEEPALIVE = 30
_CONNECT = 5.0
"""Seconds for a connection to be made."""
_ON_ITS_WAY = 200
"""Messages that paho may hold; some are pictures."""
_EVENTS = 1000
"""Messages that are not retained and wait for the broker; then the oldest is dropped."""


class Broker:
    """A connection to ``mqtt://user:password@host:1883`` (``mqtts://``: encrypted, 8883), kept up in the background.

    A user whom the URL does not name is ``EDGE_MQTT_USER`` with ``EDGE_MQTT_PASSWORD``; ``EDGE_MQTT_CA`` is a file with
    the authority that a broker of one's own is certified by. ``prefix``: what its topics begin with; the URL's path, or
    ``edge/HOSTNAME``. Raises InvalidArgument (no such address, no such file), RuntimeMissing.
    """

    def __init__(self, url: str, *, environ: Mapping[str, str] | None = None) -> None:
        parts = taken_apart(url)
        self.url = redacted(url)
        self.prefix = prefix_of(url)
        self._parts, self._environ = parts, os.environ if environ is None else environ
        self._where = str(parts.hostname), parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        self.place = f"{self._where[0]}:{self._where[1]}"
        """Which broker it is, without secrets."""
        self.loops: set[str] = set()
        self._owner = ""
        self._guard = threading.RLock()
        self._subscriptions: dict[str, list[Callable[[bytes], None]]] = {}
        self._retained: dict[str, str | bytes] = {}
        self._events: deque[tuple[str, str | bytes]] = deque(maxlen=_EVENTS)
        self._open = False
        self._missed = False
        self._up = threading.Event()
        self._said = ""
        self._begun = False
        self.dropped = 0
        """Messages that nobody will get: too many were waiting."""
        self._client = self._made()

    def _made(self) -> Any:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise RuntimeMissing("MQTT needs paho-mqtt; install it with: pip install 'edge-concepts[mqtt]'") from error
        # two clients of one id throw each other out for ever, so no two have the same, not even over a restart
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"edge-{secrets.token_hex(8)}")
        client.connect_timeout = _CONNECT
        self._secure(client)
        client.max_queued_messages_set(_ON_ITS_WAY)
        client.reconnect_delay_set(1, 60)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_connect_fail, client.on_message = self._not_connected, self._arrived
        client.on_subscribe = self._subscribed
        return client

    def _secure(self, client: Any) -> None:
        user, password = self._parts.username, self._parts.password or ""
        if user is None:
            user, password = self._environ.get("EDGE_MQTT_USER"), self._environ.get("EDGE_MQTT_PASSWORD", "")
        else:
            user, password = unquote(user), unquote(password)
        if user is not None:
            client.username_pw_set(user, password)
        if self._parts.scheme != "mqtts":
            return
        file = self._environ.get("EDGE_MQTT_CA") or None
        try:
            client.tls_set(ca_certs=file)
        except (OSError, ValueError) as error:
            raise InvalidArgument(f"EDGE_MQTT_CA: {file} holds no certificate ({error}); name a PEM file") from error

    # --- who we are ----------------------------------------------------------------------------------------------

    def serve(self, loop: str, base: str) -> None:
        """A loop publishes here, below ``base``. The first one's is where this connection says whether it is there:
        each process has another, so that the end of one does not call the others gone."""
        self.loops.add(loop)
        if not self._owner and not self._begun:
            self._owner = base

    @property
    def availability(self) -> str:
        """The topic that says "online" or "offline"."""
        return f"{self._owner or self.prefix}/availability"

    @property
    def state(self) -> str:
        """For people."""
        return "connected" if self._up.is_set() else self._said or "connecting"

    # --- running -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Connect once, say nothing, and leave. Raises RemoteUnavailable, RemoteRefused."""
        client, answered = self._made(), threading.Event()
        reasons: list[Any] = []

        def connected(client: Any, userdata: object, flags: object, reason: Any, properties: object) -> None:  # noqa: ARG001
            reasons.append(reason)
            answered.set()

        client.on_connect, client.on_disconnect = connected, lambda *_: answered.set()
        try:
            client.connect(*self._where, keepalive=_KEEPALIVE)
        except (OSError, ValueError) as error:
            raise RemoteUnavailable(self._why(error)) from error
        client.loop_start()
        answered.wait(_CONNECT)
        _left(client, 1.0)
        if not reasons:
            raise RemoteUnavailable(f"{self.url} is no broker, or does not answer; check its port")
        if reasons[0].is_failure:
            raise RemoteRefused(self._refusal(reasons[0]))

    def start(self) -> None:
        """Connect, in the background; a broker that is not there is tried until it is. Once is enough."""
        with self._guard:
            if self._begun:
                return
            self._begun = True
        self._client.will_set(self.availability, "offline", qos=1, retain=True)
        self._client.connect_async(*self._where, keepalive=_KEEPALIVE)
        self._client.loop_start()

    def wait(self, seconds: float) -> bool:
        """Wait until it is connected."""
        return self._up.wait(seconds)

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        """Send a message at least once. While the broker is away the newest of each retained topic waits, and at most
        1 000 others."""
        with self._guard:
            if retain:
                self._retained[topic] = payload
            if self._open:
                self._send(topic, payload, retain=retain)
            elif not retain:
                self.dropped += len(self._events) == _EVENTS
                self._events.append((topic, payload))

    def subscribe(self, topic: str, told: Callable[[bytes], None]) -> None:
        """Call ``told`` with every new message of a topic, from the client's thread. A retained one is no news: every
        connection would bring it again."""
        with self._guard:
            self._subscriptions.setdefault(topic, []).append(told)
            if self._up.is_set():
                self._client.subscribe(topic, qos=1)

    def close(self, seconds: float = 2.0) -> None:
        """Say "offline" and leave; what is on its way is sent first, within ``seconds`` in all."""
        if not self._begun:
            return
        if self._up.is_set():
            last = self._client.publish(self.availability, "offline", qos=1, retain=True)
            try:
                last.wait_for_publish(seconds)
            except (RuntimeError, ValueError):  # the connection broke at this very moment: the will says it
                log.debug("%s: left without a word", self.url)
        _left(self._client, max(0.5, seconds / 2))

    # --- inside the guard ----------------------------------------------------------------------------------------

    def _send(self, topic: str, payload: str | bytes, *, retain: bool) -> None:
        if self._missed:
            self._say_again()
        # offline is no failure here: paho has taken the message, and sends it when it is back
        full = self._client.publish(topic, payload, qos=1, retain=retain).rc == _QUEUE_FULL
        self._missed |= full and retain
        self.dropped += full and not retain

    def _say_again(self) -> None:
        self._missed = False
        for topic, payload in list(self._retained.items()):
            self._missed |= self._client.publish(topic, payload, qos=1, retain=True).rc == _QUEUE_FULL
        while self._events:
            self._client.publish(*self._events.popleft(), qos=1)

    # --- paho's thread -------------------------------------------------------------------------------------------

    def _connected(self, client: Any, userdata: object, flags: object, reason: Any, properties: object) -> None:  # noqa: ARG002
        if reason.is_failure:
            self._say(self._refusal(reason))
            return
        self._said = ""
        client.publish(self.availability, "online", qos=1, retain=True)
        with self._guard:
            self._up.set()
            for topic in (self.availability, *self._subscriptions):
                client.subscribe(topic, qos=1)
        log.info("%s: connected", self.url)

    def _subscribed(self, *_: object) -> None:
        """The broker's first answer. paho has begun by now to send what it still held of the former connection: what is
        said from here on comes after it, so that nothing old is retained over something new."""
        with self._guard:
            if not self._open and self._up.is_set():
                self._open = True
                self._say_again()

    def _disconnected(self, client: Any, userdata: object, flags: object, reason: Any, properties: object) -> None:  # noqa: ARG002
        with self._guard:
            was = self._up.is_set()
            self._up.clear()
            self._open = False
        if reason.is_failure and (was or not self._said):
            what = "is gone" if was else "does not keep the connection"
            self._say(f"{self.url} {what} ({reason}); connecting again")

    def _not_connected(self, client: Any, userdata: object) -> None:  # noqa: ARG002
        self._say(self._why(sys.exc_info()[1]))

    def _arrived(self, client: Any, userdata: object, message: Any) -> None:  # noqa: ARG002
        with self._guard:
            told = [] if message.retain else list(self._subscriptions.get(message.topic, ()))
        for one in told:
            try:
                one(bytes(message.payload))
            except Exception:  # somebody's bug must not end paho's thread
                log.exception("%s: %s", self.url, message.topic)

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            log.warning("%s", text)

    # --- words ---------------------------------------------------------------------------------------------------

    def _refusal(self, reason: object) -> str:
        return f"{self.url} refuses: {reason}; check user and password, in the URL or EDGE_MQTT_USER and _PASSWORD"

    def _why(self, error: BaseException | None) -> str:
        host, port = self._where
        if isinstance(error, ssl.SSLCertVerificationError):
            why = error.verify_message or str(error)
            return f"{self.url} is certified by nobody known here ({why}); name its authority's file in EDGE_MQTT_CA"
        if isinstance(error, ssl.SSLError):
            return f"{self.url} does not speak TLS on port {port}; write mqtt:// or name the port for mqtts"
        if isinstance(error, socket.gaierror):
            return f"{self.url} is not found; check the name {host}"
        return f"{self.url} does not answer ({error}); check that the broker runs, and its address"


_QUEUE_FULL = 15  # paho.mqtt.enums.MQTTErrorCode.MQTT_ERR_QUEUE_SIZE


def taken_apart(url: str) -> SplitResult:
    """A broker's address. Raises InvalidArgument."""
    try:
        parts = urlsplit(url)
        good = parts.port != 0 and (parts.hostname or "").encode("idna")
    except ValueError as error:  # a port that is none, half an IPv6 address, a label that is too long
        raise InvalidArgument(f"{redacted(url)} is no broker's address ({error})") from error
    if parts.scheme not in ("mqtt", "mqtts") or not good or parts.query or parts.fragment:
        raise InvalidArgument(f"a broker's address is mqtt://host or mqtt://user:password@host, not {redacted(url)}")
    return parts


def prefix_of(url: str) -> str:
    """What topics begin with: the URL's path, or ``edge/HOSTNAME``. Raises InvalidArgument."""
    prefix = unquote(taken_apart(url).path).strip("/") or f"edge/{socket.gethostname()}"
    if any(one in "#+" or ord(one) < 32 for one in prefix) or len(prefix) > 1000:
        raise InvalidArgument(f"topics cannot begin with {prefix[:80]!r}; write mqtt://host/prefix, without # and +")
    return prefix


def same_broker(url: str, other: str) -> bool:
    """Whether ``other`` names the broker at ``url``, with the same user or with none."""
    here, there = taken_apart(url), taken_apart(other)
    same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    return same and (there.username is None or (here.username, here.password) == (there.username, there.password))


def _left(client: Any, seconds: float) -> None:
    """Disconnect; paho's thread may sit in a connection that is just being made, and is not waited for longer."""
    client.disconnect()
    leaving = threading.Thread(target=client.loop_stop, name="edge-mqtt-leaving", daemon=True)
    leaving.start()
    leaving.join(seconds)

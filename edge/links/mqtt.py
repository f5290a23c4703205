"""One client per broker, shared by triggers and actions. The only user of paho-mqtt.

Availability: a will says "offline" when the connection breaks, a message of our own when it ends in good order; both
are retained, so that whoever comes later knows.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from edge.camera.urls import redacted
from edge.errors import InvalidArgument, RuntimeMissing

log = logging.getLogger("edge.links")
PREFIX = "edge"
_KEEPALIVE = 30


class Broker:
    """A connection to ``mqtt://user:password@host:1883/prefix`` (``mqtts://``: encrypted), kept up in the background.

    What is published while it is down is queued and sent when it is back.
    """

    def __init__(self, url: str, *, client_id: str | None = None) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InvalidArgument(f"{redacted(url)} is no broker's address ({error})") from error
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise InvalidArgument(
                f"a broker's address is mqtt://host or mqtt://user:password@host, not {redacted(url)}"
            )
        self.url = redacted(url)
        self._where = parts.hostname, port or (8883 if parts.scheme == "mqtts" else 1883)
        self.prefix = unquote(parts.path).strip("/") or f"{PREFIX}/{socket.gethostname()}"
        self._subscriptions: dict[str, list[Callable[[bytes], None]]] = {}
        self._guard = threading.Lock()
        self._up = threading.Event()
        self._said = ""
        self._begun = False
        self._client = self._made(client_id or f"edge-{socket.gethostname()}-{os.getpid()}-{id(self):x}", parts)

    def _made(self, client_id: str, parts: Any) -> Any:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise RuntimeMissing("MQTT needs paho-mqtt; install it with: pip install 'edge-concepts[mqtt]'") from error
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        if parts.username is not None:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            client.tls_set()
        client.will_set(self.availability, "offline", qos=1, retain=True)
        client.max_queued_messages_set(1000)
        client.reconnect_delay_set(1, 60)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_connect_fail, client.on_message = self._refused, self._arrived
        return client

    @property
    def availability(self) -> str:
        """The topic that says "online" or "offline"."""
        return f"{self.prefix}/availability"

    @property
    def state(self) -> str:
        """For people."""
        return "connected" if self._up.is_set() else self._said or "connecting"

    def start(self) -> None:
        """Connect, in the background; a broker that is not there is tried until it is."""
        try:
            self._client.connect_async(*self._where, keepalive=_KEEPALIVE)
        except ValueError as error:
            raise InvalidArgument(f"{self.url} is no broker's address ({error})") from error
        self._client.loop_start()

    def start_once(self) -> None:
        """``start``, unless somebody has."""
        with self._guard:
            begun, self._begun = self._begun, True
        if not begun:
            self.start()

    def wait(self, seconds: float) -> bool:
        """Wait until it is connected."""
        return self._up.wait(seconds)

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        """Send a message, at least once; queued while the broker is away."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def subscribe(self, topic: str, told: Callable[[bytes], None]) -> None:
        """Call ``told`` with every message of a topic, from the client's thread."""
        with self._guard:
            self._subscriptions.setdefault(topic, []).append(told)
        if self._up.is_set():
            self._client.subscribe(topic, qos=1)

    def close(self, seconds: float = 2.0) -> None:
        """Say "offline" and leave; what is queued is sent first, within ``seconds``."""
        if self._up.is_set():
            last = self._client.publish(self.availability, "offline", qos=1, retain=True)
            try:
                last.wait_for_publish(seconds)
            except (RuntimeError, ValueError):  # the connection broke at this very moment: the will says it
                log.debug("%s: left without a word", self.url)
        self._client.disconnect()
        self._client.loop_stop()

    # --- paho's thread -------------------------------------------------------------------------------------------

    def _connected(self, client: Any, userdata: object, flags: object, reason: Any, properties: object) -> None:  # noqa: ARG002
        if reason.is_failure:
            self._say(f"{self.url} refuses: {reason}; check user and password")
            return
        self._said = ""
        with self._guard:
            topics = list(self._subscriptions)
        for topic in topics:
            client.subscribe(topic, qos=1)
        client.publish(self.availability, "online", qos=1, retain=True)
        self._up.set()
        log.info("%s: connected", self.url)

    def _disconnected(self, client: Any, userdata: object, flags: object, reason: Any, properties: object) -> None:  # noqa: ARG002
        was = self._up.is_set()
        self._up.clear()
        if was and reason.is_failure:
            self._say(f"{self.url} is gone ({reason}); connecting again")

    def _refused(self, client: Any, userdata: object) -> None:  # noqa: ARG002
        self._say(f"{self.url} does not answer; check that the broker runs and its address")

    def _arrived(self, client: Any, userdata: object, message: Any) -> None:  # noqa: ARG002
        with self._guard:
            told = list(self._subscriptions.get(message.topic, ()))
        for one in told:
            try:
                one(bytes(message.payload))
            except Exception:  # somebody's bug must not end paho's thread
                log.exception("%s: %s", self.url, message.topic)

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            log.warning("%s", text)

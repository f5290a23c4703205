"""The link: a pure state machine, the same on both ends. Bytes and time in, bytes and events out.

It opens no port, reads no clock and starts no thread. ``docs/serial-protocol.md`` is the contract; the C side
(``firmware/src/edge_link.c``) has the same states under the same names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from firmware_bridge.events import Acknowledged, Down, Event, Heard, Message, RoundTrip, Up
from firmware_bridge.frame import RELIABLE, Decoder, Frame, encode
from firmware_bridge.messages import (
    BY_NAME,
    BY_NUMBER,
    ERRORS,
    LARGEST_PAYLOAD,
    REFUSED,
    TAKEN,
    UNKNOWN_TYPE,
    VERSION_MAX,
    VERSION_MIN,
    Kind,
)

HOST, BOARD = 0, 1
IDLE = 1.0
"""Seconds of silence after which a PING asks whether the other end is there."""
LOST = 3.5
"""Seconds of silence after which it is not."""
RESEND_FIRST, RESEND_MOST = 0.2, 2.0
HELLO_FIRST, HELLO_MOST = 0.25, 1.0
_HELLO_GAP = 0.05
_REMEMBERED = 2
_LEAST_PAYLOAD = 32
_NAME = (17, 24)
"""Bytes of the name in a HELLO of a host and of a board. A host's fits the smallest board."""

State = Literal["searching", "up", "incompatible"]


@dataclass
class Counts:
    """What happened on the line since the start."""

    sent: int = 0
    resent: int = 0
    received: int = 0
    duplicates: int = 0
    strays: int = 0
    malformed: int = 0


@dataclass
class _Outgoing:
    kind: Kind
    fields: Mapping[str, Any]
    payload: bytes
    sequence: int = 0
    due: float = 0.0
    wait: float = RESEND_FIRST


@dataclass
class _Peer:
    nonce: int = 0
    name: str = ""
    payload: int = LARGEST_PAYLOAD
    told: bool = False
    heard: float = 0.0
    taken: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Nonce -> last sequence that was taken, and how, of the newest sessions: a late HELLO of a former life confuses
    nobody."""
    before: int = 0


class Link:
    """One end. ``deliver`` takes a reliable message and returns ACK's status, or None: not now, send it again.

    ``nonce``: 1 to 2**32 - 1, another one for every start of this end. Reliable messages are sent one at a time, in
    order, again and again until the other end has taken them; over a cut line they wait.
    """

    def __init__(
        self,
        role: int,
        nonce: int,
        deliver: Callable[[Message], int | None],
        *,
        name: str = "",
        max_payload: int = LARGEST_PAYLOAD,
        resend: float = RESEND_FIRST,
    ) -> None:
        if not 0 < nonce < 2**32:
            raise ValueError("a nonce is a number from 1 to 2**32 - 1")
        self.role, self.nonce = role, nonce
        self.name = name.encode("utf-8", "replace")[: _NAME[role]].decode("utf-8", "ignore")
        self.max_payload = max_payload
        self.state: State = "searching"
        self.counts = Counts()
        self._deliver = deliver
        self._resend = resend
        self._decoder = Decoder(max_payload)
        self._peer = _Peer()
        self._queue: deque[_Outgoing] = deque()
        self._outstanding: _Outgoing | None = None
        self._sequence = 0
        self._out = bytearray()
        self._events: list[Event] = []
        self._hello_due, self._hello_wait, self._hello_last = 0.0, HELLO_FIRST, float("-inf")
        self._ping_due = 0.0

    # --- asking --------------------------------------------------------------------------------------------------

    @property
    def peer(self) -> str:
        """What the other end calls itself, or ""."""
        return self._peer.name

    @property
    def peer_nonce(self) -> int:
        """The other end's session, 0 while it is not known."""
        return self._peer.nonce

    @property
    def payload(self) -> int:
        """Bytes of payload that both ends can take."""
        return min(self.max_payload, self._peer.payload)

    @property
    def waiting(self) -> int:
        """Reliable messages that the other end has not taken yet."""
        return len(self._queue) + (self._outstanding is not None)

    @property
    def damaged(self) -> int:
        """Pieces of the line that were no frame."""
        return self._decoder.damaged + self._decoder.oversized

    # --- sending -------------------------------------------------------------------------------------------------

    def send(self, name: str, /, **fields: Any) -> None:
        """Queue a message. Raises ValueError for fields that it has not, or that do not fit its payload."""
        kind = BY_NAME[name]
        payload = kind.pack(**fields)
        if len(payload) > self.payload:
            raise ValueError(f"{name} has {len(payload)} bytes, the other end takes {self.payload}")
        if kind.reliable:
            self._queue.append(_Outgoing(kind, fields, payload))
        elif self.state == "up":
            self._frame(kind.number, payload)

    def withdraw(self, name: str, /) -> None:
        """Forget messages of a kind that the other end has not acknowledged: they have been overtaken."""
        self._queue = deque(one for one in self._queue if one.kind.name != name)
        if self._outstanding is not None and self._outstanding.kind.name == name:
            self._outstanding = None

    def send_latest(self, name: str, /, **fields: Any) -> None:
        """As ``send``, in place of others of its kind that wait; nothing where the same is under way."""
        one = self._outstanding
        if one is None or one.kind.name != name or one.fields != fields:
            self.withdraw(name)
            self.send(name, **fields)

    def cut(self, now: float) -> None:
        """The line is known to be gone: look for the other end at once when there is one again."""
        self._out.clear()
        self._lost("the port has gone away", now)

    def ping(self, now: float) -> None:
        """Ask whether the other end is there; a ``RoundTrip`` follows if it is."""
        if self.state == "up":
            self._ping_due = now

    def poll(self, now: float) -> bytes:
        """Bytes to be written now."""
        if self.state == "up":
            self._keep_alive(now)
        if self.state == "up":
            self._transmit(now)
        if now >= self._hello_due and self.state != "up":
            self._say_hello(now)
            self._hello_due = now + self._hello_wait
            self._hello_wait = min(HELLO_MOST, 2 * self._hello_wait)
        out = bytes(self._out)
        self._out.clear()
        return out

    def next(self, now: float) -> float:
        """Seconds until ``poll`` has something to do even if nothing arrives; 0: at once."""
        if self._out:
            return 0.0
        if self.state != "up":
            return max(0.0, self._hello_due - now)
        due = min(self._peer.heard + LOST, self._ping_due)
        if self._outstanding is not None:
            due = min(due, self._outstanding.due)
        elif self._queue:
            return 0.0
        return max(0.0, due - now)

    def events(self) -> list[Event]:
        """What happened since the last call."""
        found, self._events = self._events, []
        return found

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take what arrived; the events so far."""
        for frame in self._decoder.feed(data):
            self.counts.received += 1
            self._received(frame, now)
        return self.events()

    # --- what is due ---------------------------------------------------------------------------------------------

    def _keep_alive(self, now: float) -> None:
        silence = now - self._peer.heard
        if silence > LOST:
            self._lost("it has fallen silent", now)
        elif now >= self._ping_due:
            self._ping_due = now + IDLE
            self._frame(BY_NAME["PING"].number, BY_NAME["PING"].pack(time=int(now * 1000) & 0xFFFF))

    def _lost(self, reason: str, now: float) -> None:
        if self.state == "up":
            self._events.append(Down(reason))
        self.state = "searching"
        self._hello_due, self._hello_wait = now, HELLO_FIRST

    def _transmit(self, now: float) -> None:
        one = self._outstanding
        if one is None:
            if not self._queue:
                return
            one = self._outstanding = self._queue.popleft()
            self._sequence = self._sequence % 0xFFFF + 1
            one.sequence, one.wait = self._sequence, self._resend
        elif now < one.due:
            return
        else:
            self.counts.resent += 1
            one.wait = min(RESEND_MOST, 2 * one.wait)
        one.due = now + one.wait
        self._frame(one.kind.number, one.payload, RELIABLE, one.sequence)

    def _say_hello(self, now: float) -> None:
        peer = self._peer
        payload = BY_NAME["HELLO"].pack(
            version_min=VERSION_MIN,
            version_max=VERSION_MAX,
            role=self.role,
            nonce=self.nonce,
            peer_nonce=peer.nonce,
            max_payload=self.max_payload,
            name=self.name,
        )
        peer.told = peer.nonce != 0
        self._hello_last = now
        self.counts.sent += 1
        self._out += encode(Frame(BY_NAME["HELLO"].number, 0, 0, 0, payload))

    def _frame(self, type: int, payload: bytes, flags: int = 0, sequence: int = 0) -> None:
        self.counts.sent += 1
        self._out += encode(Frame(type, flags, sequence, self.nonce ^ self._peer.nonce, payload))

    def _acknowledge(self, sequence: int, status: int) -> None:
        self._frame(BY_NAME["ACK"].number, bytes((status,)), 0, sequence)

    # --- what arrives --------------------------------------------------------------------------------------------

    def _received(self, frame: Frame, now: float) -> None:
        kind = BY_NUMBER.get(frame.type)
        if kind is not None and kind.name == "HELLO":
            self._hello(frame, now)
            return
        if self._peer.nonce == 0 or frame.link != self.nonce ^ self._peer.nonce or self.state == "incompatible":
            # of another life of either end: say who is here
            self.counts.strays += 1
            self._greet(now)
            return
        self._peer.heard = now
        self._ping_due = now + IDLE
        if self.state != "up":  # it knows both nonces, so it has heard us
            self._up(now)
        if frame.reliable:
            self._reliable(kind, frame)
        else:
            self._unreliable(kind, frame, now)

    def _greet(self, now: float) -> None:
        if now - self._hello_last >= _HELLO_GAP:
            self._say_hello(now)

    def _hello(self, frame: Frame, now: float) -> None:
        try:
            said = BY_NAME["HELLO"].unpack(frame.payload)
        except ValueError:
            self.counts.malformed += 1
            return
        if said["role"] == self.role or not said["nonce"] or said["nonce"] == self.nonce:
            return  # our own echo, or two hosts on one line
        if min(said["version_max"], VERSION_MAX) < max(said["version_min"], VERSION_MIN):
            self._incompatible(said, now)
            return
        self._peer.heard = now
        if said["nonce"] != self._peer.nonce:
            if self.state == "up":
                self._events.append(Down("it has started anew"))
            self.state = "searching"
            self._peer.nonce, self._peer.told = said["nonce"], False
        self._peer.name, self._peer.payload = said["name"][: _NAME[BOARD]], max(said["max_payload"], _LEAST_PAYLOAD)
        if said["peer_nonce"] != self.nonce or not self._peer.told:
            self._say_hello(now)
        if said["peer_nonce"] == self.nonce and self.state != "up":
            self._up(now)

    def _up(self, now: float) -> None:
        restarted = self._peer.before not in (0, self._peer.nonce)
        self._peer.before = self._peer.nonce
        self.state = "up"
        self._hello_wait = HELLO_FIRST
        self._ping_due = now + IDLE
        if self._outstanding is not None:  # again, at once
            self._outstanding.due, self._outstanding.wait = now, self._resend / 2
        self._events.append(Up(self._peer.name, self._peer.nonce, restarted))

    def _incompatible(self, said: Mapping[str, Any], now: float) -> None:
        if self.state != "incompatible":
            theirs = f"{said['version_min']} to {said['version_max']}"
            self._events.append(Down(f"it speaks versions {theirs}, this end {VERSION_MIN} to {VERSION_MAX}"))
        self.state = "incompatible"
        self._hello_due = now + HELLO_MOST
        self._out += encode(
            Frame(BY_NAME["ERROR"].number, 0, 0, 0, BY_NAME["ERROR"].pack(code=ERRORS["version"], detail=VERSION_MAX))
        )

    def _reliable(self, kind: Kind | None, frame: Frame) -> None:
        last, status = self._peer.taken.get(self._peer.nonce, (frame.sequence - 1, TAKEN))
        if (frame.sequence - last - 1) & 0xFFFF < 0x7FFF:  # ahead of the last one: new
            found = self._taken(kind, frame)
            if found is None:
                return  # not now: it will be sent again
            status = found
            self._remember(frame.sequence, status)
        else:
            self.counts.duplicates += 1
        self._acknowledge(frame.sequence, status)

    def _taken(self, kind: Kind | None, frame: Frame) -> int | None:
        if kind is None or not kind.reliable or kind.sender == ("host" if self.role == HOST else "board"):
            self._complain("unknown type", frame.type)
            return UNKNOWN_TYPE
        try:
            fields = kind.unpack(frame.payload)
        except ValueError:
            self.counts.malformed += 1
            self._complain("malformed", frame.type)
            return REFUSED
        return self._deliver(Message(kind.name, fields, self._peer.nonce))

    def _remember(self, sequence: int, status: int) -> None:
        known = self._peer.taken
        known.pop(self._peer.nonce, None)
        known[self._peer.nonce] = sequence, status
        while len(known) > _REMEMBERED:
            del known[next(iter(known))]

    def _unreliable(self, kind: Kind | None, frame: Frame, now: float) -> None:
        if kind is None:
            self._complain("unknown type", frame.type)
            return
        try:
            fields = kind.unpack(frame.payload)
        except ValueError:
            fields = None
        if fields is None or kind.reliable:
            self.counts.malformed += 1
        elif kind.name == "ACK":
            self._acknowledged(frame.sequence, fields["status"])
        elif kind.name == "PING":
            self._frame(BY_NAME["PONG"].number, frame.payload[:4])
        elif kind.name == "PONG":
            self._events.append(RoundTrip(((int(now * 1000) - fields["time"]) & 0xFFFF) / 1000))
        else:
            self._events.append(Heard(Message(kind.name, fields, self._peer.nonce)))

    def _acknowledged(self, sequence: int, status: int) -> None:
        one = self._outstanding
        if one is not None and one.sequence == sequence:
            self._outstanding = None
            self._events.append(Acknowledged(one.kind.name, one.fields, status))

    def _complain(self, what: str, detail: int) -> None:
        self._frame(BY_NAME["ERROR"].number, BY_NAME["ERROR"].pack(code=ERRORS[what], detail=detail & 0xFFFF))

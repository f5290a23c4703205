"""A board in memory: the seam's fake, shipped. It speaks the protocol through the same ``Link`` as the host.

What the C side does with 2 KB, in a page of Python: at most ``PENDING`` triggers that wait for their answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware_bridge.events import Acknowledged, Event, Message, Up
from firmware_bridge.link import BOARD, Link
from firmware_bridge.messages import DEFAULT_PAYLOAD, STALE, TAKEN

PENDING = 4


@dataclass(frozen=True, slots=True)
class Result:
    """An answer the board acted on."""

    id: int
    concept: int
    score: int
    known: int
    flags: int


@dataclass
class FakeBoard:
    """A board with sensors and a table of concepts. ``nonce``: another one for every start."""

    nonce: int
    name: str = "fake"
    max_payload: int = DEFAULT_PAYLOAD
    link: Link = field(init=False)
    results: list[Result] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    concepts: dict[int, str] = field(default_factory=dict)
    config: dict[int, int] = field(default_factory=dict)
    resume: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self.link = Link(BOARD, self.nonce, self._deliver, name=self.name, max_payload=self.max_payload)
        self._next = 0
        self._pending: list[int] = []
        self._taken: set[int] = set()
        self._asked: dict[int, tuple[int, int]] = {}
        self._version: int | None = None

    def trigger(self, source: int = 0, time: int = 0) -> int | None:
        """Ask for an answer; its id, or None while ``PENDING`` others wait."""
        if len(self._pending) >= PENDING:
            return None
        self._next += 1
        self._pending.append(self._next)
        self._asked[self._next] = source, time & 0xFFFFFFFF
        self.link.send("TRIGGER", id=self._next, source=source, time=time & 0xFFFFFFFF)
        return self._next

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take what arrived."""
        found = self.link.receive(data, now)
        for event in found:
            if isinstance(event, Acknowledged) and event.name == "TRIGGER":
                self.accepted.append(event.fields["id"])
                self._taken.add(event.fields["id"])
            elif isinstance(event, Up) and event.restarted:
                self._ask_again()
        return found

    def poll(self, now: float) -> bytes:
        """Bytes to be written now."""
        return self.link.poll(now)

    def _ask_again(self) -> None:
        """A host that was started anew may have no journal; one that has, knows them."""
        for id in self._pending:
            if id in self._taken:
                self._taken.discard(id)
                self.link.send("TRIGGER", id=id, source=self._asked[id][0], time=self._asked[id][1])

    def _deliver(self, message: Message) -> int:
        fields = message.fields
        if message.name == "RESULT":
            if fields["nonce"] != self.nonce or fields["id"] not in self._pending:
                return STALE
            self._pending.remove(fields["id"])
            self._asked.pop(fields["id"], None)
            self._taken.discard(fields["id"])
            self.results.append(Result(*(fields[one] for one in ("id", "concept", "score", "known", "flags"))))
        elif message.name == "CONCEPTS":
            if fields["version"] != self._version:
                self._version = fields["version"]
                self.concepts.clear()
            self.concepts[fields["index"]] = fields["name"]
        elif message.name == "CONFIG":
            self.config[fields["key"]] = fields["value"]
        elif message.name == "IMAGE_RESUME":
            self.resume = fields["image"], fields["offset"]
        return TAKEN

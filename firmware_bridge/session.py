"""Triggers and their answers over a link: the host's half, still without any port, clock or thread."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.events import Acknowledged, Event, Message, Up
from firmware_bridge.journal import Accepted, Journal
from firmware_bridge.link import HOST, RESEND_FIRST, Link
from firmware_bridge.messages import (
    BY_NAME,
    ERRORS,
    FAILED,
    IS_KNOWN,
    LARGEST_PAYLOAD,
    NO_CONCEPT,
    REFUSED,
    STALE,
    TAKEN,
)

MAX_IMAGE = 8 << 20
MAX_OPEN = 1000
"""Triggers that may wait for their answer here. A board keeps four; more are those of a board that is broken, or of a
program that answers none."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A board wants an answer. ``nonce`` and ``id`` name it; ``time``: ms of the board; ``again``: it was accepted
    before this host was started anew."""

    nonce: int
    id: int
    source: int
    time: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """The board has taken a RESULT. ``stale``: it did not know the trigger any more, having been started anew."""

    nonce: int
    id: int
    stale: bool


@dataclass(frozen=True, slots=True)
class Image:
    """A picture from a board, whole and checked."""

    number: int
    data: bytes


SessionEvent = Event | Trigger | Answered | Image


class HostSession:
    """What a host does over a link: accepts triggers durably, answers each once, keeps the concepts' names in step."""

    def __init__(self, nonce: int, journal: Journal, *, name: str = "host", resend: float = RESEND_FIRST) -> None:
        self.link = Link(HOST, nonce, self._deliver, name=name, max_payload=LARGEST_PAYLOAD, resend=resend)
        self.journal = journal
        self._events: list[SessionEvent] = [
            Trigger(one.nonce, one.id, one.source, one.time, True) for one in journal.open
        ]
        self._queued: set[tuple[int, int]] = set()
        self._concepts: tuple[str, ...] = ()
        self._version = 0
        self._told: tuple[int, tuple[str, ...]] | None = None
        self._images = _Images(self.link)
        self.trouble: str | None = None
        """Why triggers are not accepted at the moment, and what to do; the board sends them again."""

    def answer(
        self,
        nonce: int,
        id: int,
        *,
        concept: int | None = None,
        score: float = 0.0,
        known: float = 0.0,
        is_known: bool = False,
        failed: bool = False,
    ) -> bool:
        """Send the answer to a trigger; False when it has one already, or is not known. ``score`` and ``known`` in
        [0, 1]; ``concept``: index in the table, None for none; ``failed``: nobody could look."""
        if (nonce, id) in self._queued or (nonce, id) not in self.journal:
            return False
        self._queued.add((nonce, id))
        self.link.send(
            "RESULT",
            nonce=nonce,
            id=id,
            concept=NO_CONCEPT if concept is None or not 0 <= concept < NO_CONCEPT else concept,
            score=_share(score),
            known=_share(known),
            flags=IS_KNOWN * is_known | FAILED * failed,
        )
        return True

    def set_concepts(self, names: Sequence[str]) -> None:
        """The names that indices in answers mean; sent to every board that comes up. At most 255."""
        names = tuple(names)[:NO_CONCEPT]
        if names != self._concepts:
            version = zlib.crc32("\0".join(names).encode("utf-8", "replace")) & 0xFFFF
            self._version = version if version != self._version else version ^ 1
            self._concepts = names
            if self.link.state == "up":
                self._send_concepts()

    def configure(self, key: int, value: int) -> None:
        """Set a number of the sketch."""
        self.link.send("CONFIG", key=key, value=value)

    def receive(self, data: bytes, now: float) -> list[SessionEvent]:
        """Take what arrived; the events so far, those of the link too."""
        for event in self.link.receive(data, now):
            self._happened(event)
        return self.events()

    def events(self) -> list[SessionEvent]:
        """What happened since the last call."""
        for event in self.link.events():
            self._happened(event)
        found, self._events = self._events, []
        return found

    def poll(self, now: float) -> bytes:
        """Bytes to be written now."""
        return self.link.poll(now)

    def _happened(self, event: Event) -> None:
        if isinstance(event, Up):
            self._send_concepts()
        if isinstance(event, Acknowledged) and event.name == "RESULT":
            key = event.fields["nonce"], event.fields["id"]
            self._queued.discard(key)
            try:
                self.journal.answer(*key)
            except OSError as error:  # a later host answers it again, and the board says "stale" then
                self.trouble = _unwritten(error)
            self._events.append(Answered(*key, stale=event.status == STALE))
        self._events.append(event)

    def _send_concepts(self) -> None:
        """Once for each session of a board; over a cut line what it has not taken stays queued."""
        told = self.link.peer_nonce, self._concepts
        if self._told == told:
            return
        self._told = told
        self.link.withdraw("CONCEPTS")  # of another table, or too long for this board
        room = self.link.payload - BY_NAME["CONCEPTS"].least
        for index, name in enumerate(self._concepts):
            cut = name.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
            self.link.send("CONCEPTS", version=self._version, count=len(self._concepts), index=index, name=cut)

    def _deliver(self, message: Message) -> int | None:
        if message.name == "TRIGGER":
            return self._trigger(message)
        status, image = self._images.take(message)
        if image is not None:
            self._events.append(image)
        return status

    def _trigger(self, message: Message) -> int | None:
        found = message.fields
        accepted = Accepted(message.nonce, found["id"], found["source"], found["time"])
        if self.journal.waiting >= MAX_OPEN and not self.journal.knows(accepted):
            self.trouble = f"{MAX_OPEN} triggers wait for their answer; nobody answers them"
            return None  # not acknowledged, so not promised
        try:
            new = self.journal.accept(accepted)
        except OSError as error:
            self.trouble = _unwritten(error)
            return None
        self.trouble = None
        if new:
            self._events.append(Trigger(accepted.nonce, accepted.id, accepted.source, accepted.time))
        return TAKEN


def _unwritten(error: OSError) -> str:
    return f"triggers cannot be written down, so none is accepted ({error.strerror or error}); make room on the disk"


class _Images:
    """Pictures that arrive in pieces. A piece that does not follow the one before is asked for again."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._key: tuple[int, int] | None = None
        self._refused: tuple[int, int] | None = None
        self._data = bytearray()
        self._size = self._crc = 0

    def take(self, message: Message) -> tuple[int, Image | None]:
        """ACK's status, and a picture when its last piece has come."""
        if not message.name.startswith("IMAGE_"):
            return TAKEN, None
        fields = message.fields
        key = message.nonce, fields["image"]
        if message.name == "IMAGE_BEGIN":
            return self._begin(key, fields["size"], fields["crc"]), None
        if key == self._refused:  # asked for again, it would come without end
            return REFUSED, None
        if key != self._key:
            self._resume(fields["image"], 0)
        elif message.name == "IMAGE_CHUNK":
            self._chunk(fields["offset"], fields["data"], fields["image"])
        else:
            return TAKEN, self._end(fields["image"])
        return TAKEN, None

    def _begin(self, key: tuple[int, int], size: int, crc: int) -> int:
        self._data.clear()
        if not 0 < size <= MAX_IMAGE:
            self._key, self._refused = None, key
            self._link.send("ERROR", code=ERRORS["too large"], detail=min(0xFFFF, MAX_IMAGE >> 10))
            return REFUSED
        self._key, self._refused, self._size, self._crc = key, None, size, crc
        return TAKEN

    def _resume(self, image: int, offset: int) -> None:
        self._link.send_latest("IMAGE_RESUME", image=image, offset=offset)

    def _chunk(self, offset: int, data: bytes, image: int) -> None:
        here = len(self._data)
        if offset > here or offset + len(data) > self._size:
            self._resume(image, here)
        elif offset + len(data) > here:
            self._data += data[here - offset :]

    def _end(self, image: int) -> Image | None:
        if len(self._data) < self._size:
            self._resume(image, len(self._data))
            return None
        data = bytes(self._data)
        self._key = None
        self._data.clear()
        if zlib.crc32(data) != self._crc:
            self._resume(image, 0)
            return None
        return Image(image, data)


def _share(value: float) -> int:
    return round(65535 * min(1.0, max(0.0, value)))

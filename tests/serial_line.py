"""A simulated serial line and clock: bytes are flipped and dropped, the cable is cut, both ends are restarted.

The host's journal is on a disk that survives; everything else a restarted end knew is gone.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field

from firmware_bridge.fake import FakeBoard
from firmware_bridge.journal import Journal
from firmware_bridge.session import Answered, HostSession, Trigger


@dataclass
class Faults:
    """Shares of bytes, and mean seconds between cuts and restarts; 0 for never."""

    flipped: float = 0.01
    dropped: float = 0.01
    cut_every: float = 300.0
    cut_most: float = 30.0
    host_restarts_every: float = 200.0
    board_restarts_every: float = 200.0


@dataclass
class Tally:
    """What came of the triggers."""

    triggers: int = 0
    acknowledged: int = 0
    answered: int = 0
    wrong: int = 0
    twice: int = 0
    lost: int = 0
    lost_with_board: int = 0
    unacknowledged: int = 0
    host_restarts: int = 0
    board_restarts: int = 0
    cuts: int = 0
    seconds: float = 0.0
    bytes: int = 0
    damaged: int = 0


@dataclass
class Line:
    """One direction at a time: bytes that are under way, each with the moment it arrives."""

    baud: int
    faults: Faults
    random: random.Random
    cut_until: float = 0.0
    busy: dict[str, float] = field(default_factory=lambda: {"up": 0.0, "down": 0.0})
    moving: list[tuple[float, int, str, bytes]] = field(default_factory=list)
    count: int = 0
    bytes: int = 0

    def write(self, way: str, data: bytes, now: float) -> None:
        start = max(now, self.busy[way])
        self.busy[way] = start + len(data) * 10 / self.baud
        self.bytes += len(data)
        if now >= self.cut_until:
            self.count += 1
            heapq.heappush(self.moving, (self.busy[way], self.count, way, self._spoilt(data)))

    def arrived(self, now: float) -> list[tuple[str, bytes]]:
        found = []
        while self.moving and self.moving[0][0] <= now:
            _, _, way, data = heapq.heappop(self.moving)
            if now >= self.cut_until:
                found.append((way, data))
        return found

    def next(self) -> float:
        return self.moving[0][0] if self.moving else float("inf")

    def _spoilt(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            chance = self.random.random()
            if chance < self.faults.dropped:
                continue
            out.append(
                byte ^ (1 << self.random.randrange(8)) if chance < self.faults.dropped + self.faults.flipped else byte
            )
        return bytes(out)


class Simulation:
    """Boards and hosts come and go on one line; every trigger's fate is known."""

    def __init__(self, seed: int, faults: Faults, *, baud: int = 115_200, journal=None, board=FakeBoard) -> None:
        self.new_board = board
        self.random = random.Random(seed)
        self.faults = faults
        self.line = Line(baud, faults, self.random)
        self.path = journal
        self.tally = Tally()
        self.now = 0.0
        self.journal = Journal(self.path)
        self.host = self._host()
        self.board = self._board()
        self.truth: dict[tuple[int, int], str] = {}
        self.results: Counter[tuple[int, int]] = Counter()
        self.answers: list[tuple[float, int, int]] = []
        self.due = {name: self._wait(name) for name in ("cut", "host", "board")}
        self.next_trigger = 0.0

    def run(self, triggers: int) -> Tally:
        while self.tally.triggers < triggers or self._unfinished():
            quiet = self.tally.triggers >= triggers
            self.now = max(self.now + 1e-6, self._next(quiet))
            if not quiet:
                self._misfortune()
                if self.now >= self.next_trigger:
                    self._trigger()
            for way, data in self.line.arrived(self.now):
                if way == "up":
                    self._host_events(self.host.receive(data, self.now))
                else:
                    self._board_receives(data)
            while self.answers and self.answers[0][0] <= self.now:
                _, nonce, id = heapq.heappop(self.answers)
                self.host.answer(nonce, id, concept=answer_to(nonce, id), score=0.5, is_known=True)
            self._host_events(self.host.events())
            self._write("down", self.host.poll(self.now))
            self._write("up", self.board.poll(self.now))
        return self._settle()

    # --- fate ----------------------------------------------------------------------------------------------------

    def _trigger(self) -> None:
        self.next_trigger = self.now + self.random.expovariate(1 / 0.05)
        id = self.board.trigger(time=int(self.now * 1000))
        if id is not None:
            self.tally.triggers += 1
            self.truth[self.board.nonce, id] = "asked"

    def _misfortune(self) -> None:
        if self.now >= self.due["cut"]:
            self.tally.cuts += 1
            self.line.cut_until = self.now + self.random.uniform(0.05, self.faults.cut_most)
            self.due["cut"] = self.line.cut_until + self._wait("cut") - self.now
        if self.now >= self.due["host"]:
            self.tally.host_restarts += 1
            self.tally.damaged += self.host.link.damaged
            self.journal.close()
            self.answers.clear()
            if self.path is None:  # what is in memory stands for the disk
                kept = self.journal
                self.journal = Journal(None)
                self.journal._open, self.journal._answered = kept._open, kept._answered
            else:
                self.journal = Journal(self.path)
            self.host = self._host()
            self.due["host"] = self._wait("host")
        if self.now >= self.due["board"]:
            self.tally.board_restarts += 1
            self._note_results()
            for key, fate in self.truth.items():
                if key[0] == self.board.nonce and fate == "acknowledged" and not self.results[key]:
                    self.truth[key] = "died with its board"
                elif key[0] == self.board.nonce and fate == "asked" and not self.results[key]:
                    self.truth[key] = "never acknowledged"
            self.board = self._board()
            self.due["board"] = self._wait("board")

    def _board_receives(self, data: bytes) -> None:
        self.board.receive(data, self.now)
        self._note_results()

    def _note_results(self) -> None:
        board = self.board
        for id in board.accepted:
            if self.truth[board.nonce, id] == "asked":
                self.truth[board.nonce, id] = "acknowledged"
        board.accepted.clear()
        for result in board.results:
            key = board.nonce, result.id
            self.results[key] += 1
            self.tally.twice += self.results[key] > 1
            self.tally.wrong += result.concept != answer_to(*key) or key not in self.truth
            self.truth[key] = "acknowledged" if self.truth.get(key) == "asked" else self.truth.get(key, "asked")
        board.results.clear()

    def _host_events(self, events) -> None:
        for event in events:
            if isinstance(event, Trigger):
                heapq.heappush(self.answers, (self.now + self.random.uniform(0.0, 0.03), event.nonce, event.id))
            if isinstance(event, Answered) and event.stale and event.nonce == self.board.nonce:
                key = event.nonce, event.id
                assert self.results[key] == 1, "a board that knows the trigger says it does not"

    def _unfinished(self) -> bool:
        return bool(self.journal.open or self.board._pending or self.board.link.waiting)

    def _settle(self) -> Tally:
        self._note_results()
        tally = self.tally
        fates = Counter(self.truth.values())
        tally.acknowledged = fates["acknowledged"]
        tally.answered = sum(1 for key in self.truth if self.results[key] == 1)
        tally.lost = sum(1 for key, fate in self.truth.items() if fate == "acknowledged" and not self.results[key])
        tally.lost_with_board = fates["died with its board"]
        tally.unacknowledged = fates["never acknowledged"]
        tally.seconds, tally.bytes = self.now, self.line.bytes
        tally.damaged += self.host.link.damaged
        return tally

    # --- parts ---------------------------------------------------------------------------------------------------

    def _host(self) -> HostSession:
        return HostSession(self.random.randrange(1, 2**32), self.journal)

    def _board(self) -> FakeBoard:
        return self.new_board(self.random.randrange(1, 2**32))

    def _wait(self, what: str) -> float:
        mean = {
            "cut": self.faults.cut_every,
            "host": self.faults.host_restarts_every,
            "board": self.faults.board_restarts_every,
        }[what]
        return self.now + self.random.expovariate(1 / mean) if mean else float("inf")

    def _next(self, quiet: bool) -> float:
        moments = [
            self.now + self.host.link.next(self.now),
            self.now + self.board.link.next(self.now),
            self.line.next(),
        ]
        moments += [self.answers[0][0]] if self.answers else []
        moments += [] if quiet else [*self.due.values(), self.next_trigger]
        return min(moments)

    def _write(self, way: str, data: bytes) -> None:
        if data:
            self.line.write(way, data, self.now)


def answer_to(nonce: int, id: int) -> int:
    """The one right answer to a trigger."""
    return (nonce * 31 + id * 7) % 200

"""A simulated serial line and clock: bytes are flipped and dropped, the cable is cut, both ends are restarted.

The host's journal is on a disk that survives (``Disk``: what was synced does); all else a restarted end knew is gone.
"""

from __future__ import annotations

import heapq
import os
import random
import stat
from collections import Counter
from dataclasses import dataclass, field

from firmware_bridge.fake import FakeBoard
from firmware_bridge.journal import Journal
from firmware_bridge.session import Answered, HostSession, Trigger

_SETTLED = 600.0
"""Seconds without another fault after which what has no answer will have none."""


@dataclass
class Faults:
    """Shares of bytes, and mean seconds between cuts and restarts; 0 for never."""

    flipped: float = 0.01
    dropped: float = 0.01
    cut_every: float = 300.0
    cut_most: float = 30.0
    host_restarts_every: float = 200.0
    board_restarts_every: float = 200.0
    power: float = 0.002
    """Share of syncs of the host's disk in which the host loses its power; needs a journal on a ``Disk``."""


class PowerCut(Exception):
    """The host is gone."""


class Disk:
    """Keeps what was synced; of what was only written, as much as it likes. Power may go before or after any sync."""

    def __init__(self, path, random, power):
        self.path, self.random, self.power = path, random, power
        self.kept = path.with_suffix(".kept")  # what the folder names after a power cut
        self.synced = {}

    def sync(self, file):
        self._risk()
        found = os.fstat(file)
        if stat.S_ISDIR(found.st_mode):
            self._keep()
        else:
            self.synced[found.st_ino] = found.st_size
        self._risk()

    def restart(self):
        """What is read from it when the power is back."""
        there = [one for one in (self.path, self.kept) if one.exists()]
        if not there:
            return
        data, file = (lambda one: (one.read_bytes(), one.stat().st_ino))(self.random.choice(there))
        sure = self.synced.get(file, 0)
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(data[:sure] + self._torn(data[sure:]))
        self.synced = {self.path.stat().st_ino: self.path.stat().st_size}
        self._keep()

    def _keep(self):
        self.kept.unlink(missing_ok=True)
        if self.path.exists():
            os.link(self.path, self.kept)

    def _torn(self, data):
        data = data[: self.random.randint(0, len(data))]
        return data if self.random.random() < 0.5 else bytes(len(data))

    def _risk(self):
        if self.random.random() < self.power / 2:
            raise PowerCut


@dataclass
class Tally:
    """What came of the triggers. Each was acknowledged or not; each that was is answered, lost with its board (started
    anew before it had its answer, which it called stale), or lost, which must not be."""

    triggers: int = 0
    acknowledged: int = 0
    answered: int = 0
    wrong: int = 0
    twice: int = 0
    lost: int = 0
    forgotten: int = 0
    lost_with_board: int = 0
    stale: int = 0
    unacknowledged: int = 0
    host_restarts: int = 0
    power_cuts: int = 0
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
        self.disk = Disk(journal, self.random, faults.power) if journal else None
        self.tally = Tally()
        self.now = 0.0
        self.truth: dict[tuple[int, int], str] = {}
        self.asked: list[tuple[int, int]] = []
        self.results: Counter[tuple[int, int]] = Counter()
        self.answers: list[tuple[float, int, int]] = []
        self.journal = None
        self._start_host()
        self.board = self._board()
        self.due = {name: self._wait(name) for name in ("cut", "host", "board")}
        self.next_trigger = 0.0

    def run(self, triggers: int) -> Tally:
        end = float("inf")
        while self.now < end and (self.tally.triggers < triggers or self._unfinished()):
            quiet = self.tally.triggers >= triggers
            end = min(end, self.now + _SETTLED) if quiet else end
            self.now = max(self.now + 1e-6, self._next(quiet))
            if not quiet:
                self._misfortune()
                if self.now >= self.next_trigger:
                    self._trigger()
            try:
                self._step()
            except PowerCut:
                self.tally.power_cuts += 1
                self._start_host()
        return self._settle()

    def _step(self) -> None:
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

    # --- fate ----------------------------------------------------------------------------------------------------

    def _trigger(self) -> None:
        self.next_trigger = self.now + self.random.expovariate(1 / 0.05)
        id = self.board.trigger(time=int(self.now * 1000))
        if id is not None:
            self.tally.triggers += 1
            self.truth[self.board.nonce, id] = "asked"
            self.asked.append((self.board.nonce, id))

    def _misfortune(self) -> None:
        if self.now >= self.due["cut"]:
            self.tally.cuts += 1
            self.line.cut_until = self.now + self.random.uniform(0.05, self.faults.cut_most)
            self.due["cut"] = self.line.cut_until + self._wait("cut") - self.now
        if self.now >= self.due["host"]:
            self.tally.host_restarts += 1
            self._start_host()
            self.due["host"] = self._wait("host")
        if self.now >= self.due["board"]:
            self.tally.board_restarts += 1
            self._note_results()
            self._check_journal()
            for key in self.asked:
                fate = self.truth[key]
                if key[0] == self.board.nonce and fate == "acknowledged" and not self.results[key]:
                    self.truth[key] = "died with its board"
                elif key[0] == self.board.nonce and fate == "asked" and not self.results[key]:
                    self.truth[key] = "never acknowledged"
            self.asked.clear()
            self.board = self._board()
            self.due["board"] = self._wait("board")

    def _start_host(self) -> None:
        """What it knew is gone, but for what its disk kept: bytes on their way to the line, too."""
        if self.journal is not None:
            self.tally.damaged += self.host.link.damaged
            self.journal.close()
        self.answers.clear()
        while True:
            try:
                self.journal = self._opened()
                break
            except PowerCut:
                self.tally.power_cuts += 1
        self._check_journal()
        self.host = HostSession(self.random.randrange(1, 2**32), self.journal)

    def _opened(self) -> Journal:
        if self.disk is not None:
            self.disk.restart()
            return Journal(self.disk.path, sync=self.disk.sync)
        journal = Journal(None)
        if self.journal is not None:  # what is in memory stands for the disk
            journal._open, journal._answered = self.journal._open, self.journal._answered
        return journal

    def _check_journal(self) -> None:
        """A trigger that was acknowledged and has no answer is known to the host, whatever happened to it."""
        for key in self.asked:
            if self.truth[key] == "acknowledged" and not self.results[key] and key not in self.journal:
                self.tally.forgotten += 1

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
            if isinstance(event, Answered) and event.stale:
                key = event.nonce, event.id
                self.tally.stale += 1
                assert event.nonce != self.board.nonce or self.results[key] == 1, "the board knows it, and says not"

    def _unfinished(self) -> bool:
        return bool(self.journal.open or self.board._pending or self.board.link.waiting)

    def _settle(self) -> Tally:
        self._note_results()
        tally = self.tally
        fates = Counter(self.truth.values())
        tally.acknowledged = fates["acknowledged"] + fates["died with its board"]
        tally.answered = sum(1 for key in self.truth if self.results[key] == 1)
        tally.lost = sum(1 for key, fate in self.truth.items() if fate == "acknowledged" and not self.results[key])
        tally.lost_with_board = fates["died with its board"]
        tally.unacknowledged = fates["never acknowledged"]
        tally.seconds, tally.bytes = self.now, self.line.bytes
        tally.damaged += self.host.link.damaged
        return tally

    # --- parts ---------------------------------------------------------------------------------------------------

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

"""Goodput and round-trip time of the serial link against the line's limit: an ATmega328P in simavr, a paced line."""

from __future__ import annotations

import argparse
import queue
import random
import statistics
import sys
import time
import zlib

from _common import Goal, machine, verdicts

sys.path.pop(0)  # this file is called as the package of pyserial is
from firmware_bridge import Answered, Bridge, FakeBoard, HostSession, Image, Journal, Trigger, Up
from firmware_bridge.events import Acknowledged
from firmware_bridge.frame import RELIABLE, Frame, encode
from firmware_bridge.messages import BY_NAME, DEFAULT_PAYLOAD
from tests.firmware import building
from tests.firmware.boards import Board
from tests.serial_line import Faults, Line
from trainer.tables import print_table

BAUDS = (115_200, 1_000_000)
CHIP, PACED = "ATmega328P in simavr", "paced line"
ASKED, TOLD = "TRIGGER to RESULT taken", "CONFIG to its ACK"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=200, help="round trips of each kind on the chip")
    asked = arguments.parse_args()
    print(machine())
    trips, flows, goals = [], [], []
    for baud in BAUDS:
        with Chip(baud) as chip:
            answers, settings, goodput = chip.triggers(asked.count), chip.settings(asked.count), chip.names()
            overruns = chip.board.stats()["overruns"]
        trips += [trip(ASKED, CHIP, baud, answers), trip(TOLD, CHIP, baud, settings)]
        flows.append(flow("names to the board", CHIP, baud, DEFAULT_PAYLOAD, goodput))
        spent = statistics.median(answers) - bytes_alone(ASKED, baud)
        goals.append(Goal(f"trigger to answer at {baud} baud, above its bytes", spent, 5, "ms"))
        goals.append(Goal(f"bytes the chip lost at {baud} baud", overruns, 0))
    for baud in BAUDS:
        for payload in (DEFAULT_PAYLOAD, 1024):
            times, goodput = paced(baud, payload)
            if payload == DEFAULT_PAYLOAD:
                trips.append(trip(ASKED, PACED, baud, times))
            flows.append(flow("a picture to the host", PACED, baud, payload, goodput))
    print_table(("round trip", "line", "baud", "p50 ms", "p99 ms", "bytes alone ms"), trips)
    print_table(("goodput", "line", "baud", "payload B", "kB/s", "wire kB/s", "share"), flows)
    verdicts(goals)


# --- the line's limit ------------------------------------------------------------------------------------------------


def size(name: str) -> int:
    """Bytes of a message on the line."""
    return len(encode(Frame(BY_NAME[name].number, RELIABLE, 1, 1, b"\1" * BY_NAME[name].least)))


def bytes_alone(what: str, baud: int) -> float:
    """Milliseconds that the messages of a round trip take on the line. A RESULT does not wait for the ACK of its
    TRIGGER to be taken, but goes behind it."""
    names = ("TRIGGER", "ACK", "RESULT", "ACK") if what == ASKED else ("CONFIG", "ACK")
    return 1e3 * sum(map(size, names)) * 10 / baud


def trip(what: str, line: str, baud: int, times: list[float]) -> tuple[object, ...]:
    p99 = sorted(times)[int(0.99 * len(times))]
    return what, line, baud, f"{statistics.median(times):.2f}", f"{p99:.2f}", f"{bytes_alone(what, baud):.2f}"


def flow(what: str, line: str, baud: int, payload: int, goodput: float) -> tuple[object, ...]:
    wire = baud / 10
    return what, line, baud, payload, f"{goodput / 1e3:.1f}", f"{wire / 1e3:.1f}", f"{100 * goodput / wire:.0f} %"


# --- the chip --------------------------------------------------------------------------------------------------------


class Chip:
    """The firmware on the simulated chip, and the host's bridge at the other end of its pty. Real time."""

    def __init__(self, baud: int) -> None:
        self.board = Board(str(building.simulator()), str(building.avr(baud)))
        self.events: queue.Queue[object] = queue.Queue()
        self.bridge = Bridge(self.board.port, self._happened, baud=baud)
        self._wait(Up)

    def _happened(self, event: object) -> None:
        if isinstance(event, Trigger):
            self.bridge.answer(event.nonce, event.id, concept=0, score=1.0, known=1.0, is_known=True)
        self.events.put(event)

    def _wait(self, kind: type, **fields: object) -> None:
        until = time.monotonic() + 20
        while True:  # a PING comes back every second, whatever else does not
            try:
                event = self.events.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                sys.exit(f"no {kind.__name__} came within 20 s; the bridge is {self.bridge.state!r}")
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
                return

    def triggers(self, count: int) -> list[float]:
        """Milliseconds from the beam's break to the answer taken, each answered at once."""
        times = []
        for _ in range(count):
            start = time.perf_counter()
            self.board.say("pin D2 0")
            self._wait(Answered)
            times.append(1e3 * (time.perf_counter() - start))
            self.board.say("pin D2 1")
            self.board.rest(0.003)
        return times

    def settings(self, count: int) -> list[float]:
        """Milliseconds from a number that is set to its acknowledgement."""
        times = []
        for _ in range(count):
            start = time.perf_counter()
            self.bridge.configure(1, 0x01010101)
            self._wait(Acknowledged, name="CONFIG")
            times.append(1e3 * (time.perf_counter() - start))
        return times

    def names(self) -> float:
        """Payload bytes a second of a full table of the longest names."""
        names = [f"{index:03}" + "x" * (DEFAULT_PAYLOAD - BY_NAME["CONCEPTS"].least - 3) for index in range(255)]
        start = time.perf_counter()
        self.bridge.set_concepts(names)
        for _ in names:
            self._wait(Acknowledged, name="CONCEPTS")
        return len(names) * DEFAULT_PAYLOAD / (time.perf_counter() - start)

    def __enter__(self) -> Chip:
        return self

    def __exit__(self, *_: object) -> None:
        self.bridge.close()
        self.board.close()


# --- a paced line ----------------------------------------------------------------------------------------------------


def paced(baud: int, payload: int) -> tuple[list[float], float]:
    """Over a simulated line without faults, ends that take no time: ms from trigger to answer, bytes a second of a
    picture."""
    line = Line(baud, Faults(0, 0, 0, 0, 0, 0), random.Random(1))
    host, board = HostSession(1, Journal(None)), FakeBoard(2, max_payload=payload)
    now, events = 0.0, []

    def step() -> None:
        nonlocal now
        for way, end in (("down", host), ("up", board)):
            if out := end.poll(now):
                line.write(way, out, now)
        now = max(now, min(line.next(), now + min(host.link.next(now), board.link.next(now)))) + 1e-7
        for way, data in line.arrived(now):
            for event in (host if way == "up" else board).receive(data, now):
                if isinstance(event, Trigger):
                    host.answer(event.nonce, event.id)
                if way == "up":
                    events.append(event)

    while host.link.state != "up" or board.link.state != "up":
        step()
    times = []
    for count in range(1, 101):
        start = now
        board.trigger()
        while sum(isinstance(one, Answered) for one in events) < count:
            step()
        times.append(1e3 * (now - start))
    data = random.Random(2).randbytes(100_000)
    send(board, data, payload)
    start = now
    while not any(isinstance(one, Image) for one in events):
        step()
    return times, len(data) / (now - start)


def send(board: FakeBoard, data: bytes, payload: int) -> None:
    """A picture in pieces that fill their frames."""
    room = payload - BY_NAME["IMAGE_CHUNK"].least
    board.link.send("IMAGE_BEGIN", image=1, size=len(data), crc=zlib.crc32(data))
    for offset in range(0, len(data), room):
        board.link.send("IMAGE_CHUNK", image=1, offset=offset, data=data[offset : offset + room])
    board.link.send("IMAGE_END", image=1)


if __name__ == "__main__":
    main()

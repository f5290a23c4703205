"""Goodput and round-trip time of the serial link against the line's limit: an ATmega328P in simavr, a paced line."""

from __future__ import annotations

import argparse
import queue
import random
import statistics
import sys
import time

from _common import Goal, machine, verdicts

sys.path.pop(0)  # this file is called as the package of pyserial is
from firmware_bridge import Answered, Bridge, FakeBoard, HostSession, Image, Journal, Trigger, Up
from firmware_bridge.frame import Frame, encode
from firmware_bridge.messages import BY_NAME
from tests.firmware import building
from tests.firmware.boards import Board
from tests.serial_line import Faults, Line
from trainer.tables import print_table

TRIGGER, RESULT = (BY_NAME[name].least for name in ("TRIGGER", "RESULT"))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=200, help="triggers on the chip")
    asked = arguments.parse_args()
    print(machine())
    chip = on_the_chip(asked.count)
    limit = (
        1e3 * sum(len(encode(Frame(1, 1, 1, 1, bytes(range(1, size + 1))))) for size in (TRIGGER, RESULT)) * 10 / 115200
    )
    rows = [
        (
            "ATmega328P in simavr",
            115200,
            f"{statistics.median(chip):.2f}",
            f"{sorted(chip)[int(0.99 * len(chip))]:.2f}",
            f"{limit:.2f}",
        )
    ]
    goodputs, goals = [], []
    for baud in (115_200, 1_000_000):
        for payload in (64, 1024):
            times, rate = paced(baud, payload)
            wire = baud / 10
            goodputs.append((baud, payload, f"{rate / 1e3:.1f}", f"{wire / 1e3:.1f}", f"{100 * rate / wire:.0f} %"))
            if payload == 64:
                least = (
                    1e3
                    * sum(len(encode(Frame(1, 1, 1, 1, bytes(range(1, size + 1))))) for size in (TRIGGER, RESULT))
                    * 10
                    / baud
                )
                rows.append(
                    ("paced line", baud, f"{statistics.median(times):.2f}", f"{max(times):.2f}", f"{least:.2f}")
                )
    print_table(
        ("trigger to answer", "baud", "p50 ms", "p99 ms", "bytes alone ms"), rows, "an answer that is there at once"
    )
    print_table(
        ("baud", "payload B", "goodput kB/s", "wire kB/s", "share"), goodputs, "a picture from the board to the host"
    )
    goals.append(Goal("trigger to answer on the chip, above its bytes", statistics.median(chip) - limit, 5, "ms"))
    verdicts(goals)


def bytes_alone(baud: int) -> float:
    """Milliseconds that a TRIGGER and a RESULT take on the line."""
    frames = (encode(Frame(1, 1, 1, 1, bytes(range(1, size + 1)))) for size in (TRIGGER, RESULT))
    return 1e3 * sum(map(len, frames)) * 10 / baud


def on_the_chip(count: int) -> list[float]:
    """Milliseconds from the beam's break to the answer taken, each answered at once."""
    events: queue.Queue[object] = queue.Queue()
    times = []
    with Board(str(building.simulator()), str(building.avr())) as chip:

        def happened(event: object) -> None:
            if isinstance(event, Trigger):
                bridge.answer(event.nonce, event.id, concept=0, score=1.0, known=1.0, is_known=True)
            events.put(event)

        bridge = Bridge(chip.port, happened)
        wait(events, Up)
        for _ in range(count):
            start = time.perf_counter()
            chip.say("pin D2 0")
            wait(events, Answered)
            times.append(1e3 * (time.perf_counter() - start))
            chip.say("pin D2 1")
            time.sleep(0.01)
        bridge.close()
    return times


def wait(events: queue.Queue[object], kind: type) -> None:
    while not isinstance(events.get(timeout=20), kind):
        pass


def paced(baud: int, payload: int) -> tuple[list[float], float]:
    """Over a simulated line without faults: ms from trigger to answer, and bytes a second of a picture."""
    line = Line(baud, Faults(0, 0, 0, 0, 0, 0), random.Random(1))
    host, board = HostSession(1, Journal(None)), FakeBoard(2, max_payload=payload)
    now, events = 0.0, []

    def step() -> None:
        nonlocal now
        line.write("down", out, now) if (out := host.poll(now)) else None
        line.write("up", out, now) if (out := board.poll(now)) else None
        now = max(now, min(line.next(), now + min(host.link.next(now), board.link.next(now)))) + 1e-7
        for way, data in line.arrived(now):
            if way == "up":
                for event in host.receive(data, now):
                    if isinstance(event, Trigger):
                        host.answer(event.nonce, event.id)
                    events.append(event)
            else:
                board.receive(data, now)

    while host.link.state != "up" or board.link.state != "up":
        step()
    times = []
    for _ in range(100):
        start, before = now, len(board.results)
        board.trigger()
        while len(board.results) == before:
            step()
        times.append(1e3 * (now - start))
        while board.link.waiting or host.link.waiting:
            step()
    data = random.Random(2).randbytes(100_000)
    send(board, data, payload)
    start = now
    while not any(isinstance(one, Image) for one in events):
        step()
    return times, len(data) / (now - start)


def send(board: FakeBoard, data: bytes, payload: int) -> None:
    import zlib

    size = payload - 6
    board.link.send("IMAGE_BEGIN", image=1, size=len(data), crc=zlib.crc32(data))
    for offset in range(0, len(data), size):
        board.link.send("IMAGE_CHUNK", image=1, offset=offset, data=data[offset : offset + size])
    board.link.send("IMAGE_END", image=1)


if __name__ == "__main__":
    main()

"""The proof of the simulated line, shorter and for real: ptys, a journal on a disk, and a host that is killed.

With a third of its noise: every second frame lost means seconds of waiting, which the simulated clock has for nothing.
"""

import json
import os
import pty
import random
import select
import subprocess
import sys
import time
import tty
from collections import Counter
from pathlib import Path

from firmware_bridge.fake import FakeBoard
from tests.serial_line import Faults, Line, answer_to

ROOT = Path(__file__).parents[2]
TRIGGERS = 40
MISFORTUNES = {6: "host", 12: "unplug", 18: "board", 24: "host", 28: "cut", 32: "board", 36: "unplug"}
"""What happens when so many triggers were asked."""


class Wire:
    """A board at the far end of a pty whose cable is bad, and the host as a process of its own."""

    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        self.link, self.journal = folder / "ttyBad", folder / "journal"
        self.spoil = Line(115_200, Faults(flipped=0.003, dropped=0.003), self.random)._spoilt
        self.files, self.cut_until = (), 0.0
        self.lives = 0
        self.asked, self.acknowledged, self.results = Counter(), set(), Counter()
        self.wrong, self.died = [], set()
        self.plug()
        self.start_board()
        self.host = None
        self.start_host()

    # --- what happens to it --------------------------------------------------------------------------------------

    def plug(self):
        self.files = pty.openpty()
        tty.setraw(self.files[1])
        self.link.symlink_to(os.ttyname(self.files[1]))

    def unplug(self):
        self.link.unlink()
        for file in self.files:
            os.close(file)
        self.files = ()

    def start_host(self):
        if self.host is not None:
            self.host.kill()
            self.host.wait()
        command = [sys.executable, str(Path(__file__).with_name("answering.py")), str(self.link), str(self.journal)]
        self.host = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def start_board(self):
        if self.lives:
            self.note()
            waiting = {(self.board.nonce, id) for id in self.board._pending} & self.acknowledged
            assert waiting <= self.written(), "what was acknowledged is in the journal"
            self.died |= waiting
        self.lives += 1
        self.board = FakeBoard(7000 + self.lives)

    def written(self):
        lines = [json.loads(line) for line in self.journal.read_bytes().splitlines() if line.endswith(b"}")]
        return {tuple(line["accepted"][:2]) for line in lines if "accepted" in line}

    def misfortune(self, what):
        if what == "host":
            self.start_host()
        elif what == "board":
            self.start_board()
        else:
            self.cut_until = time.monotonic() + 0.5
            if what == "unplug":
                self.unplug()

    # --- the wire ------------------------------------------------------------------------------------------------

    def step(self):
        now = time.monotonic()
        cut = now < self.cut_until
        if not self.files:
            if cut:
                time.sleep(0.01)
                return
            self.plug()
        if select.select([self.files[0]], [], [], 0.005)[0]:
            data = os.read(self.files[0], 4096)
            self.board.receive(b"" if cut else self.spoil(data), now)
        out = self.board.poll(now)
        if out and not cut:
            os.write(self.files[0], self.spoil(out))
        self.note()

    def note(self):
        board = self.board
        self.acknowledged |= {(board.nonce, id) for id in board.accepted}
        for result in board.results:
            key = board.nonce, result.id
            self.results[key] += 1
            if result.concept != answer_to(*key) or not self.asked[key]:
                self.wrong.append((key, result.concept))
        board.results.clear()

    def trigger(self):
        id = self.board.trigger()
        if id is not None:
            self.asked[self.board.nonce, id] += 1
        return id is not None

    def close(self):
        self.host.kill()
        self.host.wait()
        if self.files:
            self.unplug()


def test_every_acknowledged_trigger_gets_exactly_one_answer_over_a_real_pty(tmp_path):
    wire = Wire(tmp_path, 1)
    try:
        fates, until = dict(MISFORTUNES), time.monotonic() + 200
        while fates or len(wire.asked) < TRIGGERS or wire.board._pending or wire.board.link.waiting:
            assert time.monotonic() < until, f"it goes on no more: {wire.board._pending} wait"
            if len(wire.asked) < TRIGGERS and wire.trigger():
                what = fates.pop(len(wire.asked), None)
                if what is not None:
                    wire.misfortune(what)
            wire.step()
    finally:
        wire.close()
    answered = set(wire.results)
    assert wire.acknowledged - wire.died <= answered, "none lost"
    assert set(wire.results.values()) == {1}, "none twice"
    assert not wire.wrong
    assert len(answered) >= TRIGGERS - 8, "a board that is started anew forgets at most four"

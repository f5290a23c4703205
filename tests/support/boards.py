"""Boards that need no hardware: the AVR firmware in simavr, and the POSIX one, each a process with a serial port."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.compiling import SIMAVR, compiled

_RUNNER = Path(__file__).parent / "simavr" / "run.c"


def runner() -> Path:
    """The program that runs an AVR ELF file in simavr behind a pseudo-terminal; its source says what it is told."""
    # simavr wants libelf's header for nothing we use; -lelf is not needed
    return compiled("simavr-run", [_RUNNER], ["-O2", "-Wall", "-Wextra", f"-I{SIMAVR}", "-lsimavr", "-lutil"])


class Board:
    """A process that prints ``PTY path`` when its serial port is there; ended at the end of the ``with`` block.

    port: path of the serial port; stable over ``unplug`` and ``plug`` where the process was given ``--link``.
    """

    port: str

    def __init__(self, words: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._said: deque[str] = deque(maxlen=20)
        self._reader = threading.Thread(target=self._read, name="board", daemon=True)
        self._reader.start()
        try:
            self.port = self.wait("PTY").split()[1]
        except BaseException:
            self.close()
            raise

    @classmethod
    def avr(cls, elf: Path, *, speed: float = 1, link: Path | None = None, seed: int | None = None) -> Board:
        """An ATmega328P with this firmware, in simulated time ``speed`` times as fast as the wall clock."""
        words = [str(runner()), str(elf), "--speed", str(speed)]
        words += ["--link", str(link)] if link else []
        words += ["--seed", str(seed)] if seed is not None else []
        return cls(words)

    def tell(self, line: str) -> None:
        """Give the process a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait(self, start: str, timeout: float = 20) -> str:
        """The next line that starts with these words, not yet waited for. TimeoutError with all it said otherwise."""
        until = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise TimeoutError(f"no line {start!r} in {timeout} s; the board said: {list(self._said)}")
            if line.startswith(start):
                return line

    def stats(self) -> dict[str, Any]:
        """What an AVR board counts: cycles, overruns, resets, stack (bytes, at its deepest), ram_free (bytes)."""
        self.tell("stats")
        return dict(json.loads(self.wait("STATS").removeprefix("STATS ")))

    def close(self) -> None:
        """End the process: by the end of its input, by force where that is not enough."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            os.kill(self._process.pid, 9)
            self._process.wait()
        self._reader.join(2)
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line.rstrip("\n"))
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

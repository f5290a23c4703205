"""Boards that run: the POSIX one and the ATmega328P in simavr, each on a pty."""

from __future__ import annotations

import queue
import subprocess
import threading
import time


class Board:
    """A program that prints "PTY ..." and takes commands."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.port = self.expect("PTY ").split()[1]

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def say(self, text: str) -> None:
        self.process.stdin.write(text + "\n")

    def expect(self, begin: str, seconds: float = 10) -> str:
        """The next line that begins so; others are left out."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                line = self.lines.get(timeout=left)
            except queue.Empty:
                break
            if line.startswith(begin):
                return line
        raise AssertionError(f"the board did not say {begin!r} within {seconds} s")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""Boards that run: the POSIX one and the ATmega328P in simavr, each on a pty."""

from __future__ import annotations

import json
import queue
import select
import socket
import subprocess
import threading
import time

from firmware_bridge import FakeBoard


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

    def stats(self) -> dict[str, int]:
        """What the simulated chip counts: cycles, overruns, resets, bytes of stack at its deepest, bytes never used."""
        self.say("stats")
        return dict(json.loads(self.expect("STATS ").removeprefix("STATS ")))

    def rest(self, seconds: float) -> None:
        """Wait, by the simulated chip's own clock: where the machine is busy it stands still and sees no pin."""
        until = self.stats()["cycles"] + 16_000_000 * seconds
        while self.stats()["cycles"] < until:
            time.sleep(seconds / 10)

    def register(self, address: int) -> int:
        """A byte of the simulated chip's memory."""
        self.say(f"peek {address:#x}")
        return int(self.expect("PEEK ").removeprefix("PEEK "))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SocketBoard:
    """A ``FakeBoard`` behind ``socket://``, for what needs no compiler."""

    def __init__(self) -> None:
        self.board = FakeBoard(7001)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = f"socket://127.0.0.1:{self._server.getsockname()[1]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._server.settimeout(0.05)
        while not self._stop.is_set():
            try:
                peer, _ = self._server.accept()
            except TimeoutError:
                continue
            with peer:
                self._serve(peer)

    def _serve(self, peer: socket.socket) -> None:
        try:
            while not self._stop.is_set():
                ready, _, _ = select.select([peer], [], [], 0.005)
                if ready:
                    data = peer.recv(4096)
                    if not data:
                        return
                    self.board.receive(data, time.monotonic())
                peer.sendall(self.board.poll(time.monotonic()))
        except OSError:
            return

    def __enter__(self) -> SocketBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._server.close()

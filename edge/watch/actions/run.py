"""``exec:COMMAND ARGUMENT...``: run a program. Never through a shell: what a concept is called starts nothing."""

from __future__ import annotations

import os
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from edge.camera.base import Picture
from edge.errors import InvalidArgument, StoreUnavailable
from edge.watch.actions.pictures import whole
from edge.watch.actions.queued import Worker
from edge.watch.base import Change, Event
from edge.watch.context import Context
from edge.watch.specs import Spec

_SECONDS = 30.0
_WAITING, _WAITING_PICTURES = 32, 4
_SHOWN = 500
_ENDING = 1.0
"""Seconds between asking a program to end and ending it."""
PLACEHOLDERS = ("loop", "model", "concept", "name", "value", "known", "on", "trigger", "source", "path")


@dataclass(frozen=True, slots=True)
class _Run:
    """``picture``: what ``{path}`` is a file of, if the command asks for it."""

    values: Mapping[str, str]
    picture: Picture | None


class ExecAction:
    """One run per concept that changed; runs follow each other, a hung one is ended after 30 s."""

    name = "exec"

    def __init__(self, spec: Spec, context: Context) -> None:
        self._loop = context.loop
        try:
            self._words = shlex.split(spec.rest)
        except ValueError as error:
            raise InvalidArgument(f"the command of exec cannot be read ({error}); mind its quotes") from error
        if not self._words:
            raise InvalidArgument("exec needs a command, such as exec:./open-gate {concept}")
        for word in self._words:
            filled(word, dict.fromkeys(PLACEHOLDERS, ""))
        self._shows = any(filled(one, _ASKING) != filled(one, {**_ASKING, "path": "x"}) for one in self._words)
        self._worker: Worker[_Run] | None = None
        self._closing = threading.Event()

    def check(self) -> str:
        """The command. Raises InvalidArgument when there is no such program."""
        if shutil.which(self._words[0]) is None:
            raise InvalidArgument(f"there is no program {self._words[0]!r}, or it may not be run; give its path")
        return f"run {shlex.join(self._words)} for every concept that changes"

    def start(self) -> None:
        """Begin to work."""
        self._closing.clear()
        self._worker = Worker("exec", self._loop, self._run, _WAITING_PICTURES if self._shows else _WAITING)

    def act(self, event: Event) -> bool:
        """Queue a run for each change."""
        assert self._worker is not None
        picture = event.capture.picture if self._shows and event.capture is not None else None
        for change in event.changed:
            self._worker.put(_Run(_values(event, change), picture))
        return bool(event.changed)

    def close(self, seconds: float) -> None:
        """Finish the runs that wait, within ``seconds``; a program that still runs then is ended."""
        if self._worker is not None:
            timer = threading.Timer(seconds, self._closing.set)
            timer.start()
            self._worker.close(seconds + 2 * _ENDING)
            timer.cancel()
            self._closing.set()

    def _run(self, run: _Run) -> None:
        if self._closing.is_set():
            return
        with ExitStack() as kept:
            values = dict(run.values)
            if run.picture is not None:
                try:
                    file = kept.enter_context(tempfile.NamedTemporaryFile(prefix="edge-", suffix=".jpg"))
                    file.write(whole(run.picture))
                    file.flush()
                except OSError as error:
                    raise StoreUnavailable(
                        f"the picture cannot be written to {tempfile.gettempdir()} ({error.strerror}); make room"
                    ) from error
                values["path"] = file.name
            ran([filled(word, values) for word in self._words], _SECONDS, self._closing)


def ran(words: list[str], seconds: float, closing: threading.Event) -> None:
    """Run a program to its end, with no input; of what it says on standard error the end is kept, all else is dropped.

    It, and what it started, is ended after ``seconds`` or when ``closing`` is set. Raises StoreUnavailable: it could
    not be run, was ended, or failed.
    """
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
    except (OSError, ValueError) as error:
        raise StoreUnavailable(f"{words[0]} cannot be run ({error}); check its path and permissions") from error
    assert process.stderr is not None
    with process.stderr as pipe:
        said, in_time = _watched(process, pipe.fileno(), time.monotonic() + seconds, closing)
        if not in_time:
            _end(process)
    if not in_time:
        why = "because the loop stops" if closing.is_set() else f"after {seconds:g} s; let it work in the background"
        raise StoreUnavailable(f"{words[0]} was ended {why}")
    if process.returncode:
        text = " ".join(said.decode("utf-8", "replace").split())
        raise StoreUnavailable(f"{words[0]} ended with {process.returncode}: {text or 'it said nothing'}")


def _watched(process: subprocess.Popen[bytes], pipe: int, until: float, closing: threading.Event) -> tuple[bytes, bool]:
    """The end of what it said, and whether it ended in time. It need not close its standard error: what it started in
    the background may still have it."""
    os.set_blocking(pipe, False)
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            over = process.poll() is not None
            data = b""
            if selector.get_map() and selector.select(0 if over else 0.05):
                with suppress(BlockingIOError):
                    data = os.read(pipe, 65536)
                    if not data:
                        selector.unregister(pipe)
                said = (said + data)[-_SHOWN:]
            elif not selector.get_map() and not over:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
            if over and (not data or time.monotonic() >= until):
                return said, True
            if not over and (time.monotonic() >= until or closing.is_set()):
                return said, False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the program and what it started to end, then make it end; nothing stays behind as a zombie."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDING)
            if number == signal.SIGTERM:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            return
    process.wait()


def _values(event: Event, change: Change) -> dict[str, str]:
    return {
        "loop": event.loop,
        "model": event.model,
        "concept": change.concept,
        "name": change.name,
        "value": f"{change.value:.4f}",
        "known": "" if event.prediction is None else f"{event.prediction.known:.4f}",
        "on": "1" if change.on else "0",
        "trigger": event.fired.source,
        "source": "" if event.capture is None else event.capture.source,
        "path": "",
    }


def filled(word: str, values: Mapping[str, str]) -> str:
    """A word of the command with its placeholders filled in. Raises InvalidArgument for one there is not."""
    try:
        return word.format(**values)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        names = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise InvalidArgument(f"{word!r} of exec: there are {names}; write {{{{ for a brace") from error


_ASKING = dict.fromkeys(PLACEHOLDERS, "")

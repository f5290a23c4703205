"""``exec:COMMAND ARGUMENT...``: run a program. Never through a shell: what a concept is called starts nothing."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from edge.errors import InvalidArgument, StoreUnavailable
from edge.watch.actions.queued import Worker
from edge.watch.base import Event
from edge.watch.specs import Spec

_SECONDS = 30.0
_WAITING = 32
_SHOWN = 500
PLACEHOLDERS = ("loop", "model", "concept", "name", "value", "known", "on", "trigger", "source")


class ExecAction:
    """One run per concept that changed; runs follow each other, a hung one is ended after 30 s."""

    name = "exec"

    def __init__(self, spec: Spec, context: Any = None) -> None:  # noqa: ARG002
        try:
            self._words = shlex.split(spec.rest)
        except ValueError as error:
            raise InvalidArgument(f"the command of exec cannot be read ({error}); mind its quotes") from error
        if not self._words:
            raise InvalidArgument("exec needs a command, such as exec:./open-gate {concept}")
        for word in self._words:
            _filled(word, dict.fromkeys(PLACEHOLDERS, ""))
        self._worker: Worker[list[str]] | None = None

    def check(self) -> str:
        """The command. Raises InvalidArgument when there is no such program."""
        if shutil.which(self._words[0]) is None:
            raise InvalidArgument(f"there is no program {self._words[0]!r}; give its path")
        return f"run {shlex.join(self._words)} for every concept that changes"

    def start(self) -> None:
        """Begin to work."""
        self._worker = Worker("exec", self._run, _WAITING)

    def act(self, event: Event) -> bool:
        """Queue a run for each change."""
        assert self._worker is not None
        for change in event.changed:
            values = {
                "loop": event.loop,
                "model": event.model,
                "concept": change.concept,
                "name": change.name,
                "value": f"{change.value:.4f}",
                "known": "" if event.prediction is None else f"{event.prediction.known:.4f}",
                "on": "1" if change.on else "0",
                "trigger": event.fired.source,
                "source": "" if event.capture is None else event.capture.source,
            }
            self._worker.put([_filled(word, values) for word in self._words])
        return bool(event.changed)

    def close(self, seconds: float) -> None:
        """Finish the runs that wait."""
        if self._worker is not None:
            self._worker.close(seconds)

    @staticmethod
    def _run(words: list[str]) -> None:
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                timeout=_SECONDS, check=False, start_new_session=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise StoreUnavailable(
                f"{words[0]} was ended after {_SECONDS:g} s; let it work in the background"
            ) from error
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"{words[0]} cannot be run ({error}); check its path and permissions") from error
        if done.returncode:
            said = " ".join(done.stderr[-_SHOWN:].decode("utf-8", "replace").split())
            raise StoreUnavailable(f"{words[0]} ended with {done.returncode}: {said or 'it said nothing'}")


def _filled(word: str, values: Mapping[str, str]) -> str:
    try:
        return word.format(**values)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        names = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise InvalidArgument(f"{word!r} of exec: there are {names}; write {{{{ for a brace") from error

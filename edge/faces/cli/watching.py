"""watch: camera loops."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.faces.cli import failures, text
from edge.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from edge.watch.base import Event
    from edge.watch.config import WatchConfig
    from edge.watch.loop import Loop
    from edge.watch.runner import Watch

_STOP_SECONDS = 5.0


@click.command()
@click.argument("camera", required=False)
@click.option("--model", metavar="MODEL", help="Whose predictions.")
@click.option("--trigger", "triggers", multiple=True, metavar="SPEC", help="When to look (repeatable) [interval:2s].")
@click.option("--then", "actions", multiple=True, metavar="SPEC", help="What to do (repeatable) [log].")
@click.option("--name", metavar="NAME", help="Of the loop [default: the model's].")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Several loops, from a watch.toml.")
@click.option("--dry-run", is_flag=True, help="Try cameras, model and actions once, and do nothing.")
@click.option("--once", is_flag=True, help="Look once, now, and act on it.")
@click.option("--seconds", type=click.FloatRange(0), help="Stop after so long; default: until told to.")
@pass_session
def watch(
    session: Session,
    camera: str | None,
    model: str | None,
    triggers: tuple[str, ...],
    actions: tuple[str, ...],
    name: str | None,
    file: Path | None,
    dry_run: bool,
    once: bool,
    seconds: float | None,
) -> int:
    """Look through a camera, decide, act: until stopped, or until a recording ends.

    CAMERA is a URL such as v4l2:///dev/video0, folder:///incoming or fake://.
    """
    from edge.engine.watching import watch as build

    if dry_run and once:
        raise click.UsageError("--dry-run does nothing and --once acts; give one of them")
    # under --json every event is printed anyhow
    config = _config(camera, model, triggers, actions or (() if session.json else ("log",)), name, file)
    shown = _Shown(session.json)
    with _logged(), session.open() as engine:
        running = build(engine, config, shown.event)
        if dry_run:
            try:
                return _rehearse(session, running)
            finally:
                running.stop(0.0)
        if once:
            return _once(session, running)
        return _run(session, running, shown, seconds)


def _config(
    camera: str | None,
    model: str | None,
    triggers: tuple[str, ...],
    actions: tuple[str, ...],
    name: str | None,
    file: Path | None,
) -> WatchConfig:
    from edge.watch.config import LoopConfig, WatchConfig

    if file is not None:
        if camera or model or triggers or actions or name:
            raise click.UsageError("--config goes alone: the loops stand in the file")
        return WatchConfig.read(file, os.environ)
    if camera is None or model is None:
        raise click.UsageError("give a camera and --model, or --config watch.toml")
    loop = LoopConfig(name or _name(model), camera, model, triggers, actions)
    return WatchConfig((loop,), os.environ.get("EDGE_MQTT") or None)


def _name(model: str) -> str:
    plain = "".join(one if one.isascii() and one.isalnum() else "-" for one in model).strip("-")
    return plain[:64] or "loop"


def _rehearse(session: Session, running: Watch) -> int:
    found = running.check()
    lines = [f"{loop}: {what}" + (f"  FAILED: {why}" if why else "") for loop, what, why in found]
    document = {"checks": [{"loop": loop, "what": what, "failed": why} for loop, what, why in found]}
    session.show(document, map(text.safe, lines))
    return failures.UNAVAILABLE if any(why for _, _, why in found) else failures.DONE


def _once(session: Session, running: Watch) -> int:
    try:
        events = running.once()
    finally:
        running.stop(_STOP_SECONDS)
    session.show({"loops": running.document()}, ())
    return failures.UNAVAILABLE if any(one.failed for one in events) else failures.DONE


def _run(session: Session, running: Watch, shown: _Shown, seconds: float | None) -> int:
    stop = shown.stop
    before = {one: signal.signal(one, lambda *_: stop.set()) for one in (signal.SIGTERM, signal.SIGINT)}
    until = None if seconds is None else time.monotonic() + seconds
    try:
        running.start()
        while not running.wait(0) and (until is None or time.monotonic() < until):
            shown.status(running)
            if stop.wait(0.5):
                break
    finally:
        running.stop(_STOP_SECONDS)
        for one, handler in before.items():
            signal.signal(one, handler)
    shown.end()
    session.show({"loops": running.document()}, _summary(running))
    return failures.DONE


def _summary(running: Watch) -> list[str]:
    rows: list[tuple[Any, ...]] = []
    for loop in running.loops:
        facts = loop.counters.document()
        rows.append((loop.name, *(facts[key] for key in ("captures", "triggers", "predictions", "actions", "drops")),
                     "-" if facts["p50_ms"] is None else f"{facts['p50_ms']:.0f}",
                     "-" if facts["p99_ms"] is None else f"{facts['p99_ms']:.0f}"))  # fmt: skip
    heads = ("loop", "captures", "triggers", "predictions", "actions", "drops", "p50 ms", "p99 ms")
    return [text.safe(line) for line in text.table(rows, heads=heads, right="l r r r r r r r")]


def _now(loop: Loop) -> str:
    """How a loop is, in a few words."""
    last = loop.last
    if last is None or last.prediction is None:
        seen = "nothing yet" if last is None else f"could not look: {last.failed}"
    else:
        names = {one.id: one.name or one.id for one in last.prediction.concepts}
        seen = "sees " + (", ".join(names.get(one, one) for one in last.active) or "nothing")
    state = "" if loop.camera.state == "open" else f" ({loop.camera.state})"
    return f"{loop.name}: {text.plural(loop.counters.predictions, 'look')}, {seen}{state}"


class _Shown:
    """Events as JSON lines, or a line on the terminal that says how it goes."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._live = sys.stderr.isatty()
        self._guard = threading.Lock()
        self.stop = threading.Event()
        """Set when it is time to end: by a signal, or because nobody reads any more."""

    def event(self, event: Event) -> None:
        """An event of any loop."""
        if not self._json:
            return
        try:
            with self._guard:
                sys.stdout.write(json.dumps({"event": event.document()}, ensure_ascii=False) + "\n")
                sys.stdout.flush()
        except OSError:
            self.stop.set()

    def status(self, running: Watch) -> None:
        """One line for all loops."""
        if not self._live:
            return
        line = text.safe("  |  ".join(map(_now, running.loops)))
        width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1  # some terminals do not know theirs
        sys.stderr.write("\r\033[K" + line[:width])
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


@contextmanager
def _logged() -> Iterator[None]:
    """What loops, cameras and links have to say, on standard error: once each, with what to do."""
    import logging

    handler = logging.StreamHandler()
    above = "\r\033[K" if sys.stderr.isatty() else ""  # the status line is written anew
    handler.setFormatter(logging.Formatter(f"{above}%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    found = [logging.getLogger(name) for name in ("edge", "firmware_bridge")]
    levels = [one.level for one in found]
    for one in found:
        one.addHandler(handler)
        one.setLevel(logging.INFO)
    try:
        yield
    finally:
        for one, level in zip(found, levels, strict=True):
            one.removeHandler(handler)
            one.setLevel(level)

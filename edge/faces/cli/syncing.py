"""sync: labels and pictures, to a remote and from it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from edge.faces.cli import failures, text
from edge.faces.cli.progress import progress
from edge.faces.cli.session import Session, pass_session
from edge.faces.cli.sizes import Bytes

if TYPE_CHECKING:
    from edge.engine.engine import Progress
    from edge.engine.syncing import Syncing
    from edge.sync.contract import Met
    from edge.sync.retention import Thinned
    from edge.sync.transfer import Limits

_EVERY = 300.0
_LOOK_SECONDS = 5.0
_SETTLE_SECONDS = 10.0


@click.command()
@click.argument("name", required=False)
@click.option("--push", is_flag=True, help="Only send.")
@click.option("--pull", is_flag=True, help="Only fetch.")
@click.option("--max-bytes", type=Bytes(), metavar="BYTES", help="Stop before more has been moved, like 50M.")
@click.option("--max-seconds", type=click.FloatRange(0, min_open=True), help="Stop after so long.")
@click.option("--rate", type=Bytes(), metavar="BYTES", help="Bytes a second at most, like 100k.")
@click.option("--thin", type=click.FloatRange(0), metavar="DAYS", help="Then leave older originals to the remote.")
@click.option("--dry-run", is_flag=True, help="Say what there is to do, and do nothing.")
@click.option("--watch", is_flag=True, help="Go on: when something has changed, and every few minutes.")
@click.option("--every", type=click.FloatRange(1), default=_EVERY, show_default=True, help="Seconds, with --watch.")
@pass_session
def sync(
    session: Session,
    name: str | None,
    push: bool,
    pull: bool,
    max_bytes: int | None,
    max_seconds: float | None,
    rate: int | None,
    thin: float | None,
    dry_run: bool,
    watch: bool,
    every: float,
) -> int:
    """Send and fetch labels, then pictures, the most valuable first. Interrupted, the next sync goes on.

    NAME may be left out where there is one remote.
    """
    if dry_run and watch:
        raise click.UsageError("--dry-run does nothing and --watch goes on; give one of them")
    from edge.sync.transfer import Limits

    limits = Limits(max_bytes, max_seconds, rate)
    run = _Run(session, name, push or not pull, pull or not push, limits, thin, dry_run)
    if not watch:
        with run.opened() as syncing:
            return run.once(syncing)
    return _watch(run, every)


class _Run:
    """What one sync is asked to do."""

    def __init__(
        self,
        session: Session,
        name: str | None,
        push: bool,
        pull: bool,
        limits: Limits,
        thin: float | None,
        dry_run: bool,
    ) -> None:
        self._session = session
        self._name = name
        self._push, self._pull = push, pull
        self._limits = limits
        self._thin = thin
        self._dry_run = dry_run

    @contextmanager
    def opened(self) -> Iterator[Syncing]:
        """The store, for one sync or many."""
        from edge.engine.syncing import Syncing

        with self._session.open() as engine:
            yield Syncing(engine, os.environ)

    def once(self, syncing: Syncing) -> int:
        """One meeting; returns the exit code."""
        with _bars() as stage:
            met = syncing.sync(
                self._name, push=self._push, pull=self._pull, limits=self._limits, dry_run=self._dry_run, stage=stage
            )
        thinned = None if self._thin is None or self._dry_run else self._thinned(syncing, self._thin)
        told = document(met) if thinned is None else {**document(met), "thinned": counts(thinned)}
        lines = [*_lines(met, self._dry_run), *([] if thinned is None else freed(thinned))]
        self._session.show(told, map(text.safe, lines))
        return _refused(met, as_json=self._session.json)

    def _thinned(self, syncing: Syncing, days: float) -> Thinned:
        from datetime import timedelta

        with progress("thinning", "B") as show:
            older_than = timedelta(days=days)
            return syncing.thin(self._name, older_than=older_than, limits=self._limits, progress=show)


def _watch(run: _Run, every: float) -> int:
    """Meet again and again; what fails is said once, and tried again."""
    from edge.errors import EdgeError

    said = ""
    with run.opened() as syncing:
        while True:
            moment = syncing.moment()
            try:
                run.once(syncing)
                said = ""
            except EdgeError as error:
                if error.kind not in ("unavailable", "conflict"):
                    raise
                if str(error) != said:
                    click.echo(text.safe(f"edge: {error}; trying again every {every:g} s"), err=True)
                said = str(error)
            _wait(syncing, moment, every)


def _wait(syncing: Syncing, moment: object, every: float) -> None:
    """Until it is time, or until something has changed here and things have settled."""
    began = time.monotonic()
    changed: float | None = None
    while time.monotonic() - began < every:
        threading.Event().wait(min(_LOOK_SECONDS, every))
        now = syncing.moment()
        if now != moment:
            moment, changed = now, time.monotonic()
        elif changed is not None and time.monotonic() - changed >= _SETTLE_SECONDS:
            return


@contextmanager
def _bars() -> Iterator[Callable[[str], Progress | None]]:
    """A bar per stage, in bytes."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(progress(name, "B"))


def document(met: Met) -> dict[str, object]:
    """A meeting as the one JSON document."""
    names = (
        "remote", "segments_sent", "segments_carried", "pictures_sent", "records", "pictures_fetched", "requests",
        "failures", "bytes_sent", "bytes_received", "stopped", "notes",
    )  # fmt: skip
    found: dict[str, object] = {name: getattr(met, name) for name in names}
    found["to_send"] = {"pictures": met.to_send[0], "bytes": met.to_send[1]}
    found["to_fetch"] = {"pictures": met.to_fetch[0], "bytes": met.to_fetch[1]}
    found["refused"] = [{"source": source, "reason": reason} for source, reason in met.refused]
    return found


def _lines(met: Met, dry_run: bool) -> Iterator[str]:
    yield from met.notes
    if dry_run:
        yield f"to send: {_amount(met.to_send)}; to fetch: {_amount(met.to_fetch)}; nothing was done"
        return
    yield (
        f"{met.remote}: sent {text.plural(met.segments_sent + met.segments_carried, 'segment')} of the log and "
        f"{text.plural(met.pictures_sent, 'picture')}; "
        f"took {text.plural(met.records, 'record')} and {text.plural(met.pictures_fetched, 'picture')} "
        f"({(met.bytes_sent + met.bytes_received) / 1e6:.1f} MB, {text.plural(met.requests, 'request')})"
    )
    if met.stopped:
        yield f"stopped, for {met.stopped}"
    if met.to_send[0]:
        yield f"still to send: {_amount(met.to_send)}; the next sync goes on"
    if met.to_fetch[0]:
        yield f"still to fetch: {_amount(met.to_fetch)}; the next sync goes on"


def counts(found: Thinned) -> dict[str, object]:
    """What thinning did, as part of a JSON document."""
    return {name: getattr(found, name) for name in ("pictures", "freed", "absent", "kept", "stopped")}


def freed(found: Thinned) -> Iterator[str]:
    """What thinning did, for people."""
    yield f"{text.plural(found.pictures, 'original')} left to the remote, {found.freed / 1e6:.1f} MB freed"
    if found.absent:
        yield f"{text.plural(found.absent, 'picture')} stayed, not whole on the remote; run: edge sync"
    if found.kept:
        yield f"{text.plural(found.kept, 'picture')} stayed, too small to gain by it"
    if found.stopped:
        yield f"stopped, for {found.stopped}"


def _amount(count: tuple[int, int]) -> str:
    return f"{text.plural(count[0], 'picture')}, {count[1] / 1e6:.1f} MB"


def _refused(met: Met, *, as_json: bool) -> int:
    if not met.refused:
        return failures.DONE
    return failures.left_out(tuple(met.refused), len(met.refused), as_json=as_json)

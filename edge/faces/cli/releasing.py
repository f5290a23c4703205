"""release: what a hub publishes, taken only if it is genuine and at least as good here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.faces.cli import failures, text
from edge.faces.cli.progress import progress
from edge.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from edge.engine import Engine
    from edge.engine.engine import Progress
    from edge.engine.releasing import Outcome, Published, Releases
    from edge.sync.releases.place import Place

_MOST_ROOT = 1 << 20
from_option = click.option("--from", "source", metavar="REMOTE", help="Its name or URL [default: as the last time].")


@click.group()
def release() -> None:
    """Backbones and models that a hub has signed."""


@release.command("trust")
@click.argument("root", type=click.Path(path_type=Path))
@from_option
@pass_session
def trust(session: Session, root: Path, source: str | None) -> None:
    """Take releases of whoever made ROOT (root.json), from now on; compare the ids of the keys with the publisher's."""
    with session.open() as engine:
        releases = _releases(engine)
        keys = releases.trust.establish(_read(root))
        if source is not None:
            releases.source = source
    lines = [f"releases signed by these root keys are trusted ({len(keys)}):", *(f"  {key}" for key in keys)]
    session.show({"keys": keys, "remote": source}, map(text.safe, lines))


@release.command("check")
@from_option
@pass_session
def check(session: Session, source: str | None) -> None:
    """Show what is published, and whether it is newer than what is in use here."""
    with session.open() as engine, _place(engine, source) as (releases, place):
        found = releases.check(place.fetch)
        worth = releases.worth_trying(found)
    session.show({**_document(found), "worth_trying": worth}, map(text.safe, _published(found)))


@release.command("apply")
@from_option
@click.option("--accept-worse", type=click.FloatRange(0, 100), default=0.0, help="Points a model may lose here.")
@pass_session
def apply(session: Session, source: str | None, accept_worse: float) -> int:
    """Verify, compute, judge on this device's own pictures, and switch if no model gets worse."""
    with session.open() as engine, _place(engine, source) as (releases, place), _stages() as stage:
        outcome = releases.apply(place.fetch, accept_worse=accept_worse / 100, stage=stage)
    _show(session, outcome)
    return failures.DONE if outcome.applied else failures.CONFLICT


@release.command("rollback")
@pass_session
def rollback(session: Session) -> None:
    """Use what was in use before the last release."""
    with session.open() as engine, _stages() as stage:
        number = _releases(engine).rollback(stage=stage)
        backbone = engine.backbone_name
    what = f"release {number}" if number else "what was there before any release"
    session.show({"number": number, "backbone": backbone}, [text.safe(f"{what} is in use again, with {backbone}")])


@release.command("auto")
@from_option
@click.option("--every", type=click.FloatRange(1), metavar="SECONDS", help="Go on looking; default: once, for a timer.")
@click.option("--accept-worse", type=click.FloatRange(0, 100), default=0.0, help="Points a model may lose here.")
@pass_session
def auto(session: Session, source: str | None, every: float | None, accept_worse: float) -> int:
    """Apply what is newer, unless it was refused here on the same annotations."""
    from edge.errors import EdgeError

    code = failures.DONE
    while True:
        try:
            code = _once(session, source, accept_worse)
        except EdgeError as error:
            if every is None:
                raise
            click.echo(text.safe(f"edge: {error}"), err=True)
        if every is None:
            return code
        threading.Event().wait(every)


def _once(session: Session, source: str | None, accept_worse: float) -> int:
    with session.open() as engine, _place(engine, source) as (releases, place):
        found = releases.check(place.fetch)
        if not releases.worth_trying(found):
            session.show({"applied": False, "number": found.number}, map(text.safe, _published(found)))
            return failures.DONE
        with _stages() as stage:
            outcome = releases.apply(place.fetch, accept_worse=accept_worse / 100, stage=stage)
    _show(session, outcome)
    return failures.DONE if outcome.applied else failures.CONFLICT


# --- parts -----------------------------------------------------------------------------------------------------------


def _releases(engine: Engine) -> Releases:
    from edge.engine.releasing import Releases

    return Releases(engine)


@contextmanager
def _place(engine: Engine, source: str | None) -> Iterator[tuple[Releases, Place]]:
    """The store's releases and where they come from; what was named is remembered."""
    from edge.sync.releases.place import Place

    releases = _releases(engine)
    place = Place(releases.open_source(source))
    try:
        yield releases, place
        if source is not None:
            releases.source = source
    finally:
        place.close()


@contextmanager
def _stages() -> Iterator[Callable[[str], Progress | None]]:
    """A bar per stage."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(progress(name))


def _read(path: Path) -> bytes:
    from edge.errors import NotFound

    try:
        with path.open("rb") as file:
            return file.read(_MOST_ROOT)
    except OSError as error:
        raise NotFound(f"{path} cannot be read ({error.strerror}); give the root.json that was published") from error


def _document(found: Published) -> dict[str, object]:
    names = ("number", "created", "notes", "backbone", "models", "bytes", "current", "refused", "newer")
    return {name: getattr(found, name) for name in names}


def _published(found: Published) -> list[str]:
    lines = [f"release {found.number} of {text.moment(found.created)}: backbone {found.backbone}"]
    lines += [f"  models: {', '.join(found.models)}"] if found.models else []
    lines += [f"  {line}" for line in found.notes.splitlines()]
    if not found.newer:
        lines.append("it is in use here")
    elif found.refused:
        lines.append(f"it was refused here: {found.refused}")
    else:
        lines.append(f"{found.bytes / 1e6:.1f} MB to fetch; take it with: edge release apply")
    return lines


def _show(session: Session, outcome: Outcome) -> None:
    rows = [(one.model, one.choice, one.reason) for one in outcome.judgements]
    lines = [*text.table(rows, heads=("model", "version", "why")), outcome.reason] if rows else [outcome.reason]
    document = {
        "number": outcome.number,
        "applied": outcome.applied,
        "computed": outcome.computed,
        "reason": outcome.reason,
        "judgements": outcome.judgements,
    }
    session.show(document, map(text.safe, lines))

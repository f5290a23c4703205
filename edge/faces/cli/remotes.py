"""remote: places to synchronise with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from edge.faces.cli import text
from edge.faces.cli.progress import progress
from edge.faces.cli.session import Session, pass_session
from edge.faces.cli.sizes import Bytes
from edge.faces.cli.syncing import counts, freed

if TYPE_CHECKING:
    from edge.engine.remotes import Remotes
    from edge.engine.syncing import Syncing
    from edge.sync.registry import Known, Pictures
    from edge.sync.remotes.probe import Abilities


@click.group()
def remote() -> None:
    """Places to synchronise with: folders, sticks, buckets."""


@remote.command("add")
@click.argument("name")
@click.argument("url")
@click.option(
    "--pictures",
    type=click.Choice(["all", "annotated", "none"]),
    default="annotated",
    show_default=True,
    help="Of which of the others' inputs to fetch the pictures.",
)
@pass_session
def add(session: Session, name: str, url: str, pictures: Pictures) -> None:
    """Try a place, and keep it under a name.

    URL is a folder's path, s3://BUCKET/FOLDER, gs://..., az://..., or https://... to read from.
    """
    with _remotes(session) as remotes:
        known, found = remotes.add(name, url, pictures)
    lines = [f"{name} is {known.shown}", *_abilities(found), f"synchronise with: edge sync {name}"]
    session.show({"remote": _document(known), "abilities": found}, map(text.safe, lines))


@remote.command("list")
@pass_session
def list_(session: Session) -> None:
    """Show the remotes of this store."""
    with _remotes(session) as remotes:
        found = remotes.registry.all()
    rows = [(one.name, one.shown, one.pictures, "" if one.writable else "read only") for one in found]
    lines = text.table(rows, heads=("remote", "place", "pictures", "")) if rows else ["no remotes yet"]
    session.show({"remotes": [_document(one) for one in found]}, lines)


@remote.command("remove")
@click.argument("name")
@pass_session
def remove(session: Session, name: str) -> None:
    """Forget a remote. What is there stays there."""
    with _remotes(session) as remotes:
        known = remotes.registry.remove(name)
    session.show({"remote": _document(known)}, [text.safe(f"{name} is forgotten; {known.shown} keeps what it has")])


@remote.command("check")
@click.argument("name")
@pass_session
def check(session: Session, name: str) -> None:
    """Look at everything that is there: what has gone missing is sent again by the next sync."""
    with _remotes(session) as remotes:
        found = remotes.check(name)
    lines = [f"{name} answers: {found.remote.shown}", *_abilities(found.abilities)]
    if found.abilities.lists:
        lines.append(f"{text.plural(found.pictures, 'picture')} there, {found.bytes / 1e6:.1f} MB")
    if found.swept:
        lines.append(f"{text.plural(found.swept, 'file')} that interrupted writes had left removed")
    document = {
        "remote": _document(found.remote),
        "abilities": found.abilities,
        "pictures": found.pictures,
        "bytes": found.bytes,
        "swept": found.swept,
    }
    session.show(document, map(text.safe, lines))


@remote.command("thin")
@click.argument("name", required=False)
@click.option(
    "--older-than", type=click.FloatRange(0), default=30.0, show_default=True, metavar="DAYS", help="Only these."
)
@click.option("--free", type=Bytes(), metavar="BYTES", help="Stop once so much was freed, like 2G.")
@click.option("--max-bytes", type=Bytes(), metavar="BYTES", help="Stop before more has been read back, like 500M.")
@click.option("--max-seconds", type=click.FloatRange(0, min_open=True), help="Stop after so long.")
@pass_session
def thin(
    session: Session,
    name: str | None,
    older_than: float,
    free: int | None,
    max_bytes: int | None,
    max_seconds: float | None,
) -> None:
    """Make room: leave the originals of old pictures to a remote.

    Only those that it gives back whole, byte by byte. A small copy stays, the embedding and all that was said too:
    training and another backbone need no network.
    """
    from datetime import timedelta

    from edge.sync.transfer import Limits

    with _syncing(session) as syncing, progress("thinning", "B") as show:
        found = syncing.thin(
            name,
            older_than=timedelta(days=older_than),
            enough=free,
            limits=Limits(max_bytes, max_seconds),
            progress=show,
        )
    session.show(counts(found), freed(found))


@remote.command("fetch")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--from", "name", metavar="NAME", help="The remote, where there are several.")
@pass_session
def fetch(session: Session, inputs: tuple[str, ...], name: str | None) -> None:
    """Get originals that were left to a remote again."""
    with _syncing(session) as syncing, progress("fetching") as show:
        count = syncing.fetch(inputs, name, show)
    session.show({"fetched": count}, [f"{text.plural(count, 'original')} fetched"])


# --- parts -----------------------------------------------------------------------------------------------------------


@contextmanager
def _remotes(session: Session) -> Iterator[Remotes]:
    """The remotes of the chosen store; a store must be there."""
    from edge.engine.remotes import Remotes

    with session.open() as engine:
        yield Remotes(engine.store.path, os.environ)


@contextmanager
def _syncing(session: Session) -> Iterator[Syncing]:
    from edge.engine.syncing import Syncing

    with session.open() as engine:
        yield Syncing(engine, os.environ)


def _document(known: Known) -> dict[str, object]:
    return {
        "name": known.name,
        "url": known.shown,
        "id": known.id,
        "writable": known.writable,
        "pictures": known.pictures,
    }


def _abilities(found: Abilities) -> Iterator[str]:
    if not found.writable:
        yield "it can be read from, not written to"
    elif not found.conditions:
        yield (
            "note: this store replaces what is there when told not to; pictures are named by their content and each "
            "device writes only its own log, so nothing is lost, but do not run two copies of one card against it"
        )
    if not found.ranges:
        yield "note: this store gives objects only whole; an interrupted picture is fetched again"

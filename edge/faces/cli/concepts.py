"""concepts: what can be taught, and what it is called."""

from __future__ import annotations

import click

from edge.faces.cli import text
from edge.faces.cli.session import Session, pass_session


@click.group(invoke_without_command=True)
@click.pass_context
def concepts(ctx: click.Context) -> None:
    """List concepts, with how many pictures; rename one."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_concepts)


@concepts.command("list")
@pass_session
def list_concepts(session: Session) -> None:
    """List concepts, with how many pictures."""
    with session.open() as engine:
        counts = engine.store.inputs.concept_counts()
        found = [
            {"id": one.id, "name": one.name, "created_at": one.created_at,
             "shown": counts[one.id][0], "not_shown": counts[one.id][1]}
            for one in engine.concepts()
        ]  # fmt: skip
    rows = [(text.safe(str(one["name"])), one["shown"], one["not_shown"]) for one in found]
    session.show({"concepts": found}, text.table(rows, heads=("concept", "shown", "not shown"), right="l r r"))


@concepts.command("rename")
@click.argument("old")
@click.argument("new")
@pass_session
def rename(session: Session, old: str, new: str) -> None:
    """Call the concept OLD by a NEW name; everything that was said and trained stays."""
    with session.open() as engine:
        found = engine.rename_concept(old, new)
    session.show({"concept": found}, [text.safe(f"{old} is called {found.name} now")])

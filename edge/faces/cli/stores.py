"""init, backbone, doctor: the store as a whole and what it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from edge.faces.cli import failures, text
from edge.faces.cli.progress import progress
from edge.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from edge.errors import EdgeError
    from edge.types import BackboneCard, Finding


@click.command()
@click.option("--backbone", metavar="NAME", help="The network to use; `edge backbone list` shows them.")
@pass_session
def init(session: Session, backbone: str | None) -> None:
    """Make a store. One that is there already is left as it is."""
    from edge.engine import Engine

    engine, made = Engine.init(session.store, backbone=backbone, config=session.config())
    with engine:
        path, name = engine.store.path, engine.backbone_name
        session.show(
            {"store": path, "backbone": name, "created": made},
            [text.safe(f"{'made' if made else 'there is already'} a store at {path}, with backbone {name}")],
        )


@click.group()
def backbone() -> None:
    """The networks that turn pictures into numbers."""


@backbone.command("list")
@pass_session
def backbone_list(session: Session) -> None:
    """Show the backbones that are installed, and which one the store uses."""
    from edge.backbone.catalogue import cards
    from edge.errors import NotFound

    config = session.config()
    try:
        with session.open() as engine:
            used: str | None = engine.backbone_name
    except NotFound:  # before init, to choose one
        used = None
    broken: list[EdgeError] = []
    found = [card for _, card in cards(config, broken)]
    lines = [*_cards(found, used), *(text.safe(f"left out: {error}") for error in broken)]
    session.show({"backbones": found, "in_use": used, "broken": [str(error) for error in broken]}, lines)


def _cards(found: list[BackboneCard], used: str | None) -> Iterator[str]:
    rows = [
        (
            "*" if card.name == used else "",
            card.name,
            f"{card.preprocessing.width} x {card.preprocessing.height}",
            card.embedding.size,
            card.licence,
        )
        for card in found
    ]
    yield from text.table(rows, heads=("", "backbone", "input", "embedding", "licence"), right="l l r r l")


@backbone.command("use")
@click.argument("name")
@pass_session
def backbone_use(session: Session, name: str) -> None:
    """Compute all embeddings with another backbone. Interrupted, it goes on where it stopped."""
    with session.open() as engine:
        with progress("embeddings") as show:
            count = engine.use_backbone(name, show)
        session.show(
            {"backbone": name, "computed": count, "models": [model.name for model in engine.models()]},
            [
                text.safe(f"the store uses {name} now; {text.plural(count, 'embedding')} computed"),
                *(text.safe(f"train again: edge train {model.name}") for model in engine.models()),
            ],
        )


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be: missing embeddings, leftovers, lost heads, snapshots.")
@pass_session
def doctor(session: Session, repair: bool) -> int:
    """Check machine, backbone and store."""
    from edge.engine.health import examine

    found = []
    for finding in examine(session.store, session.config(), repair=repair):
        found.append(finding)
        if not session.json:  # as they come: reading every picture takes a while
            click.echo(_finding(finding))
    problems = sum(finding.level == "problem" for finding in found)
    session.show(
        {"findings": found, "problems": problems},
        [f"{text.plural(problems, 'problem')} found" if problems else "no problems found"],
    )
    return failures.UNAVAILABLE if problems else failures.DONE


def _finding(finding: Finding) -> str:
    level = "repaired" if finding.repaired else finding.level
    return text.safe(f"{level:8}  {finding.check:10}  {finding.message}")

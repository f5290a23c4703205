"""add, annotate, inputs, remove, restore: pictures and what is said about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.faces.cli import failures, text
from edge.faces.cli.progress import progress
from edge.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from edge.engine import Added
    from edge.engine.choosing import Wanted
    from edge.types import Input

_SHORT = 12  # characters of an id that people see and may type
SHOWN = click.option("--concept", "concepts", multiple=True, metavar="NAME", help="The pictures show it (repeatable).")
HIDDEN = click.option(
    "--not-concept", "not_concepts", multiple=True, metavar="NAME", help="The pictures do not show it (repeatable)."
)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@SHOWN
@HIDDEN
@click.option("--from-folders", is_flag=True, help="Each sub-folder of PATHS is a concept and holds its pictures.")
@click.option("--positives-only", is_flag=True, help="With --from-folders: say nothing about the other concepts.")
@pass_session
def add(
    session: Session,
    paths: tuple[Path, ...],
    concepts: tuple[str, ...],
    not_concepts: tuple[str, ...],
    from_folders: bool,
    positives_only: bool,
) -> int:
    """Store pictures and say what they show.

    PATHS are files, folders or patterns. A file that is no picture is left out, listed, and the others go in.
    """
    if positives_only and not from_folders:
        raise click.UsageError("--positives-only goes with --from-folders")
    with session.open() as engine, progress("adding") as show:
        added = engine.add(
            paths, concepts, not_concepts, from_folders=from_folders, positives_only=positives_only, progress=show
        )
        names = engine.store.inputs.renamed()
    refused = [{"source": source, "reason": reason} for source, reason in added.refused]
    session.show({"inputs": added.inputs, "created": added.created, "refused": refused}, _added(added, names))
    total = len(added.inputs) + len(added.refused)
    return failures.left_out(added.refused, total, as_json=session.json)


def _added(added: Added, names: Mapping[str, str]) -> Iterator[str]:
    again = len(added.inputs) - added.created
    yield f"{text.plural(added.created, 'picture')} added" + (f", {again} known already" if again else "")
    for id, (shown, hidden) in sorted(_counts(added.inputs).items()):
        yield text.safe(f"  {names.get(id, id)}: {shown} show it, {hidden} do not")


def _counts(inputs: tuple[Input, ...]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for one in {each.id: each for each in inputs}.values():
        for annotation in one.annotations:
            shown, hidden = counts.get(annotation.concept_id, (0, 0))
            counts[annotation.concept_id] = (shown + annotation.value, hidden + 1 - annotation.value)
    return counts


@click.command()
@click.argument("input")
@SHOWN
@HIDDEN
@click.option("--clear", multiple=True, metavar="NAME", help="Forget what was said about it (repeatable).")
@click.option("--confirm", is_flag=True, help="What is said is right: suspects list it no more.")
@pass_session
def annotate(
    session: Session,
    input: str,
    concepts: tuple[str, ...],
    not_concepts: tuple[str, ...],
    clear: tuple[str, ...],
    confirm: bool,
) -> None:
    """Say what a stored picture shows. INPUT is an id, or its beginning."""
    with session.open() as engine:
        found = engine.annotate(input, concepts, not_concepts, clear=clear, confirm=confirm)
        names = engine.store.inputs.renamed()
    session.show({"input": found}, text.table([_cells(found, names)]))


@click.command()
@click.option("--unlabelled", is_flag=True, help="Only those nothing was said about.")
@click.option("--concept", metavar="NAME", help="Only those for which this concept was said to be shown or not.")
@click.option("--uncertain", metavar="MODEL", help="Those to label next for this model, and why.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most so many.")
@click.option("--offset", type=click.IntRange(min=0), default=0, metavar="N", help="Leave out the first so many.")
@pass_session
def inputs(
    session: Session, unlabelled: bool, concept: str | None, uncertain: str | None, limit: int | None, offset: int
) -> None:
    """List stored pictures.

    Oldest first; + in front of a concept says that it shows it, - that it does not. With --uncertain: those a model
    would learn most from first, 20 unless --limit says otherwise.
    """
    if uncertain is not None:
        if concept is not None:
            raise click.UsageError("--concept does not go with --uncertain, which lists what nothing was said about")
        _show_uncertain(session, uncertain, limit, offset)
        return
    with session.open() as engine:
        found = engine.inputs(
            unlabelled=unlabelled, concept=concept, limit=-1 if limit is None else limit, offset=offset
        )
        names = engine.store.inputs.renamed()
    session.show({"inputs": found}, text.table([_cells(one, names) for one in found]))


def _show_uncertain(session: Session, model: str, limit: int | None, offset: int) -> None:
    from edge.engine.choosing import LIMIT, uncertain
    from edge.faces.documents import document

    with session.open() as engine:
        found = uncertain(engine, model, limit=LIMIT if limit is None else limit, offset=offset)
    more = [{**document(one), **document(one.input)} for one in found.inputs]
    for one in more:
        del one["input"]
    session.show({**document(found), "inputs": more}, _uncertain(found))


def _uncertain(found: Wanted) -> Iterator[str]:
    yield from text.table([(one.input.id[:_SHORT], one.reason, one.input.source) for one in found.inputs])
    if not found.unlabelled:
        yield text.safe(f"no picture is left of which nothing is said about the concepts of {found.model}")
    elif found.considered < found.unlabelled:
        yield f"chosen among {found.considered} of {found.unlabelled} pictures, always the same ones"


def _cells(one: Input, names: Mapping[str, str]) -> tuple[str, str, str, str]:
    said = " ".join(
        f"{'+' if each.value else '-'}{names.get(each.concept_id, each.concept_id)}" for each in one.annotations
    )
    return one.id[:_SHORT], f"{one.width} x {one.height}", said or "(nothing said)", one.source


@click.command()
@click.argument("inputs", nargs=-1, required=True)
@pass_session
def remove(session: Session, inputs: tuple[str, ...]) -> None:
    """Take pictures out. They can be restored for 30 days."""
    with session.open() as engine:
        count = engine.remove(inputs)
    session.show(
        {"removed": count},
        [f"{text.plural(count, 'picture')} removed; back with: edge restore {text.safe(' '.join(inputs))}"],
    )


@click.command()
@click.argument("inputs", nargs=-1, required=True)
@pass_session
def restore(session: Session, inputs: tuple[str, ...]) -> None:
    """Bring removed pictures back."""
    with session.open() as engine:
        count = engine.restore(inputs)
    session.show({"restored": count}, [f"{text.plural(count, 'picture')} restored"])

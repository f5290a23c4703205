"""train, predict, evaluate."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.faces.cli import failures, report, text, written
from edge.faces.cli.progress import progress
from edge.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from edge.engine import ModelVersion
    from edge.types import Prediction, VersionInfo


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--no-wait", is_flag=True, help="Return at once; the training goes on in a process of its own.")
@click.option("--unlabelled", is_flag=True, help="Learn from unlabelled pictures too, if that measurably helps.")
@pass_session
def train(session: Session, model: str, no_wait: bool, unlabelled: bool) -> None:
    """Train on everything that was said."""
    with session.open() as engine:
        one = engine.model(model)
        pinned = one.info.pinned_version
        if no_wait:
            from edge.engine.detached import train as start

            info = start(engine, one, unlabelled=unlabelled).info
        else:
            version = one.train(unlabelled=unlabelled)
            _wait(version)
            _ = version.evaluation  # raises what made it fail
            info = version.info
        names = engine.store.inputs.renamed()
    session.show(_version(info, pinned), _trained(info, pinned, names))


def _wait(version: ModelVersion) -> None:
    try:
        version.wait(1)
    except TimeoutError:
        if sys.stderr.isatty():
            click.echo("training ...", err=True)
        version.wait()


def _version(info: VersionInfo, pinned: str | None) -> dict[str, Any]:
    from edge.faces.documents import document

    return {**document(info), "version": info.id, "unpinned": pinned}


def _trained(info: VersionInfo, pinned: str | None, names: Mapping[str, str]) -> Iterator[str]:
    if info.evaluation is None:
        yield text.safe(f"{info.model} {info.id} is queued; see: edge versions {info.model}")
        if pinned:
            yield f"once it is trained, the rollback to {pinned} is undone"
        return
    yield text.safe(f"trained {info.model} {info.id}")
    rows = [
        (f"  {names.get(id, id)}", f"{shown} shown", f"{hidden} not shown")
        for id, (shown, hidden) in info.counts.items()
    ]
    yield from text.table(rows, right="l r r")
    yield report.accuracy(info.evaluation)
    yield from report.notes(info.evaluation)
    if pinned:
        yield f"the rollback to {pinned} is undone: {info.id} is in use"


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(path_type=Path))
@click.option("--version", metavar="V", help="Another version than the one in use.")
@click.option("--min-value", type=float, default=0.0, metavar="X", help="Only concepts of at least this value.")
@click.option("--max-concepts", type=int, metavar="N", help="At most so many concepts.")
@click.option("--select", multiple=True, metavar="NAME", help="Only this concept (repeatable).")
@pass_session
def predict(
    session: Session,
    model: str,
    images: tuple[Path, ...],
    version: str | None,
    min_value: float,
    max_concepts: int | None,
    select: tuple[str, ...],
) -> int:
    """Say what pictures show."""
    from edge.engine.asking import predict_many

    with session.open() as engine, progress("predicting") as show:
        done = predict_many(
            engine.model(model),
            images,
            version=version,
            min_value=min_value,
            max_concepts=max_concepts,
            select=select,
            progress=show,
        )
    refused = [{"source": source, "reason": reason} for source, reason in done.refused]
    session.show({"predictions": done.predictions, "refused": refused}, _predictions(done.predictions))
    return failures.left_out(done.refused, len(images), as_json=session.json)


def _predictions(found: tuple[Prediction, ...]) -> Iterator[str]:
    columns = max((text.width(text.safe(score.name)) for one in found for score in one.concepts), default=0)
    for one in found:
        yield text.safe(str(one.path))
        if not one.is_known:
            yield f"  none of these (known {text.percent(one.known)}); if it were one:"
        for score in one.concepts:
            name = text.padded(text.safe(score.name), columns)
            yield f"  {name}  {text.percent(score.value):>7}  {text.bar(score.value)}".rstrip()


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--folder", type=click.Path(path_type=Path), metavar="DIR", help="Measure on pictures kept aside.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with pictures, too.")
@click.option("--suspects", type=click.IntRange(min=0), default=12, metavar="N", help="List at most so many (12).")
@pass_session
def evaluate(session: Session, model: str, folder: Path | None, html: Path | None, suspects: int) -> None:
    """Say how good the version in use is, and what helps most.

    By leave-one-out on what it was taught with, or on a folder with one sub-folder per concept.
    """
    from edge.engine.review import review, review_held_out
    from edge.faces.documents import document

    if html is not None:
        written.check(html)
    with session.open() as engine, progress("evaluating") as show:
        one = engine.model(model)
        info, _ = one.head()
        found = one.evaluate(folder, show)
        names = {concept.id: concept.name for concept in engine.concepts()}
        if folder is None:
            seen = review(engine, one, found, limit=suspects, progress=show)
        else:
            seen = review_held_out(found, names)
        about = report.About(f"{model} {info.id}", found, seen, names)
        if html is not None:
            written.write(html, engine, about)
    printed = {"model": model, "version": info.id, **document(found), **document(seen), "html": html}
    session.show(printed, report.page(about, html))

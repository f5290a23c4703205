"""import, export-data: pictures and labels from and for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.faces.cli import failures, text
from edge.faces.cli.progress import progress
from edge.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from edge.engine.interchange import Exported, Imported

FORMATS = ("coco", "csv", "huggingface", "imagefolder", "label-studio")


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--format", "format", type=click.Choice(FORMATS), help="How it is laid out [default: what it looks like]."
)
@click.option("--by", default="import", show_default=True, metavar="NAME", help="Who says what has no name beside it.")
@click.option("--positives-only", is_flag=True, help="Of folders per concept: say nothing about the other concepts.")
@pass_session
def import_(session: Session, path: Path, format: str | None, by: str, positives_only: bool) -> int:
    """Take in labelled pictures of other programs.

    PATH is a folder, or the file in it that describes the pictures. Pictures that cannot be taken are left out, listed,
    and the others go in.
    """
    from edge.engine.interchange import import_data

    with session.open() as engine, progress("importing") as show:
        done = import_data(engine, path, format, by=by, positives_only=positives_only, progress=show)
    refused = [{"source": source, "reason": reason} for source, reason in done.refused]
    counts = {"pictures": done.pictures, "created": done.created, "annotations": done.annotations}
    session.show({"format": done.format, **counts, "refused": refused}, _imported(done))
    return failures.left_out(
        done.refused, done.pictures + done.refused_count, as_json=session.json, count=done.refused_count
    )


def _imported(done: Imported) -> Iterator[str]:
    again = done.pictures - done.created
    known = f", {again} known already" if again else ""
    said = text.plural(done.annotations, "label")
    yield f"{text.plural(done.created, 'picture')} imported{known}, {said} ({done.format})"


@click.command("export-data")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--format", "format", type=click.Choice(FORMATS), required=True, help="For whom.")
@click.option(
    "--concept", "concepts", multiple=True, metavar="NAME", help="Only this one, and its pictures (repeatable)."
)
@click.option("--model", metavar="NAME", help="Only this model's concepts, and their pictures.")
@pass_session
def export_data(session: Session, folder: Path, format: str, concepts: tuple[str, ...], model: str | None) -> int:
    """Copy pictures and labels into a new folder, for other programs.

    FOLDER appears when it is complete. The store stays as it is.
    """
    from edge.engine.interchange import export_data as export

    with session.open() as engine, progress("exporting") as show:
        done = export(engine, folder, format, concepts=concepts, model=model, progress=show)
    left_out = [{"source": id, "reason": reason} for id, reason in done.left_out]
    counts = {"pictures": done.pictures, "annotations": done.annotations}
    session.show({"folder": done.folder, "format": done.format, **counts, "left_out": left_out}, _exported(done))
    return failures.left_out(done.left_out, done.pictures + len(done.left_out), as_json=session.json)


def _exported(done: Exported) -> Iterator[str]:
    said = text.plural(done.annotations, "label")
    yield text.safe(f"{text.plural(done.pictures, 'picture')} with {said} exported to {done.folder} ({done.format})")

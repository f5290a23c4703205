"""model, versions, rollback, export: named sets of concepts and what was trained for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.faces.cli import text
from edge.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from edge.engine import Model
    from edge.types import ModelInfo, VersionInfo


@click.group()
def model() -> None:
    """Named sets of concepts."""


@model.command("create")
@click.argument("name")
@click.option("--concept", "concepts", multiple=True, required=True, metavar="NAME", help="A concept (repeatable).")
@click.option("--mutually-exclusive", is_flag=True, help="A picture shows exactly one of the concepts.")
@click.option("--closed-environment", is_flag=True, help="Nothing but what is taught will ever be seen.")
@pass_session
def create(
    session: Session, name: str, concepts: tuple[str, ...], mutually_exclusive: bool, closed_environment: bool
) -> None:
    """Make a model of some concepts; train it next."""
    with session.open() as engine:
        info = engine.create_model(
            name, concepts, mutually_exclusive=mutually_exclusive, closed_environment=closed_environment
        ).info
    session.show({"model": info}, [text.safe(f"made model {info.name}; now: edge train {info.name}")])


@model.command("list")
@pass_session
def list_models(session: Session) -> None:
    """List the models."""
    with session.open() as engine:
        found = [(one.info, one.in_use, engine.names(one.info.concepts)) for one in engine.models()]
    rows = [(info.name, "-" if used is None else used.id, " ".join(names)) for info, used, names in found]
    session.show(
        {"models": [_model(info, used) for info, used, _ in found]},
        text.table(rows, heads=("model", "in use", "concepts")),
    )


def _model(info: ModelInfo, used: VersionInfo | None) -> dict[str, Any]:
    from edge.faces.documents import document

    return {**document(info), "in_use": None if used is None else used.id}


@model.command("show")
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """Show a model's concepts and settings."""
    with session.open() as engine:
        one = engine.model(name)
        info, used = one.info, one.in_use
        names = engine.names(info.concepts)
    rows = [
        ("model", info.name),
        ("concepts", " ".join(names)),
        ("mutually exclusive", "yes" if info.mutually_exclusive else "no"),
        ("closed environment", "yes" if info.closed_environment else "no"),
        ("made", text.moment(info.created_at)),
        ("in use", "not trained yet" if used is None else used.id + (" (rolled back)" if info.pinned_version else "")),
    ]
    session.show({"model": _model(info, used)}, text.table(rows))


@model.command("set")
@click.argument("name", metavar="MODEL")
@click.option(
    "--mutually-exclusive/--independent", "exclusive", default=None, help="One concept a picture, or several."
)
@click.option("--closed-environment/--open-environment", "closed", default=None, help="Whether strangers may come.")
@pass_session
def set_output(session: Session, name: str, exclusive: bool | None, closed: bool | None) -> None:
    """Change a model's settings from the next training on; its versions answer as before."""
    if exclusive is None and closed is None:
        raise click.UsageError(
            "nothing to change; give --mutually-exclusive, --independent, --closed-environment or --open-environment"
        )
    with session.open() as engine:
        info = engine.model(name).set_output(mutually_exclusive=exclusive, closed_environment=closed)
    session.show({"model": info}, [text.safe(f"changed {info.name}; now: edge train {info.name}")])


@model.command("add-concept")
@click.argument("name", metavar="MODEL")
@click.argument("concepts", nargs=-1, required=True, metavar="CONCEPT...")
@pass_session
def add_concept(session: Session, name: str, concepts: tuple[str, ...]) -> None:
    """Teach a model more concepts from the next training on."""
    with session.open() as engine:
        one = engine.model(name)
        info = one.add_concepts(concepts)
        _changed(session, info, one.in_use, engine.names(info.concepts))


@model.command("remove-concept")
@click.argument("name", metavar="MODEL")
@click.argument("concepts", nargs=-1, required=True, metavar="CONCEPT...")
@pass_session
def remove_concept(session: Session, name: str, concepts: tuple[str, ...]) -> None:
    """Leave concepts out of a model from the next training on; what was said about them stays."""
    with session.open() as engine:
        one = engine.model(name)
        info = one.remove_concepts(concepts)
        _changed(session, info, one.in_use, engine.names(info.concepts))


def _changed(session: Session, info: ModelInfo, used: VersionInfo | None, names: tuple[str, ...]) -> None:
    lines = [f"{info.name} has the concepts {' '.join(names)}; now: edge train {info.name}"]
    if used is not None:
        lines.append(f"until then {used.id} is in use, with those it was trained on")
    session.show({"model": _model(info, used)}, [text.safe(line) for line in lines])


@model.command("delete")
@click.argument("name")
@pass_session
def delete(session: Session, name: str) -> None:
    """Delete a model and its versions; pictures and what was said about them stay."""
    with session.open() as engine:
        engine.delete_model(name)
    session.show({"deleted": name}, [text.safe(f"deleted model {name}; its pictures stay")])


@model.command("install")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", metavar="MODEL", help="The model it becomes a version of [default: the one it was made for].")
@pass_session
def install(session: Session, file: Path, name: str | None) -> None:
    """Take the head out of an exported FILE.tflite as a new version of its model."""
    with session.open() as engine:
        one = engine.install(file, name)
        info, version = one.info, one.versions()[0].info
    session.show(
        {"model": info, "version": version},
        [text.safe(f"{info.name} {version.id} is installed and in use")],
    )


@click.command()
@click.argument("model", metavar="MODEL")
@pass_session
def versions(session: Session, model: str) -> None:
    """List a model's versions; * is in use."""
    with session.open() as engine:
        one = engine.model(model)
        found = [version.info for version in one.versions()]
        used, pinned = one.in_use, one.info.pinned_version
    document = {"model": model, "in_use": None if used is None else used.id, "pinned": pinned, "versions": found}
    rows = [
        ("*" if used is not None and version.id == used.id else "", version.id, _state(version), *_figures(version))
        for version in found
    ]
    heads = ("", "version", "state", "made", "accuracy")
    session.show(document, text.table(rows, heads=heads, right="l l l l r") if rows else _untrained(one))


def _untrained(one: Model) -> list[str]:
    return [text.safe(f"{one.name} has no versions yet; now: edge train {one.name}")]


def _state(version: VersionInfo) -> str:
    name = version.status.value.removeprefix("MODEL_").replace("_", " ").lower()
    return name if version.reason is None else f"{name}: {version.reason}"


def _figures(version: VersionInfo) -> tuple[str, str]:
    return (
        text.moment(version.trained_at or version.created_at),
        text.percent(None if version.evaluation is None else version.evaluation.accuracy),
    )


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("version")
@pass_session
def rollback(session: Session, model: str, version: str) -> None:
    """Predict with an older version again."""
    with session.open() as engine:
        info = engine.model(model).rollback(version).info
    session.show(
        {"model": model, "pinned": info.id, "version": info},
        [text.safe(f"{model} predicts with {info.id} now; training again undoes that")],
    )


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--version", metavar="V", help="Another version than the one in use.")
@click.option("--full-integer", is_flag=True, help="The head in INT8 too, for an Edge TPU.")
@pass_session
def export(session: Session, model: str, file: Path, version: str | None, full_integer: bool) -> None:
    """Write one FILE.tflite that runs on its own.

    It holds the backbone, the model, its labels and the preprocessing.
    """
    from edge.faces.documents import document

    with session.open() as engine:
        exported = engine.model(model).export(file, version=version, full_integer=full_integer)
    lines = str(exported).splitlines()
    session.show(document(exported), [text.safe(line) for line in lines])

"""``trainer hub``: only translates."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from trainer.releases.cli import publish

if TYPE_CHECKING:
    from edge.engine import Engine
    from edge.store.fleet import DeviceFacts

FOLDER = click.Path(path_type=Path)
_NAME = "fleet"


@click.group()
def hub() -> None:
    """Bring the words of many devices together: pull, status, evaluate, train, publish."""


@hub.command()
@click.argument("store", type=FOLDER)
@click.argument("remote")
@click.pass_obj
def pull(as_json: bool, store: Path, remote: str) -> None:
    """Merge everything in REMOTE (a URL, or the name it was added under) into STORE, pictures too."""
    from edge.engine import Engine
    from edge.engine.syncing import Syncing
    from edge.errors import NotFound

    with Engine.open(store) as engine:
        syncing = Syncing(engine, os.environ)
        try:
            name = syncing.remotes.registry.get(remote).name
        except NotFound:
            name = syncing.remotes.add(_NAME, remote, "all")[0].name
        with _bars() as stage:
            met = syncing.sync(name, push=False, stage=stage)
        count = engine.store.inputs.count()
        disputes = len(engine.store.disagreements())
    if as_json:
        _print({**dataclasses.asdict(met), "inputs": count, "disagreements": disputes})
        return
    click.echo(f"{met.records} new records and {met.pictures_fetched} pictures; {count} inputs in all")
    if met.to_fetch[0]:
        click.echo(f"{met.to_fetch[0]} pictures are not there yet")
    if disputes:
        click.echo(f"{disputes} disagreements: trainer hub status {store}")
    for device, why in met.refused:
        click.echo(f"left out {device[:8]}: {why}", err=True)


@hub.command()
@click.argument("store", type=FOLDER)
@click.pass_obj
def status(as_json: bool, store: Path) -> None:
    """Show devices, what is still to come from them, clocks that are wrong, and what they do not agree on."""
    with _opened(store) as engine:
        from edge.sync.fleet import Fleet

        devices, members = engine.store.devices(), Fleet(engine.store).members()
        disputes = engine.store.disagreements()
    if as_json:
        facts = [{**dataclasses.asdict(one), "ahead_seconds": one.ahead, **_member(members, one.id)} for one in devices]
        _print({"devices": facts, "disagreements": [dataclasses.asdict(one) for one in disputes]})
        return
    from trainer.tables import print_table

    rows = [_row(one, _member(members, one.id)["state"]) for one in devices]
    print_table(("device", "id", "state", "inputs", "awaited", "annotations", "last word", "clock ahead"), rows)
    for one in disputes:
        click.echo(
            f"input {one.input}: {one.by} says {one.value} of {one.concept}, {one.other_by} (on "
            f"{one.other_device[:8] or 'this store'}) said {one.other_value}"
        )


@hub.command()
@click.argument("store", type=FOLDER)
@click.argument("model")
@click.pass_obj
def evaluate(as_json: bool, store: Path, model: str) -> None:
    """Measure MODEL by leave-one-out, for each device and each concept."""
    from trainer.hub.judging import judge

    with _opened(store) as engine:
        found = judge(engine, model)
    if as_json:
        _print(dataclasses.asdict(found))
        return
    from trainer.tables import print_table

    rows = [
        (one.name, one.pictures, f"{100 * one.accuracy:.1f}", f"{100 * one.low:.1f} to {100 * one.high:.1f}")
        for one in found.devices
    ]
    print_table(("device", "pictures", "right %", "95 % interval"), rows)
    concepts = [
        (one.id, one.positives, one.negatives, _percent(one.precision), _percent(one.recall))
        for one in found.evaluation.concepts
    ]
    print_table(("concept", "shown", "not shown", "precision %", "recall %"), concepts)


@hub.command()
@click.argument("store", type=FOLDER)
@click.argument("models", nargs=-1)
@click.pass_obj
def train(as_json: bool, store: Path, models: tuple[str, ...]) -> None:
    """Train MODELS, or all there are, on what came together."""
    trained: dict[str, Any] = {}
    with _opened(store) as engine:
        for name in models or [one.name for one in engine.models()]:
            version = engine.model(name).train()
            evaluation = version.evaluation
            trained[name] = {"version": version.id, "accuracy": None if evaluation is None else evaluation.accuracy}
    if as_json:
        _print({"models": trained})
        return
    for name, one in trained.items():
        share = "undetermined" if one["accuracy"] is None else f"{100 * one['accuracy']:.1f} %"
        click.echo(f"{name} {one['version']}: accuracy {share}")


@hub.command()
@click.argument("store", type=FOLDER)
@click.argument("device")
@click.option("--name", default="", help="What to call it.")
@click.pass_obj
def enrol(as_json: bool, store: Path, device: str, name: str) -> None:
    """Hear DEVICE, and from now on only devices that were enrolled."""
    from edge.sync.fleet import Fleet

    with _opened(store) as engine:
        id = _device(engine, device)
        Fleet(engine.store).enrol(id, name)
    _told(as_json, {"device": id, "state": "enrolled"}, f"{id} is enrolled; only enrolled devices are heard")


@hub.command()
@click.argument("store", type=FOLDER)
@click.argument("device")
@click.pass_obj
def revoke(as_json: bool, store: Path, device: str) -> None:
    """Believe nothing DEVICE says from now on: it was lost or stolen. What was merged before stays."""
    from edge.sync.fleet import Fleet

    with _opened(store) as engine:
        id = _device(engine, device)
        merged = engine.store.merged(id)[0]
        Fleet(engine.store).revoke(id, merged)
    _told(as_json, {"device": id, "state": "revoked"}, f"{id} is revoked after segment {merged}")


hub.add_command(publish)


# --- parts -----------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(store: Path) -> Iterator[Engine]:
    from edge.engine import Engine

    with Engine.open(store, create=False) as engine:
        yield engine


@contextmanager
def _bars() -> Iterator[Any]:
    bars: list[Any] = []

    def stage(name: str) -> Any:
        bar = tqdm(desc=name, unit="B", unit_scale=True, disable=None, leave=False)
        bars.append(bar)

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return show

    try:
        yield stage
    finally:
        for bar in bars:
            bar.close()


def _device(engine: Engine, begin: str) -> str:
    """A device's whole id from the beginning of it."""
    found = [one.id for one in engine.store.devices() if one.id.startswith(begin)]
    return found[0] if len(found) == 1 else begin


def _member(members: Mapping[str, Any], id: str) -> dict[str, Any]:
    member = members.get(id)
    if member is None:
        return {"state": "-"}
    return {"state": "enrolled" if member.revoked_after is None else "revoked"}


def _row(one: DeviceFacts, state: str) -> tuple[object, ...]:
    last = "-" if one.last_word is None else one.last_word.strftime("%Y-%m-%d %H:%M")
    ahead = "-" if one.ahead < 60 else f"{one.ahead / 3600:.1f} h"
    return one.name or "-", one.id[:8], state, one.inputs, one.awaited, one.annotations, last, ahead


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _told(as_json: bool, document: Mapping[str, Any], line: str) -> None:
    if as_json:
        _print(document)
    else:
        click.echo(line)


def _print(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, default=str))

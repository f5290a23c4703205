"""``trainer release``: only translates."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from trainer.releases.keys import PASSPHRASE, ROLES

if TYPE_CHECKING:
    from trainer.releases.repository import Repository

FOLDER = click.Path(path_type=Path)
keys_option = click.option("--keys", type=FOLDER, required=True, help=f"Folder of keys; passphrase in {PASSPHRASE}.")


@click.group()
def release() -> None:
    """Sign backbones and models for devices, after The Update Framework."""


@release.command()
@click.argument("folder", type=FOLDER)
@click.option("--root", "roots", type=click.IntRange(1, 16), default=3, show_default=True, help="Root keys.")
@click.option("--add", "role", type=click.Choice(ROLES), help="One more key of a role, in a folder that has some.")
@click.pass_obj
def keys(as_json: bool, folder: Path, roots: int, role: str | None) -> None:
    """Make signing keys in FOLDER. Keep each root key on a stick of its own."""
    from trainer.releases.keys import add_key, make_keys, passphrase

    secret = passphrase()
    made = [add_key(folder, role, secret)] if role else make_keys(folder, _counts(roots), secret)
    if as_json:
        _print({"keys": [dataclasses.asdict(one) for one in made], "encrypted": secret is not None})
        return
    for one in made:
        click.echo(f"{one.role:8} {one.id}  {one.path}")
    if secret is None:
        click.echo(f"they are not encrypted; set {PASSPHRASE} for that", err=True)


@release.command()
@click.argument("repository", type=FOLDER)
@keys_option
@click.option("--all", "force", is_flag=True, help="Renew every signature, not only those past half of their time.")
@click.option("--add-key", "added", multiple=True, type=click.Choice(ROLES), help="Draft a root with the newest key.")
@click.option("--revoke", "revoked", multiple=True, metavar="KEYID", help="Draft a root without a key.")
@click.option("--threshold", type=click.IntRange(1, 16), help="Draft a root that needs so many root keys.")
@click.pass_obj
def sign(
    as_json: bool,
    repository: Path,
    keys: Path,
    force: bool,
    added: tuple[str, ...],
    revoked: tuple[str, ...],
    threshold: int | None,
) -> None:
    """Renew signatures of a repository; sign, or draft, its next root."""
    held, found = _keys(keys), _repository(repository)
    if added or revoked or threshold:
        found.draft({role: held[role][-1:] for role in added}, revoked, threshold)
    done = found.sign(held, force=force)
    if as_json:
        _print(dataclasses.asdict(done))
        return
    click.echo(f"renewed: {', '.join(done.renewed) or 'nothing, all hold for long enough'}")
    if done.root_missing:
        click.echo(f"the next root needs {done.root_missing} more signatures: sign again with other root keys")


@release.command()
@click.argument("repository", type=FOLDER)
@click.option("--store", type=FOLDER, required=True, help="The store whose backbone and models are released.")
@keys_option
@click.option("--model", "models", multiple=True, metavar="NAME", help="A model (repeatable); default: all trained.")
@click.option("--notes", default="", help="What is new, for people.")
@click.option("--to", "remote", metavar="URL", help="Copy the repository to this remote.")
@click.option("--threshold", type=click.IntRange(1, 16), help="Root keys that must sign; default: all but one.")
@click.option("--as-is", is_flag=True, help="Although annotations have changed since the training.")
@click.pass_obj
def publish(as_json: bool, /, repository: Path, store: Path, keys: Path, **options: Any) -> None:
    """Release the models of a store; makes the repository the first time (root keys are needed then)."""
    from edge.config import Config
    from edge.engine import Engine
    from trainer.releases.publish import make_release

    held, found = _keys(keys), _repository(repository)
    if not found.exists:
        found.create(held, options["threshold"] or max(1, len(held["root"]) - 1))
    with Engine.open(store, create=False, config=Config.from_environment(os.environ)) as engine:
        made = make_release(
            engine, found, held, models=options["models"], notes=options["notes"], as_is=options["as_is"]
        )
    copied = _copy(found, options["remote"]) if options["remote"] else 0
    root = repository / "metadata" / "1.root.json"
    if as_json:
        _print({**dataclasses.asdict(made), "files": copied, "root": str(root)})
        return
    click.echo(f"release {made.number}: backbone {made.backbone}")
    for name, accuracy in made.models.items():
        click.echo(f"  {name}: " + ("no evaluation" if accuracy is None else f"accuracy {100 * accuracy:.1f} %"))
    click.echo(f"{copied} files copied" if options["remote"] else "copy it to a remote with --to URL")
    click.echo(f"devices trust it once they were given {root}: edge release trust root.json")


def _copy(found: Repository, url: str) -> int:
    from edge.sync.releases.place import Place
    from edge.sync.remotes.catalogue import open_remote
    from trainer.releases.publish import upload

    place = Place(open_remote(url))
    try:
        with tqdm(desc="files", disable=None, leave=False) as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            return upload(found, place.put, show)
    finally:
        place.close()


def _counts(roots: int) -> Mapping[str, int]:
    return {"root": roots, "targets": 1, "online": 1}


def _keys(folder: Path) -> Mapping[str, Sequence[Any]]:
    from trainer.releases.keys import load_keys, passphrase

    return {role: load_keys(folder, role, passphrase()) for role in ROLES}


def _repository(folder: Path) -> Repository:
    from trainer.releases.repository import Repository

    return Repository(folder, datetime.now(UTC))


def _print(document: Mapping[str, Any]) -> None:
    import json

    click.echo(json.dumps(document, ensure_ascii=False, default=str))

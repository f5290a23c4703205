"""serve, key, service: the device as its clients reach it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.faces.cli import text
from edge.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from edge.faces.api.keys import Key, Keys
    from edge.faces.api.serve import Listening

SCOPES = ("read", "predict", "write", "train")


# --- serve -----------------------------------------------------------------------------------------------------------


@click.command()
@click.option("--host", metavar="ADDRESS", help="Where to listen; 0.0.0.0 for everywhere  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="For HTTP; 0 for a free one  [default: 8080]")
@click.option("--grpc-port", type=click.IntRange(0, 65535), metavar="N", help="For gRPC  [default: 18080]")
@click.option("--no-grpc", is_flag=True, help="HTTP only.")
@click.option("--tls", is_flag=True, help="Encrypted, with the device's own certificate.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Encrypted, with this certificate.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="The certificate's key.")
@click.option("--tls-folder", type=click.Path(path_type=Path), help="Keep its own authority and certificate here.")
@click.option(
    "--name", "names", multiple=True, metavar="HOST", help="Another name in its own certificate (repeatable)."
)
@click.option("--url-alias", "aliases", multiple=True, metavar="URL=DIR", help="Read URLs that begin so from a folder.")
@click.option("--camera", "cameras", multiple=True, metavar="[NAME=]URL", help="This device's camera, for the page.")
@click.option("--watch", "watch_file", type=click.Path(path_type=Path), help="Run the camera loops of this watch.toml.")
@click.option("--allow-private-urls", is_flag=True, help="Fetch pictures from this device and its network too.")
@pass_session
def serve(
    session: Session,
    host: str | None,
    port: int | None,
    grpc_port: int | None,
    no_grpc: bool,
    tls: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_folder: Path | None,
    names: tuple[str, ...],
    aliases: tuple[str, ...],
    cameras: tuple[str, ...],
    watch_file: Path | None,
    allow_private_urls: bool,
) -> None:
    """Answer Clarifai's API and show the page, until stopped.

    Settings that have no option here stand in service.toml in the store's folder.
    """
    from dataclasses import replace

    from edge.faces.api.options import Options
    from edge.faces.api.serve import serve as run

    with session.open() as engine:
        options = Options.read(
            engine.store.path,
            host=host,
            port=port,
            grpc_port=grpc_port,
            tls=tls or None,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_folder=tls_folder,
            names=names or None,
            allow_private_urls=allow_private_urls or None,
        )
        if aliases:
            options = replace(options, aliases={**options.aliases, **dict(map(_alias, aliases))})
        if cameras:
            options = replace(options, cameras={**options.cameras, **dict(map(_camera, cameras))})
        if no_grpc:
            options = replace(options, grpc_port=None)
        loops = None
        if watch_file is not None:
            from edge.watch.config import WatchConfig

            loops = WatchConfig.read(watch_file, os.environ)
        run(engine, options, lambda where: _told(session, where), loops)


def _alias(given: str) -> tuple[str, Path]:
    url, _, folder = given.rpartition("=")
    if not url.startswith(("http://", "https://")) or not folder:
        raise click.UsageError(f"--url-alias is the beginning of a URL = a folder, not {given!r}")
    return url, Path(folder)


def _camera(given: str) -> tuple[str, str]:
    """``NAME=URL``, or a URL alone, which names itself."""
    from edge.camera.urls import parse, redacted

    name, _, url = given.partition("=")
    if "/" in name or not url:  # the sign belongs to the URL
        name, url = redacted(given).partition("?")[0], given
    parse(url)
    return name, url


def _told(session: Session, where: Listening) -> None:
    lines = [f"serving {where.url}" + (f" and gRPC on {where.grpc}" if where.grpc else "") + "; stop with Ctrl-C"]
    document: dict[str, Any] = {"url": where.url, "grpc": where.grpc, "tls": where.tls, "notes": where.notes}
    session.show(document, [text.safe(line) for line in (*lines, *where.notes)])
    sys.stdout.flush()  # whoever started it waits for this line


# --- key -------------------------------------------------------------------------------------------------------------


@click.group()
def key() -> None:
    """Who may ask the service for what."""


@key.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it may do (repeatable) [default: all]."
)
@pass_session
def create(session: Session, name: str, scopes: tuple[str, ...]) -> None:
    """Make a key and show it, once."""
    with session.open() as engine:
        keys = _keys(engine.store.path)
        try:
            made, secret = keys.create(name, scopes or SCOPES)
        finally:
            keys.close()
    session.show({"key": secret, **_key(made)}, [secret])
    if not session.json:  # so that the key alone can be written to a file
        click.echo(text.safe(f"this is {name}'s key, shown only now; it may {', '.join(made.scopes)}"), err=True)


@key.command("list")
@pass_session
def list_keys(session: Session) -> None:
    """List keys, without what is secret about them."""
    with session.open() as engine:
        keys = _keys(engine.store.path)
        try:
            found = keys.list()
        finally:
            keys.close()
    rows = [
        (one.name, one.id, " ".join(one.scopes), text.moment(one.created_at), text.moment(one.revoked_at))
        for one in found
    ]
    heads = ("key", "id", "may", "made", "revoked")
    none = ["no keys yet: only this device can use the service; make one with: edge key create NAME"]
    session.show({"keys": [_key(one) for one in found]}, text.table(rows, heads=heads) if rows else none)


@key.command("revoke")
@click.argument("name")
@pass_session
def revoke(session: Session, name: str) -> None:
    """Make a key useless from now on, by its name or id."""
    with session.open() as engine:
        keys = _keys(engine.store.path)
        try:
            gone = keys.revoke(name)
        finally:
            keys.close()
    session.show(_key(gone), [text.safe(f"{gone.name}'s key opens nothing any more")])


def _keys(folder: Path) -> Keys:
    from edge.faces.api.keys import Keys

    return Keys(folder)


def _key(one: Key) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "scopes": one.scopes,
        "created_at": one.created_at,
        "revoked_at": one.revoked_at,
    }


# --- service ---------------------------------------------------------------------------------------------------------


@click.group()
def service() -> None:
    """Serve whenever the device runs (systemd)."""


@service.command("install", context_settings={"ignore_unknown_options": True})
@click.option("--user", "user", metavar="NAME", help="Who it runs as [default: you].")
@click.option("--print", "only_print", is_flag=True, help="Show the unit and change nothing.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@pass_session
def install(session: Session, user: str | None, only_print: bool, options: tuple[str, ...]) -> None:
    """Start `edge serve OPTIONS` now and at every start of the device; needs root."""
    from edge.faces.api import unit

    serve.make_context("edge serve", list(options))  # refuses now what it would refuse at every start
    with session.open() as engine:
        folder = engine.store.path.resolve()
    made = unit.unit(folder, options, user)
    if only_print:
        session.show({"unit": made}, [made.rstrip()])
        return
    place = unit.install(made)
    session.show({"installed": place}, [f"{place} is installed and runs; its log: journalctl -u {unit.NAME}"])


@service.command("uninstall")
@pass_session
def uninstall(session: Session) -> None:
    """Stop it and take it away; the store and its keys stay."""
    from edge.faces.api import unit

    place = unit.uninstall()
    session.show({"removed": place}, [f"{place} is gone; the store stays"])

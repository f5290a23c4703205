"""What all verbs share: which store, text or JSON, and how a result leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edge.config import Config
    from edge.engine import Engine


@dataclass
class Session:
    """One run of the command line; filled from the options before the verb."""

    store: Path | None = None
    json: bool = False
    debug: bool = False

    def config(self) -> Config:
        """Settings from the environment; --store goes before EDGE_STORE."""
        from dataclasses import replace

        from edge.config import Config

        return replace(Config.from_environment(os.environ), quiet=not self.debug)

    def open(self) -> Engine:
        """The engine on the chosen store. Raises NotFound when there is none: only init makes one."""
        from edge.engine import Engine

        return Engine.open(self.store, create=False, config=self.config())

    def show(self, document: Mapping[str, Any], lines: Iterable[str]) -> None:
        """The result: one JSON document, or text for people. ``document`` may hold records."""
        if self.json:
            from edge.faces.documents import document as plain

            click.echo(json.dumps(plain(document), allow_nan=False))
        else:
            for line in lines:
                click.echo(line)


pass_session = click.make_pass_decorator(Session)

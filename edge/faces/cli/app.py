"""``edge``: the options before the verb, the verbs, and the one place where failures become exit codes."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any

import click

from edge import __version__
from edge.faces.cli import failures
from edge.faces.cli.session import Session

# in the order in which one meets them; --help shows them so
VERBS = {
    "init": "stores",
    "add": "pictures",
    "annotate": "pictures",
    "inputs": "pictures",
    "concepts": "concepts",
    "remove": "pictures",
    "restore": "pictures",
    "import": "interchange",
    "export-data": "interchange",
    "model": "models",
    "train": "learning",
    "predict": "learning",
    "evaluate": "learning",
    "versions": "models",
    "rollback": "models",
    "export": "models",
    "backbone": "stores",
    "doctor": "stores",
    "watch": "watching",
    "remote": "remotes",
    "sync": "syncing",
    "release": "releasing",
    "serve": "services",
    "key": "services",
    "service": "services",
}
"""Each verb and the module of this package that has it: a prediction starts sooner without the others."""


class Edge(click.Group):
    """A group whose ``main`` ends with the documented exit codes, whatever is raised inside."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and exit unless not ``standalone_mode``; an int that a verb returns is the exit code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a terminal that is not UTF-8 still gets every line
                stream.reconfigure(errors="backslashreplace")
        gc.set_threshold(20_000)  # loading modules makes many objects and no garbage; looking for it costs 5 ms
        session = Session()
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(arguments, prog_name, complete_var, standalone_mode=False, **{"obj": session, **extra})
            sys.stdout.flush()  # here, where a full disk behind a redirection can still be reported
        except Exception as error:  # noqa: BLE001 the last resort: one line and an exit code
            as_json = session.json or "--json" in arguments[:4]
            code = failures.report(error, as_json=as_json, debug=session.debug)
        sys.exit(code if isinstance(code, int) else 0)


class Verbs(Edge):
    """The verbs of ``VERBS``, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names, none loaded."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb, from its module; None where there is none of this name."""
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_") + "_" * iskeyword(cmd_name)
        command: click.Command = getattr(import_module(f"edge.faces.cli.{VERBS[cmd_name]}"), name)
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--store", type=click.Path(path_type=Path), help="The store's folder [default: $EDGE_STORE or edge-store]."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option("--debug", is_flag=True, help="Show where an error came from, and what the runtime prints.")
@click.version_option(__version__, prog_name="edge", message="%(prog)s %(version)s")
@click.pass_obj
def main(session: Session, store: Path | None, as_json: bool, debug: bool) -> None:
    """Teach this device what to recognise, with a few photographs, offline."""
    session.store, session.json, session.debug = store, as_json, debug


def run() -> None:
    """``edge`` as a process: ``main``, and out at once.

    Every store and engine is closed by then. Taking the interpreter, numpy and the runtime apart would be a tenth of a
    cold prediction's time.
    """
    try:
        main(prog_name="edge")
    except SystemExit as end:
        if threading.active_count() > 1:
            raise  # something still works; Python knows how to wait for it
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # a closed pipe was the reader's wish; a full disk has been reported
                stream.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)

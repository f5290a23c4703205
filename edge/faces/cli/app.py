"""``edge``: the options before the verb, the verbs, and the one place where failures become exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from edge import __version__
from edge.faces.cli import failures, learning, models, pictures, stores
from edge.faces.cli.session import Session


class Edge(click.Group):
    """A group whose ``main`` ends with the documented exit codes, whatever is raised inside."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)

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
        session = Session()
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(arguments, prog_name, complete_var, standalone_mode=False, **{"obj": session, **extra})
            sys.stdout.flush()  # here, where a full disk behind a redirection can still be reported
        except Exception as error:  # noqa: BLE001 the last resort: one line and an exit code
            as_json = session.json or "--json" in arguments[:4]
            code = failures.report(error, as_json=as_json, debug=session.debug)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=Edge, context_settings={"help_option_names": ["-h", "--help"]})
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


# in the order in which one meets them; --help shows them so
for _verb in (
    stores.init,
    pictures.add,
    pictures.annotate,
    pictures.inputs,
    pictures.concepts,
    pictures.remove,
    pictures.restore,
    models.model,
    learning.train,
    learning.predict,
    learning.evaluate,
    models.versions,
    models.rollback,
    models.export,
    stores.backbone,
    stores.doctor,
):
    main.add_command(_verb)

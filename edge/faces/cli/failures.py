"""From a failure to one line (or one JSON document) on standard error and an exit code."""

from __future__ import annotations

import json
from contextlib import suppress

import click

from edge.errors import EdgeError, Kind
from edge.faces.cli.text import safe

DONE, UNEXPECTED, USAGE, NOT_FOUND, CONFLICT, UNAVAILABLE = range(6)
INTERRUPTED = 130

EXIT_CODES: dict[Kind, int] = {
    "internal": UNEXPECTED,
    "invalid": USAGE,
    "not_found": NOT_FOUND,
    "conflict": CONFLICT,
    "not_ready": CONFLICT,
    "unavailable": UNAVAILABLE,
}
SOME_LEFT_OUT = USAGE
"""Some of several files were bad and left out; everything else was done."""

_GLOBAL = ("--store", "--json", "--debug")


def report(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Say what went wrong; returns the exit code."""
    if debug and not isinstance(error, click.ClickException | click.Abort):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return _say("interrupted", "interrupted", "interrupted; what was acknowledged is kept", as_json, INTERRUPTED)
    if isinstance(error, click.ClickException):
        return _usage(error, as_json)
    if isinstance(error, EdgeError):
        return _say(error.code, error.kind, str(error), as_json, EXIT_CODES[error.kind])
    detail = f"{type(error).__name__}: {error}".strip().rstrip(":")
    hint = "" if debug else "; run again as edge --debug VERB ... to see where"
    return _say("internal", "internal", f"unexpected {detail}{hint}", as_json, UNEXPECTED)


def _usage(error: click.ClickException, as_json: bool) -> int:
    message = error.format_message()
    if message.startswith("Usage:") and not as_json:  # nothing was asked: the help is the answer
        click.echo(message, err=True)
        return USAGE
    if isinstance(error, click.NoSuchOption) and error.option_name in _GLOBAL:
        message = f"{error.option_name} belongs before the verb: edge {error.option_name} ... VERB"
    elif isinstance(error, click.UsageError) and error.ctx is not None:
        message = f"{message.rstrip('.')}; see: {error.ctx.command_path} --help"
    return _say("usage", "invalid", message, as_json, USAGE)


def _say(code: str, kind: str, message: str, as_json: bool, exit_code: int) -> int:
    line = " ".join(message.split())
    if as_json:
        text = json.dumps({"error": {"code": code, "kind": kind, "message": line}})
    else:
        text = f"edge: {safe(line)}"
    with suppress(OSError):  # nobody may read it: the exit code still tells
        click.echo(text, err=True)
    return exit_code


def left_out(refused: tuple[tuple[str, str], ...], total: int, *, as_json: bool, count: int | None = None) -> int:
    """List files that were refused while the others went in; returns the exit code, 0 when there are none.

    ``count``: how many there are, where ``refused`` has not all of them.
    """
    if not refused:
        return DONE
    if not as_json:
        for path, reason in refused:
            where = "" if path in reason else f"{path}: "
            click.echo(safe(f"left out: {where}{reason}"), err=True)
    message = f"{len(refused) if count is None else count} of {total} files were left out; the others are done"
    return _say("some_left_out", "invalid", message, as_json, SOME_LEFT_OUT)

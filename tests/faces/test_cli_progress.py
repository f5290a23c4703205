"""Bars where somebody watches."""

import io

from edge.faces.cli import progress as module
from edge.faces.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_nothing_is_shown_where_nobody_watches(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with progress("adding") as show:
        assert show is None


def test_what_is_quick_has_no_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress("adding") as show:
        show(1, 2)
        show(2, 2)
    assert terminal.getvalue() == ""


def test_what_takes_longer_has_one_that_goes_away(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0)
    with progress("adding") as show:
        show(1, 2)
        show(2, 2)
    assert "adding" in terminal.getvalue()
    assert "1/2" in terminal.getvalue()
    assert terminal.getvalue().rstrip(" ").endswith("\r")

"""An evaluation as an HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import InvalidArgument
from edge.faces.cli import report

if TYPE_CHECKING:
    from edge.engine import Engine


def check(path: Path) -> None:
    """Refuse a place where no file can be made, before anything is worked out. Raises InvalidArgument."""
    try:
        folder, parent = path.is_dir(), path.parent.is_dir()
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"{path} cannot be a file ({error}); choose another name") from error
    if folder:
        raise InvalidArgument(f"{path} is a folder; give the name of a file in it, such as {path / 'page.html'}")
    if not parent:
        raise InvalidArgument(f"there is no folder {path.parent}; make it first, or choose another")


def write(path: Path, engine: Engine, about: report.About) -> None:
    """The page with its pictures, all of it or nothing. Raises InvalidArgument, StoreUnavailable (the disk is full)."""
    from edge.engine.review import thumbnails
    from edge.faces.evaluation_page import Shown, page, wanted
    from edge.store.failures import translated
    from edge.store.files import write_durably

    pictures = thumbnails(engine, wanted(about.review))
    shown = Shown(about.title, report.how(about.evaluation), about.evaluation, about.review, pictures, about.names)
    with translated():
        try:
            write_durably(path, page(shown).encode())
        except PermissionError as error:
            raise InvalidArgument(f"{path} cannot be written ({error.strerror}); choose another place") from error

"""Formats by name, and which one a folder is in."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from edge.engine.interchange.base import Format, Place
from edge.errors import InvalidArgument, NotFound

# a new format is a file and a line here; what is asked first when nobody names one comes first
FORMATS = {
    "huggingface": "edge.engine.interchange.huggingface:HuggingFace",
    "coco": "edge.engine.interchange.coco:Coco",
    "label-studio": "edge.engine.interchange.label_studio:LabelStudio",
    "imagefolder": "edge.engine.interchange.imagefolder:ImageFolder",
    "csv": "edge.engine.interchange.csv_table:CsvTable",
}


def format_of(name: str) -> Format:
    """A format by its name. Raises InvalidArgument."""
    if name not in FORMATS:
        raise InvalidArgument(f"there is no format {name!r}; choose one of {', '.join(sorted(FORMATS))}")
    module, _, attribute = FORMATS[name].partition(":")
    found: Format = getattr(import_module(module), attribute)()
    return found


def place_of(path: Path) -> Place:
    """What a path means for an import. Raises NotFound, InvalidArgument."""
    try:
        if (path / "store.sqlite").is_file():
            raise InvalidArgument(f"{path} is a store; use it with --store, or bring stores together with: edge sync")
        if path.is_dir():
            return Place(path.resolve())
        if path.is_file():
            if path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz"):
                raise InvalidArgument(f"{path} is packed; unpack it into a folder and give that")
            return Place(path.resolve().parent, path.resolve())
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument(f"{os.fspath(path)!r} cannot be read ({error}); give a folder") from error
    raise NotFound(f"there is no {path}; give a folder with pictures, or the file that describes them")


def guess(place: Place) -> str:
    """The format that a folder or file looks like. Raises InvalidArgument."""
    for name in FORMATS:
        if format_of(name).recognises(place):
            return name
    what = place.file or place.root
    raise InvalidArgument(
        f"{what} is in no format that is known here; name one with --format ({', '.join(sorted(FORMATS))}), or add "
        "plain pictures with: edge add"
    )

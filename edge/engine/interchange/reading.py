"""What others wrote, read with suspicion: names that lead elsewhere, links, wrong kinds, absurd sizes."""

from __future__ import annotations

import json
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from edge.engine.interchange.base import Entry, Word
from edge.errors import EdgeError, InvalidArgument
from edge.store.given import MOST_METADATA
from edge.store.names import check_name

MOST_WORDS = 1000
"""Of one picture."""
_LINE = 4 << 20
_SOURCE = 1024
_DIGEST_ID = 32


class Unusable(Exception):
    """A picture or what is said of it cannot be taken; the text says why."""


# --- places ----------------------------------------------------------------------------------------------------------


def picture(root: Path, name: Any, *folders: str) -> Path:
    """The picture that a name means below ``root``, or in one of these folders there. Raises Unusable.

    A name that leads out of the folder is refused, and so is one that goes through a link.
    """
    if not isinstance(name, str) or not 0 < len(name) <= 1024:
        raise Unusable("it has no file name")
    if name.lower().startswith(("http://", "https://", "s3://", "gs://")):
        raise Unusable("it is on the network; download the pictures and name the files")
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or any(ord(letter) < 32 for letter in name):
        raise Unusable("its file name leads out of the folder; use names inside it")
    steps = [part for part in parts if part not in ("", ".")]
    if not steps:
        raise Unusable("it has no file name")
    for folder in ((), *((one,) for one in folders)):
        found = _below(root, [*folder, *steps])
        if found is not None:
            return found
    raise Unusable("there is no such file")


def _below(folder: Path, steps: list[str]) -> Path | None:
    """The file behind some steps; None where there is none. Raises Unusable for links and for what is no file."""
    mode = 0
    for step in steps:
        folder = folder / step
        try:
            mode = os.lstat(folder).st_mode
        except (OSError, ValueError):
            return None
        if stat.S_ISLNK(mode):
            raise Unusable("it is a link, or in a folder that is one; links are not followed")
    if not stat.S_ISREG(mode):
        raise Unusable("it is no file")
    return folder


# --- what is said ----------------------------------------------------------------------------------------------------


def words_of(values: Mapping[str, int], said: Any = None) -> tuple[Word, ...]:
    """Words of checked concepts; who and when from ``said``, where that has the same value. Raises Unusable."""
    if len(values) > MOST_WORDS:
        raise Unusable(f"it has more than {MOST_WORDS} concepts")
    known = {word.concept: word for word in _said(said)}
    found = []
    for name, value in values.items():
        word = known.get(name)
        same = word is not None and word.value == value
        found.append(checked(word if word is not None and same else Word(name, value)))
    return tuple(found)


def checked(word: Word) -> Word:
    """The word itself, if its concept can be one. Raises Unusable."""
    try:
        check_name(word.concept, "concept")
    except EdgeError as error:
        raise Unusable(str(error)) from error
    return word


def _said(said: Any) -> Iterator[Word]:
    for one in said if isinstance(said, list) else ():
        if not isinstance(one, dict):
            continue
        concept, value = one.get("concept"), one.get("value")
        if isinstance(concept, str) and value in (0, 1):
            yield Word(concept, int(value), person(one.get("by")), moment(one.get("at")))


def person(text: Any) -> str | None:
    """Who said it, if that is a name that can be shown."""
    if not isinstance(text, str) or not 0 < len(text) <= 128:
        return None
    return None if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text) else text


def moment(text: Any) -> datetime | None:
    """A time as ISO 8601; without a zone it is UTC. None for anything else."""
    if not isinstance(text, str) or len(text) > 64:
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def entry(file: Path, values: Mapping[str, int], facts: Any = None) -> Entry:
    """An entry of what a format says natively, and of our own facts beside it. Raises Unusable."""
    facts = facts if isinstance(facts, dict) else {}
    return Entry(
        file,
        words_of(values, facts.get("said")),
        source_of(facts.get("source")),
        id_of(facts.get("id")),
        metadata_of(facts.get("metadata")),
    )


def source_of(text: Any) -> str | None:
    """Where a picture came from, if it is said and can be shown."""
    good = isinstance(text, str) and 0 < len(text) <= _SOURCE and "\0" not in text
    try:
        return text if good and text.encode() else None
    except UnicodeEncodeError:
        return None


def id_of(text: Any) -> str | None:
    """An id that somebody chose. One that looks as those made of digests counts only where the digest is it."""
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise Unusable("its id is no text")
    try:
        return check_name(text, "input")
    except EdgeError as error:
        raise Unusable(str(error)) from error


def looks_like_digest(id: str) -> bool:
    """Whether an id could be the digest of a picture."""
    return len(id) == _DIGEST_ID and all(letter in "0123456789abcdef" for letter in id)


def metadata_of(value: Any) -> Mapping[str, Any]:
    """An object, also as text. Raises Unusable."""
    if value is None or value == "":
        return {}
    try:
        text = value if isinstance(value, str) else json.dumps(value, allow_nan=False)
        found = json.loads(text) if len(text) <= 2 * MOST_METADATA else None
        if isinstance(found, dict) and len(json.dumps(found, allow_nan=False)) <= MOST_METADATA:  # as it is stored
            return found
    except (ValueError, RecursionError):
        pass
    raise Unusable(f"its metadata is no JSON object of at most {MOST_METADATA >> 10} KiB")


# --- lines -----------------------------------------------------------------------------------------------------------


def lines(file: IO[str], path: Path) -> Iterator[str]:
    """Lines of a text file, none of them absurdly long. Raises InvalidArgument."""
    while True:
        try:
            line = file.readline(_LINE)
        except UnicodeDecodeError as error:
            raise InvalidArgument(f"{path} is no UTF-8 text; save it as UTF-8") from error
        if not line:
            return
        if len(line) >= _LINE:
            raise InvalidArgument(f"{path} has a line of more than {_LINE >> 20} MiB; it is no such file")
        yield line

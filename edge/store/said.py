"""What is said of an input and a concept: the newest word, or that it was taken back. Inside somebody's transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from edge.types import UNKNOWN

_COLUMNS = "by, at, stamp, device, over"


@dataclass(frozen=True, slots=True)
class Said:
    """A word on an input and a concept, by their numbers.

    ``value``: 1, 0, or -1 for taken back; ``device`` 0: this one; ``over``: the stamp of the word that was there when
    it was said, which whoever said it knew.
    """

    input: int
    concept: int
    value: int
    by: str
    at: str
    stamp: int
    device: int
    over: int


def said_before(connection: sqlite3.Connection, input: int, concept: int) -> tuple[int, int]:
    """The value there is now, and the stamp of the word that made it so; 0 where nothing was ever said."""
    word = last_word(connection, input, concept)
    return (UNKNOWN, 0) if word is None else (word.value, word.stamp)


def last_word(connection: sqlite3.Connection, input: int, concept: int) -> Said | None:
    """The newest word, or None."""
    key = input, concept
    row = connection.execute(
        f"SELECT value, {_COLUMNS} FROM annotations WHERE input = ? AND concept = ?", key
    ).fetchone()
    if row is not None:
        return Said(input, concept, *row)
    row = connection.execute(f"SELECT {_COLUMNS} FROM cleared WHERE input = ? AND concept = ?", key).fetchone()
    return None if row is None else Said(input, concept, UNKNOWN, *row)


def say(connection: sqlite3.Connection, word: Said) -> None:
    """Make it the newest word."""
    key = word.input, word.concept
    facts = word.by, word.at, word.stamp, word.device, word.over
    if word.value == UNKNOWN:
        connection.execute("DELETE FROM annotations WHERE input = ? AND concept = ?", key)
        connection.execute(
            f"INSERT OR REPLACE INTO cleared (input, concept, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, *facts)
        )
        return
    connection.execute("DELETE FROM cleared WHERE input = ? AND concept = ?", key)
    connection.execute(
        f"INSERT OR REPLACE INTO annotations (input, concept, value, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*key, word.value, *facts),
    )

"""When something was said, so that every device orders it alike: a hybrid logical clock.

A stamp is 48 bits of milliseconds since 1970 and 16 bits that count (Kulkarni et al. 2014). It never goes back,
whatever the board's clock does: the next one is above the newest that was given, which is that of the log's newest row
or the setting ``clock``. Stamps of other devices move it on too, but never more than a day beyond this board's own
clock: one absurd clock must not take all others along. Whoever says something about what has a later stamp than that
gives a stamp just above it, for that one statement: a person's word counts.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

AHEAD = 24 * 3600 * 1000
"""Milliseconds that another device's stamp may move this one's clock beyond its own time."""
LARGEST = 2**63 - 1
_COUNT = 16


def of_time(moment: datetime) -> int:
    """The first stamp of a moment."""
    return max(0, int(moment.timestamp() * 1000)) << _COUNT


def milliseconds(stamp: int) -> int:
    """The time in a stamp, in ms since 1970."""
    return stamp >> _COUNT


def newest(connection: sqlite3.Connection) -> int:
    """The newest stamp that was given here, or seen and believed."""
    row = connection.execute("SELECT stamp FROM changes ORDER BY number DESC LIMIT 1").fetchone()
    kept = connection.execute("SELECT value FROM settings WHERE key = 'clock'").fetchone()
    return max(0 if row is None else row[0], 0 if kept is None else int(kept[0]))


def tick(connection: sqlite3.Connection, now: datetime) -> int:
    """Inside a transaction: a stamp above all that were given or believed here."""
    return int(min(LARGEST, max(newest(connection) + 1, of_time(now))))


def next_stamp(connection: sqlite3.Connection, now: datetime, above: int = 0) -> int:
    """Inside a transaction: a stamp for a word that replaces one with the stamp ``above``, however late that is."""
    return int(min(LARGEST, max(tick(connection, now), above + 1)))


def keep(connection: sqlite3.Connection, now: datetime) -> None:
    """Inside a transaction that writes no row of the log: remember that a stamp was given."""
    _keep(connection, tick(connection, now))


def _keep(connection: sqlite3.Connection, stamp: int) -> None:
    connection.execute("INSERT OR REPLACE INTO settings VALUES ('clock', ?)", (str(stamp),))


def seen(connection: sqlite3.Connection, stamp: int, now: datetime) -> None:
    """Inside a transaction: another device's stamp was merged; go on from there, within a day."""
    bounded = min(stamp, of_time(now) + (AHEAD << _COUNT))
    if bounded > newest(connection):
        _keep(connection, bounded)

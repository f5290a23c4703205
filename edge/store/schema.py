"""The tables, one step at a time. ``docs/store-format.md`` says what they mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

APPLICATION_ID = 0x45444745  # "EDGE"

# Each entry takes the schema one version further; released entries are never edited. AUTOINCREMENT, because the log
# of changes and the names of other things outlive the rows they speak of: a number must never come back.
MIGRATIONS = (
    """
    CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE inputs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL,
        media_type TEXT NOT NULL, size INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
        source TEXT NOT NULL, added_at TEXT NOT NULL, metadata TEXT NOT NULL, removed_at TEXT);
    CREATE INDEX inputs_sha256 ON inputs (sha256);
    CREATE INDEX inputs_removed ON inputs (removed_at) WHERE removed_at IS NOT NULL;
    CREATE TABLE concepts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL);
    CREATE TABLE annotations (
        input INTEGER NOT NULL REFERENCES inputs (number) ON DELETE CASCADE,
        concept INTEGER NOT NULL REFERENCES concepts (number),
        value INTEGER NOT NULL CHECK (value IN (0, 1)), by TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (input, concept)) WITHOUT ROWID;
    CREATE INDEX annotations_drawn ON annotations (concept, value, (input * 2654435769 & 4294967295));
    CREATE TABLE embeddings (
        input INTEGER NOT NULL REFERENCES inputs (number) ON DELETE CASCADE, backbone TEXT NOT NULL,
        data BLOB NOT NULL, PRIMARY KEY (input, backbone));
    CREATE TABLE changes (
        number INTEGER PRIMARY KEY AUTOINCREMENT, input INTEGER NOT NULL, concept INTEGER NOT NULL,
        before INTEGER NOT NULL, after INTEGER NOT NULL, by TEXT NOT NULL, at TEXT NOT NULL);
    CREATE INDEX changes_input ON changes (input, concept, number);
    CREATE TABLE models (
        number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, concepts TEXT NOT NULL,
        exclusive INTEGER NOT NULL, closed INTEGER NOT NULL, created_at TEXT NOT NULL, pinned TEXT,
        trainings INTEGER NOT NULL DEFAULT 0, snapshot TEXT);
    CREATE TABLE versions (
        model INTEGER NOT NULL REFERENCES models (number) ON DELETE CASCADE, number INTEGER NOT NULL,
        status TEXT NOT NULL, reason TEXT, backbone TEXT NOT NULL, backbone_sha256 TEXT NOT NULL,
        counts TEXT NOT NULL, evaluation TEXT, head TEXT, created_at TEXT NOT NULL, trained_at TEXT,
        PRIMARY KEY (model, number));
    """,
    # A concept's name may change, its id does not. The log without its index, and without a counter beside it: an
    # annotation then writes fewer pages. Its newest row is never deleted, so its numbers do not come back either.
    """
    ALTER TABLE concepts ADD COLUMN name TEXT NOT NULL DEFAULT '';
    UPDATE concepts SET name = id;
    CREATE UNIQUE INDEX concepts_name ON concepts (name);
    ALTER TABLE changes RENAME TO old_changes;
    CREATE TABLE changes (
        number INTEGER PRIMARY KEY, input INTEGER NOT NULL, concept INTEGER NOT NULL,
        before INTEGER NOT NULL, after INTEGER NOT NULL, by TEXT NOT NULL, at TEXT NOT NULL);
    INSERT INTO changes SELECT * FROM old_changes;
    DROP TABLE old_changes;
    """,
    # What other devices say: stamps order it, devices break ties, what was taken back stays as a tombstone. Rows that
    # are there get the stamp of their time. An input whose picture is still to come is hidden: removed_at 'awaited'.
    """
    CREATE TABLE devices (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
    ALTER TABLE changes ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE annotations ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE annotations ADD COLUMN device INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE annotations ADD COLUMN over INTEGER NOT NULL DEFAULT 0;
    UPDATE annotations SET stamp = CAST(strftime('%s', at) AS INTEGER) * 65536000;
    CREATE TABLE cleared (
        input INTEGER NOT NULL REFERENCES inputs (number) ON DELETE CASCADE, concept INTEGER NOT NULL, by TEXT NOT NULL,
        at TEXT NOT NULL, stamp INTEGER NOT NULL, device INTEGER NOT NULL, over INTEGER NOT NULL,
        PRIMARY KEY (input, concept)) WITHOUT ROWID;
    CREATE TABLE disputed (
        input INTEGER NOT NULL REFERENCES inputs (number) ON DELETE CASCADE, concept INTEGER NOT NULL,
        device INTEGER NOT NULL, value INTEGER NOT NULL, by TEXT NOT NULL, at TEXT NOT NULL, stamp INTEGER NOT NULL,
        PRIMARY KEY (input, concept, device)) WITHOUT ROWID;
    ALTER TABLE inputs ADD COLUMN awaited INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE inputs ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE inputs ADD COLUMN device INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE inputs ADD COLUMN removed_stamp INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE inputs ADD COLUMN removed_device INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE inputs ADD COLUMN metadata_stamp INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE inputs ADD COLUMN metadata_device INTEGER NOT NULL DEFAULT 0;
    UPDATE inputs SET stamp = CAST(strftime('%s', added_at) AS INTEGER) * 65536000,
        removed_stamp = coalesce(CAST(strftime('%s', removed_at) AS INTEGER) * 65536000, 0);
    ALTER TABLE concepts ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE concepts ADD COLUMN device INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE concepts ADD COLUMN name_stamp INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE concepts ADD COLUMN name_device INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE concepts ADD COLUMN wanted TEXT NOT NULL DEFAULT '';
    UPDATE concepts SET wanted = name;
    UPDATE concepts SET stamp = CAST(strftime('%s', created_at) AS INTEGER) * 65536000;
    UPDATE concepts SET name_stamp = stamp WHERE name != id;
    ALTER TABLE models ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE models ADD COLUMN device INTEGER NOT NULL DEFAULT 0;
    UPDATE models SET stamp = CAST(strftime('%s', created_at) AS INTEGER) * 65536000;
    CREATE TABLE models_gone (name TEXT PRIMARY KEY, stamp INTEGER NOT NULL, device INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE merged (device INTEGER PRIMARY KEY, segments INTEGER NOT NULL, digest TEXT NOT NULL);
    """,
)


def statements(script: str) -> Iterator[str]:
    """The statements of a script one by one; a semicolon inside a trigger or a text ends none."""
    text = ""
    for piece in script.split(";"):
        text += piece + ";"
        if sqlite3.complete_statement(text):
            if text.strip(" \n;"):
                yield text
            text = ""

"""What a store knows of the devices whose words it holds: counts, the newest word, what they do not agree on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.store.database import Database
from edge.store.stamps import milliseconds


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device. ``awaited``: pictures of its inputs that are still to come; ``last_word``: the time in its newest
    stamp, by its own clock; ``merged_at``: when its log was read last. ``segments`` 0: its words came by others."""

    id: str
    name: str
    inputs: int
    awaited: int
    annotations: int
    segments: int
    last_word: datetime | None
    merged_at: datetime | None

    @property
    def ahead(self) -> float:
        """Seconds that its clock was ahead of this one's when its log was read; 0 if it was not."""
        if self.last_word is None or self.merged_at is None:
            return 0.0
        return max(0.0, (self.last_word - self.merged_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two words on one input and concept: the later, which counts, and one whose device did not know of it."""

    input: str
    concept: str
    value: int
    by: str
    other_value: int
    other_by: str
    other_device: str


def devices(database: Database) -> list[DeviceFacts]:
    """Every device but this one, by name."""
    with database.read():
        rows = database.rows(
            "SELECT d.number, d.id, (SELECT count(*) FROM inputs WHERE device = d.number), "
            "(SELECT count(*) FROM inputs WHERE device = d.number AND awaited = 1), "
            "(SELECT count(*) FROM annotations WHERE device = d.number), coalesce(m.segments, 0), "
            "max(coalesce((SELECT max(stamp) FROM inputs WHERE device = d.number), 0), "
            "coalesce((SELECT max(stamp) FROM annotations WHERE device = d.number), 0)) "
            "FROM devices d LEFT JOIN merged m ON m.device = d.number"
        )
        said = {key.partition(":")[2]: json.loads(value) for key, value in database.rows(
            "SELECT key, value FROM settings WHERE key LIKE 'device:%'")}  # fmt: skip
    found = []
    for _, id, inputs, awaited, words, segments, stamp in rows:
        facts = said.get(id, {})
        merged = facts.get("merged_at")
        last = datetime.fromtimestamp(min(milliseconds(stamp) / 1000, 4e9), UTC) if stamp else None
        when = None if merged is None else datetime.fromisoformat(merged)
        found.append(DeviceFacts(id, facts.get("name", ""), inputs, awaited, words, segments, last, when))
    return sorted(found, key=lambda one: (one.name, one.id))


def disagreements(database: Database, limit: int = 100) -> list[Disagreement]:
    """What devices do not agree on, the newest first; one that a later word has settled is not among them."""
    rows = database.rows(
        "SELECT i.id, c.id, a.value, a.by, o.value, o.by, coalesce(d.id, '') FROM disputed o "
        "JOIN annotations a ON a.input = o.input AND a.concept = o.concept JOIN inputs i ON i.number = o.input "
        "JOIN concepts c ON c.number = o.concept LEFT JOIN devices d ON d.number = o.device "
        "WHERE a.value != o.value AND a.over < o.stamp AND i.removed_at IS NULL ORDER BY o.stamp DESC LIMIT ?",
        (limit,),
    )
    return [Disagreement(*row) for row in rows]

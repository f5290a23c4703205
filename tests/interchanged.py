"""What tests of formats compare."""

from __future__ import annotations

from datetime import UTC, datetime

EARLY = datetime(2025, 3, 1, 12, 30, tzinfo=UTC)


def said(engine):
    """What a store holds, for comparing: id -> (sha256, source, metadata, {concept's name: (value, by, at)})."""
    names = {one.id: one.name for one in engine.concepts()}
    return {
        one.id: (
            one.sha256,
            one.source,
            dict(one.metadata),
            {names[word.concept_id]: (word.value, word.by, word.at) for word in one.annotations},
        )
        for one in engine.inputs()
    }

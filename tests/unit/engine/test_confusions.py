"""The pictures behind a confusion matrix are those it counted."""

from __future__ import annotations

import pytest

from edge.engine.confusions import FALSE_ALARM, MISSED, PASSED, SEEN, confusions
from edge.errors import CannotTrain


def test_cells_count_what_the_evaluation_counted_and_name_the_pictures(taught, blob):
    taught.add(blob("red", 77), concepts=["green"])
    model = taught.model("colours")
    evaluation = model.train().evaluation
    cells = {(one.concept, one.outcome): one for one in confusions(taught, model)}
    labels, rows = evaluation.confusion.labels, evaluation.confusion.rows
    for i, shown in enumerate(labels):
        for j, answered in enumerate(labels):
            assert (cells[shown, answered].count if (shown, answered) in cells else 0) == rows[i][j]
    (wrong,) = cells["green", "red"].inputs
    assert "green" in {one.concept_id for one in taught.input(wrong).annotations if one.value}


def test_cells_name_only_so_many_pictures_and_count_all(taught):
    (most,) = {one.count for one in confusions(taught, taught.model("colours"))}
    assert [(one.count, len(one.inputs)) for one in confusions(taught, taught.model("colours"), limit=1)] == [
        (most, 1)
    ] * 2


def test_an_independent_model_has_pictures_seen_missed_and_mistaken(engine, blob):
    engine.add([blob("red", seed) for seed in range(5)], concepts=["warm"])
    engine.add([blob("green", seed) for seed in range(5)], not_concepts=["warm"])
    engine.add(blob("green", 9), concepts=["warm"])
    engine.add(blob("red", 9), not_concepts=["warm"])
    engine.add(blob("blue", 1))
    model = engine.create_model("m", ["warm"])
    found = {one.outcome: one.count for one in confusions(engine, model)}
    assert found[SEEN] + found[MISSED] == 6
    assert found[FALSE_ALARM] + found[PASSED] == 6


def test_what_cannot_be_trained_says_why(engine):
    with pytest.raises(CannotTrain, match="no picture shows"):
        confusions(engine, engine.create_model("m", ["a", "b"]))

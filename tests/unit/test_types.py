"""Records are frozen and say what a reader wants to see."""

import dataclasses

import pytest

from edge import types
from edge.types import ConceptScore, VersionStatus

RECORDS = [one for one in vars(types).values() if dataclasses.is_dataclass(one)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_is_frozen_and_has_no_room_for_more(record):
    assert record.__dataclass_params__.frozen
    assert "__slots__" in vars(record)


def test_a_concepts_score_reads_as_in_the_first_example():
    assert repr((ConceptScore("ripe", 0.9712, "ripe"),)) == '(ConceptScore("ripe", 0.97),)'


def test_only_two_statuses_are_the_end():
    assert {status for status in VersionStatus if status.finished} == {VersionStatus.TRAINED, VersionStatus.FAILED}


def test_statuses_are_spelled_as_clarifais_clients_expect():
    assert [status.value for status in VersionStatus] == [
        "MODEL_UNTRAINED",
        "MODEL_QUEUED_FOR_TRAINING",
        "MODEL_TRAINING",
        "MODEL_TRAINED",
        "MODEL_TRAINING_FAILED",
    ]

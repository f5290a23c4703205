"""What a fused file says about itself, written and read again."""

import json
from datetime import UTC, datetime

import pytest

from edge.backbone.card import parse_card
from edge.backbone.fake import CARD
from edge.errors import BadBackbone, BadHead
from edge.export.extend import Extension
from edge.export.record import CONCEPTS, HEAD, Record, card_tables, read_record

RECORD = Record(
    model="tomatoes",
    version="v3",
    concepts=("ripe", "Grün"),
    mutually_exclusive=True,
    closed_environment=False,
    full_integer=False,
    counts={"ripe": (3, 4), "Grün": (4, 3)},
    trained_at=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
    card=card_tables(CARD),
    evaluation={"method": "leave-one-out"},
    head=b"some bytes",
)


def file(document=None, head=RECORD.head, **changes):
    graph = Extension()
    graph.inputs = (graph.tensor("x", (1, 4), "INT8", scale=1.0),)
    if document is None:
        document = json.dumps({**json.loads(RECORD.to_json()), **changes}).encode()
    graph.metadata(CONCEPTS, document)
    graph.metadata(HEAD, head)
    return graph.finish(graph.inputs[0], "x")


def test_a_record_is_read_as_it_was_written():
    assert read_record(file(RECORD.to_json())) == RECORD


def test_the_card_in_a_record_is_a_card():
    card = parse_card(read_record(file()).card, "the file")
    assert (card.sha256, card.preprocessing, card.embedding) == (CARD.sha256, CARD.preprocessing, CARD.embedding)


def test_a_tflite_file_without_a_record_is_refused():
    graph = Extension()
    graph.inputs = (graph.tensor("x", (1, 4), "INT8", scale=1.0),)
    with pytest.raises(BadHead, match="no concepts inside"):
        read_record(graph.finish(graph.inputs[0], "x"))


def test_a_file_that_is_no_tflite_file_is_refused():
    with pytest.raises(BadBackbone, match="not a TFLite file"):
        read_record(b"\xff\xd8 a picture, perhaps")


def test_a_head_that_was_changed_is_refused():
    with pytest.raises(BadHead, match="damaged"):
        read_record(file(head=b"other bytes"))


def test_a_record_of_a_newer_release_says_so():
    with pytest.raises(BadHead, match="newer release"):
        read_record(file(format=2))


@pytest.mark.parametrize(
    "changes",
    [
        {"concepts": []},
        {"concepts": ["a", "a"]},
        {"concepts": [1, 2]},
        {"concepts": "ripe"},
        {"model": None},
        {"version": 3},
        {"mutually_exclusive": 1},
        {"closed_environment": "no"},
        {"counts": {"ripe": [1]}},
        {"counts": {"ripe": [1, -1]}},
        {"counts": {"ripe": [True, 1]}},
        {"counts": {"unheard": [1, 1]}},
        {"counts": []},
        {"trained_at": "yesterday"},
        {"trained_at": "0001-01-01T00:00:00+14:00"},
        {"card": "efficientnet"},
        {"evaluation": [1]},
    ],
    ids=lambda one: json.dumps(one),
)
def test_a_field_of_the_wrong_kind_is_refused(changes):
    with pytest.raises(BadHead):
        read_record(file(**changes))


@pytest.mark.parametrize("document", [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 100_000], ids=len)
def test_what_is_no_json_object_is_refused(document):
    with pytest.raises(BadHead):
        read_record(file(document))

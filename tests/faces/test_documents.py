"""Records as JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import engine, types
from edge.engine.asking import Predicted
from edge.faces.documents import document

# arrays never leave as JSON: a LinearTail travels from a head to a graph
RECORDS = [one for one in vars(types).values() if is_dataclass(one) and one is not types.LinearTail]
RECORDS += [engine.Added, Predicted]

ANYTHING = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)


def values(hint):
    """A strategy for a field's type, records and open fields included."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return ANYTHING
    if hint is datetime:
        return st.datetimes(timezones=st.just(UTC))
    if is_dataclass(hint):
        return example(hint)
    if origin is Mapping:
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=3)
    if origin is tuple and inner[-1] is ...:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, inner))
    if origin in (Union, UnionType):
        return st.one_of(*map(values, inner))
    return st.from_type(hint)


def example(record):
    hints = get_type_hints(record)
    return st.builds(record, **{field.name: values(hints[field.name]) for field in fields(record)})


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: one.__name__)
def test_every_record_has_a_document_with_the_names_of_its_fields(record):
    @given(example(record))
    def check(one):
        found = json.loads(json.dumps(document(one), allow_nan=False))
        assert list(found) == [field.name for field in fields(record)]

    check()


def test_the_records_of_the_package_are_all_among_them():
    assert {"Annotation", "Concept", "Evaluation", "Input", "Prediction", "VersionInfo"} <= {
        one.__name__ for one in RECORDS
    }


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=5, minutes=30)))))
def test_times_are_utc_and_come_back(at):
    text = document(at)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == at


@given(st.floats())
def test_numbers_json_does_not_have_become_null(value):
    found = json.loads(json.dumps(document(value), allow_nan=False))
    assert found == value if math.isfinite(value) else found is None


def test_a_status_is_its_word():
    assert document(types.VersionStatus.TRAINED) == "MODEL_TRAINED"


@pytest.mark.parametrize("value", [b"bytes", object(), types.Concept])
def test_what_is_no_record_is_refused(value):
    with pytest.raises(TypeError):
        document(value)

"""What people read: tables, bars, pages, and nothing that could command their terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.faces.cli import report, text
from edge.types import ConceptEvaluation, Confusion, Evaluation, Review

CLEAN = Evaluation("leave-one-out", 20, 0, 0.95, (0.76, 0.99), 0.9, 1.0, 0.02, 0.1, ())


@given(st.text(st.characters()))
def test_nothing_shown_can_command_a_terminal(given_text):
    shown = text.safe(given_text)
    assert not any(ord(one) < 32 or 127 <= ord(one) < 160 or "\u202a" <= one <= "\u202e" for one in shown)
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("ripe tomato", "ripe tomato"),
        ("reife_Früchte 🍅", "reife_Früchte 🍅"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("two\nlines", "two\\x0alines"),
        ("caf\udce9.jpg", "caf\\xe9.jpg"),
        ("gnp\u202egpj", "gnp\\u202egpj"),
    ],
)
def test_what_is_harmless_stays_and_what_is_not_can_still_be_told(given_text, shown):
    assert text.safe(given_text) == shown


def test_columns_line_up_whatever_the_script():
    rows = list(text.table([("トマト", 5), ("ripe", 10), ("é", 1)], right="l r"))
    assert [text.width(row) for row in rows] == [10, 10, 10]


def test_a_table_without_rows_has_no_lines():
    assert list(text.table([])) == []


@pytest.mark.parametrize(("value", "columns"), [(0.0, 0), (0.5, 10), (1.0, 20)])
def test_a_bar_is_as_long_as_its_value(value, columns):
    assert len(text.bar(value)) == columns


def test_what_is_undetermined_is_a_dash():
    assert (text.percent(None), text.number(None), text.moment(None)) == ("-", "-", "-")


def page_of(found):
    return list(report.page(report.About("m v1", found, Review(None, 0, (), ()), {})))


def test_a_page_has_the_accuracy_with_its_interval():
    assert "accuracy 95.0 % (95 % interval: 76.0 % to 99.0 %)" in page_of(CLEAN)


def test_an_accuracy_that_cannot_be_told_says_what_it_takes():
    found = Evaluation("leave-one-out", 5, 0, None, None, None, None, None, None, ())
    page = page_of(found)
    assert any("cannot be told: that takes pictures" in line for line in page)
    assert not any("calibration" in line for line in page)


def test_a_page_has_a_row_for_every_concept_and_a_matrix_for_exclusive_ones():
    from dataclasses import replace

    concepts = (ConceptEvaluation("ripe", 3, 2, 0.75, 1.0, None), ConceptEvaluation("green", 2, 3, None, 0.5, 1.0))
    found = replace(CLEAN, concepts=concepts, confusion=Confusion(("ripe", "green"), ((3, 0), (1, 1))))
    rows = [line.split() for line in page_of(found)]
    assert ["ripe", "3", "2", "75.0", "%", "100.0", "%", "-"] in rows
    assert ["green", "2", "3", "-", "50.0", "%", "1.000"] in rows
    assert ["green", "1", "1"] in rows


def test_a_page_ends_with_what_else_is_worth_knowing():
    from dataclasses import replace

    page = page_of(replace(CLEAN, not_evaluable=1, notes=("measured on a sample",)))
    assert page[-2:] == [
        "note: 1 picture is not judged, being all there is of a concept, or all of one moment",
        "note: measured on a sample",
    ]

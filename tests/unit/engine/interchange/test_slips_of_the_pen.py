"""Tables that are nearly right: what they say is not lost without a word."""

from __future__ import annotations

import pytest

from edge.engine.interchange import import_data
from edge.errors import InvalidArgument


def table(folder, text):
    (folder("1.png", "2.png", "3.png") / "labels.csv").write_text(text)
    return folder()


def test_a_column_per_concept_keeps_the_concepts_name_as_it_is_written(engine, folder):
    import_data(engine, table(folder, "File,Ripe,ripe,ÖL\n1.png,1,0,\n2.png,,,1\n"))
    assert {one.name for one in engine.concepts()} == {"Ripe", "ripe", "ÖL"}


def test_one_strange_cell_in_a_column_of_ones_and_zeros_is_shown_and_nothing_stored(engine, folder):
    there = table(folder, "file,ripe,big\n1.png,1,0\n2.png,0,1\n3.png,yes,0\n")
    with pytest.raises(InvalidArgument, match=r"row 4 of .*'yes' in the column 'ripe'"):
        import_data(engine, there)
    assert engine.inputs() == []


def test_a_column_of_counts_is_no_concept_and_the_others_are(engine, folder):
    import_data(engine, table(folder, "file,ripe,legs\n1.png,1,1\n2.png,0,4\n3.png,,12\n"))
    assert [one.name for one in engine.concepts()] == ["ripe"]


def test_a_table_whose_concepts_are_called_something_else_is_refused_with_what_to_call_them(engine, folder):
    with pytest.raises(InvalidArgument, match="call it concept"):
        import_data(engine, table(folder, "file,species\n1.png,oak\n2.png,elm\n"))
    assert engine.inputs() == []

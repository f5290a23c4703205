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


# --- the same picture several times ----------------------------------------------------------------------------------


def test_rows_of_one_picture_that_lie_apart_are_put_together(engine, folder):
    import_data(engine, table(folder, "file,concept\n1.png,ripe\n2.png,ripe\n1.png,wet\n"))
    assert [len(one.annotations) for one in engine.inputs()] == [2, 1]


def test_a_picture_that_is_said_to_show_it_and_later_not_to_is_listed_and_the_first_counts(engine, folder):
    text = "file,concept,value\n1.png,ripe,1\n2.png,ripe,0\n1.png,ripe,0\n"
    done = import_data(engine, table(folder, text))
    assert (done.pictures, done.refused_count) == (2, 1)
    assert done.refused[0][0].endswith("1.png")
    assert "named several times" in done.refused[0][1]
    assert [one.annotations[0].value for one in engine.inputs()] == [1, 0]


def test_of_two_words_with_a_time_each_the_later_counts(engine, folder):
    rows = "1.png,ripe,1,2025-03-02\n2.png,ripe,0,2025-03-02\n1.png,ripe,0,2025-03-03\n1.png,ripe,1,2025-03-01\n"
    done = import_data(engine, table(folder, "file,concept,value,at\n" + rows))
    assert done.refused == ()
    assert [one.annotations[0].value for one in engine.inputs()] == [0, 0]


def test_more_pictures_than_a_card_holds_are_refused_before_one_is_stored(engine, folder, monkeypatch):
    monkeypatch.setattr("edge.engine.interchange.repeated.MOST", 2)
    with pytest.raises(InvalidArgument, match="split them"):
        import_data(engine, table(folder, "file,concept\n1.png,ripe\n2.png,ripe\n3.png,ripe\n"))
    assert engine.inputs() == []


# --- what is left out ------------------------------------------------------------------------------------------------


def test_a_picture_that_cannot_be_read_is_called_by_its_file_and_not_by_where_it_once_came_from(engine, folder):
    there = table(folder, "file,concept,source\n1.png,ripe,camera://gate\n2.png,ripe,camera://gate\n")
    (there / "1.png").write_text("no picture")
    done = import_data(engine, there)
    assert (done.pictures, done.annotations) == (1, 1)
    assert [source for source, _ in done.refused] == [str(there.resolve() / "1.png")]


def test_hugging_faces_metadata_as_csv_is_no_folder_of_a_concept_called_train(engine, folder):
    there = folder("train/1.png", "test/2.png")
    for split, number in (("train", 1), ("test", 2)):
        (there / split / "metadata.csv").write_text(f"file_name,label\n{number}.png,oak\n")
    done = import_data(engine, there)
    assert (done.format, done.pictures, done.annotations) == ("huggingface", 2, 2)
    assert [one.name for one in engine.concepts()] == ["oak"]

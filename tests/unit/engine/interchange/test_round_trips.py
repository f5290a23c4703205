"""Out of one store, into another: what every format keeps, and what the store makes of it."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from edge.engine.interchange import export_data, import_data
from edge.engine.interchange.catalogue import FORMATS, guess, place_of
from edge.errors import Conflict, InvalidArgument, NotFound, StoreUnavailable
from tests.interchanged import EARLY, said

ALL = sorted(FORMATS)


@pytest.mark.parametrize("format", ALL)
def test_what_goes_out_comes_back_with_values_people_times_ids_and_metadata(rich, other, tmp_path, format):
    done = export_data(rich, tmp_path / "out", format)
    assert (done.pictures, done.annotations, done.left_out) == (5, 7, ())
    back = import_data(other, tmp_path / "out")
    assert (back.format, back.pictures, back.created, back.refused) == (format, 5, 5, ())
    assert said(other) == said(rich)


@pytest.mark.parametrize("format", sorted({*ALL} - {"imagefolder"}))
def test_unlabelled_pictures_and_several_concepts_of_one_travel_too(engine, other, blob, tmp_path, format):
    engine.add(blob("red", 1), concepts=["ripe", "wet"], not_concepts="dirty")
    engine.add(blob("red", 2), not_concepts=["ripe", "wet"])
    engine.add(blob("red", 3))
    export_data(engine, tmp_path / "out", format)
    import_data(other, tmp_path / "out", format)
    assert said(other) == said(engine)


@pytest.mark.parametrize("format", ALL)
def test_a_second_import_changes_nothing(rich, tmp_path, format):
    before, moment = said(rich), rich.store.inputs.last_change()
    export_data(rich, tmp_path / "out", format)
    again = import_data(rich, tmp_path / "out", format)
    assert (again.pictures, again.created) == (5, 0)
    assert said(rich) == before
    assert rich.store.inputs.last_change() == moment


@pytest.mark.parametrize("format", ALL)
def test_two_inputs_that_share_a_picture_stay_two(engine, other, blob, tmp_path, format):
    from edge.engine.pictures import Picture, loaded
    from edge.image import encode_png

    data = encode_png(blob("red", 1))
    for id in ("one", "TWO"):
        engine.store.inputs.add([loaded(Picture(data, id, {"red": 1}, id=id), engine.backbone)], by="x")
    export_data(engine, tmp_path / "out", format)
    import_data(other, tmp_path / "out", format)
    assert said(other) == said(engine)
    assert set(said(other)) == {"one", "TWO"}


@pytest.mark.parametrize("format", ALL)
def test_only_some_concepts_and_their_pictures(rich, other, tmp_path, format):
    done = export_data(rich, tmp_path / "out", format, concepts=["unripe"])
    import_data(other, tmp_path / "out", format)
    assert done.pictures == (2 if format == "imagefolder" else 4)  # two do not show it: no folder is theirs
    assert {name for one in said(other).values() for name in one[3]} == {"unripe"}


@pytest.mark.parametrize("format", ALL)
def test_the_format_is_recognised_by_what_is_there(rich, tmp_path, format):
    export_data(rich, tmp_path / "out", format)
    assert guess(place_of(tmp_path / "out")) == format


@pytest.mark.parametrize("format", ALL)
def test_the_pictures_are_the_original_bytes(rich, tmp_path, format):
    from hashlib import sha256

    export_data(rich, tmp_path / "out", format)
    found = {sha256(one.read_bytes()).hexdigest() for one in (tmp_path / "out").rglob("*.png")}
    assert found == {one.sha256 for one in rich.inputs()}


# --- the folder ------------------------------------------------------------------------------------------------------


def test_an_empty_folder_is_used_and_a_full_one_refused(rich, tmp_path):
    (tmp_path / "empty").mkdir()
    export_data(rich, tmp_path / "empty", "csv")
    with pytest.raises(Conflict, match="choose a new folder"):
        export_data(rich, tmp_path / "empty", "csv")


@pytest.mark.parametrize("place", ["no/such/place", "file", "/", "link", "a\0b", "store/out"])
def test_a_place_where_no_folder_can_be_made_is_refused(rich, tmp_path, place):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises((InvalidArgument, Conflict)):
        export_data(rich, tmp_path / place if place != "/" else "/", "csv")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("format", ALL)
def test_what_fails_on_the_way_leaves_nothing_behind(rich, tmp_path, monkeypatch, format):
    before = sorted(tmp_path.iterdir())
    real = os.sync

    def full():
        real()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.sync", full)
    with pytest.raises(StoreUnavailable, match="disk is full"):
        export_data(rich, tmp_path / "out", format)
    assert sorted(tmp_path.iterdir()) == before


def test_a_picture_that_is_gone_is_left_out_and_the_others_go(rich, tmp_path):
    one = rich.inputs()[0]
    rich.store.inputs.blob_path(one.sha256, one.media_type).unlink()
    done = export_data(rich, tmp_path / "out", "coco")
    assert done.pictures == 4
    assert [id for id, _ in done.left_out] == [one.id]
    assert len(json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]) == 4


def test_a_store_without_pictures_has_nothing_to_export(engine, tmp_path):
    with pytest.raises(InvalidArgument, match="edge add"):
        export_data(engine, tmp_path / "out", "csv")
    assert not (tmp_path / "out").exists()


def test_unknown_formats_and_concepts_are_refused(rich, tmp_path):
    with pytest.raises(InvalidArgument, match="choose one of coco"):
        export_data(rich, tmp_path / "out", "pascal")
    with pytest.raises(NotFound, match="no concept"):
        export_data(rich, tmp_path / "out", "csv", concepts=["purple"])


def test_progress_goes_up_to_all_of_them(rich, other, tmp_path):
    seen = []
    export_data(rich, tmp_path / "out", "csv", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5, 5)
    import_data(other, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5, 5)


# --- who and when ----------------------------------------------------------------------------------------------------


def csv_of(folder, *rows):
    lines = ["picture,concept,value,by,at", *(",".join(row) for row in rows)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_word_that_is_older_than_the_stores_replaces_nothing(engine, folder):
    there = folder("1.png")
    engine.add(there, concepts="ripe", by="anna")
    import_data(engine, csv_of(there, ("1.png", "ripe", "0", "bo", EARLY.isoformat())))
    assert [word[:2] for word in next(iter(said(engine).values()))[3].values()] == [(1, "anna")]


def test_a_word_without_a_time_is_said_now(engine, folder):
    there = folder("1.png")
    engine.add(there, concepts="ripe", by="anna")
    import_data(engine, csv_of(there, ("1.png", "ripe", "0", "", "")), by="bo")
    assert [word[:2] for word in next(iter(said(engine).values()))[3].values()] == [(0, "bo")]


def test_a_time_that_is_still_to_come_is_now(engine, folder):
    late = (EARLY + timedelta(days=300_000)).isoformat()
    import_data(engine, csv_of(folder("1.png"), ("1.png", "ripe", "1", "bo", late)))
    (word,) = engine.inputs()[0].annotations
    assert word.by == "bo"
    assert word.at <= engine.store.now()


def test_what_was_taken_back_later_stays_taken_back(engine, folder):
    there = folder("1.png")
    (one,) = engine.add(there, concepts="ripe").inputs
    engine.annotate(one.id, clear="ripe")
    import_data(engine, csv_of(there, ("1.png", "ripe", "1", "bo", EARLY.isoformat())))
    assert engine.input(one.id).annotations == ()


def test_models_learn_from_what_was_imported(rich, other, tmp_path):
    export_data(rich, tmp_path / "out", "coco")
    import_data(other, tmp_path / "out")
    model = other.create_model("m", "unripe")
    counts = {one.id: (one.positives, one.negatives) for one in model.train().evaluation.concepts}
    assert counts["unripe"] == (2, 2)


def test_only_a_models_concepts_and_their_pictures(engine, other, blob, tmp_path):
    engine.add(blob("red", 1), concepts=["ripe", "wet"])
    engine.add(blob("red", 2), not_concepts="ripe")
    engine.add(blob("red", 3), concepts="wet")
    engine.create_model("m", ["ripe", "never said"])
    engine.rename_concept("ripe", "ready")
    done = export_data(engine, tmp_path / "out", "coco", model="m")
    import_data(other, tmp_path / "out")
    assert (done.pictures, done.annotations) == (2, 2)
    assert {name for one in said(other).values() for name in one[3]} == {"ready"}


def test_a_model_that_is_not_there_or_one_beside_concepts_is_refused(rich, tmp_path):
    with pytest.raises(NotFound, match="no model"):
        export_data(rich, tmp_path / "out", "csv", model="m")
    with pytest.raises(InvalidArgument, match="the model or the concepts"):
        export_data(rich, tmp_path / "out", "csv", model="m", concepts=["unripe"])


def test_what_came_into_the_folder_meanwhile_stays_and_nothing_is_left_beside_it(rich, tmp_path):
    def meanwhile(*_):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "mine").write_text("x")

    with pytest.raises(Conflict, match="choose a new folder"):
        export_data(rich, tmp_path / "out", "csv", progress=meanwhile)
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["mine"]
    assert not list(tmp_path.glob(".tmp-*"))


def test_a_disk_that_takes_no_such_folder_says_which_format_does(rich, tmp_path, monkeypatch):
    real = Path.mkdir

    def fussy(self, *given, **more):
        if '"' in self.name:
            raise OSError(22, "Invalid argument", str(self))  # what a stick says
        real(self, *given, **more)

    monkeypatch.setattr(Path, "mkdir", fussy)
    with pytest.raises(InvalidArgument, match="--format csv"):
        export_data(rich, tmp_path / "out", "imagefolder")
    assert not (tmp_path / "out").exists()

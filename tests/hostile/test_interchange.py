"""Files of others that lie, lead elsewhere, never end or are something else: refused with a sentence."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edge
from edge.engine.interchange import import_data
from edge.engine.interchange.catalogue import format_of, place_of
from edge.errors import InvalidArgument
from edge.sync.device import Identity
from edge.sync.segments import seal, unseal
from tests.interchanged import WITH_FILE, described

# --- names that lead elsewhere ---------------------------------------------------------------------------------------

NAMES = [
    "../secret.png",
    "a/../../secret.png",
    "..\\secret.png",
    "{outside}",
    "/data/local-files/?d=../secret.png",
    "/data/local-files/?d=%2e%2e/secret.png",
    "file://{outside}",
    "https://example.org/secret.png",
    "link.png",
    "linked/secret.png",
    "pipe.png",
    "a" * 5000,
    "good.png\0.png",
    ".",
    "",
    "missing.png",
]


@pytest.mark.parametrize("format", WITH_FILE)
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_that_leads_elsewhere_is_left_out_and_the_good_one_goes_in(engine, secret, format, name):
    folder = secret.parent / "given"
    (folder / "link.png").symlink_to(secret)
    (folder / "linked").symlink_to(secret.parent)
    os.mkfifo(folder / "pipe.png")
    described(folder, format, name.format(outside=secret), "good.png")
    try:
        done = import_data(engine, folder, format)
    except InvalidArgument as error:
        assert "\0" in name  # no CSV file has it
        assert len(str(error)) > 20
        return
    assert (done.pictures, done.refused_count) == (1, 1)
    assert len(done.refused[0][1]) > 10
    assert [one.source.rsplit("/", 1)[-1] for one in engine.inputs()] == ["good.png"]


def test_folders_and_files_that_are_links_are_not_followed(engine, secret):
    folder = secret.parent / "given"
    (folder / "cat").mkdir()
    (folder / "good.png").rename(folder / "cat" / "good.png")
    (folder / "cat" / "link.png").symlink_to(secret)
    (folder / "dog").symlink_to(secret.parent)
    done = import_data(engine, folder)
    assert (done.pictures, done.refused_count) == (1, 1)
    assert "links are not followed" in done.refused[0][1]
    assert [one.id for one in engine.concepts()] == ["cat"]


def test_a_table_of_hugging_face_behind_a_link_is_not_read(secret):
    (secret.parent / "elsewhere").mkdir()
    described(secret.parent / "elsewhere", "huggingface", "x.png")
    (secret.parent / "given" / "train").symlink_to(secret.parent / "elsewhere")
    assert not format_of("huggingface").recognises(place_of(secret.parent / "given"))


# --- what is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", WITH_FILE)
@pytest.mark.parametrize("concept", ["a/b", "..", "-rf", "x" * 200, "a\nb"])
def test_a_concept_that_can_be_none_is_left_out_with_its_picture(engine, secret, format, concept):
    folder = described(secret.parent / "given", format, "good.png", concept=concept)
    done = import_data(engine, folder, format)
    assert (done.pictures, done.refused_count) == (0, 1)
    assert engine.concepts() == ()


@pytest.mark.parametrize("format", WITH_FILE)
def test_a_made_up_digest_takes_no_other_pictures_place(engine, secret, format):
    from hashlib import sha256

    wanted = sha256(secret.read_bytes()).hexdigest()[:32]
    import_data(engine, described(secret.parent / "given", format, "good.png", id=wanted), format)
    assert engine.inputs()[0].id != wanted
    assert engine.add(secret).created == 1


@pytest.mark.parametrize("format", WITH_FILE)
def test_one_id_for_two_pictures_refuses_the_second_and_keeps_the_rest(engine, secret, format, blob):
    folder = secret.parent / "given"
    for number in range(3):
        Image.fromarray(blob("blue", number)).save(folder / f"{number}.png")
    done = import_data(engine, described(folder, format, "0.png", "1.png", "2.png", id="mine"), format)
    assert (done.pictures, done.refused_count) == (1, 2)
    assert "other bytes" in done.refused[0][1]


@pytest.mark.parametrize("format", WITH_FILE)
@pytest.mark.parametrize(
    "more", [{"id": "a/b"}, {"id": "x" * 300}, {"metadata": {"a": "x" * 70_000}}, {"metadata": {"a": "ü" * 20_000}}]
)
def test_facts_that_cannot_be_are_refused(engine, secret, format, more):
    done = import_data(engine, described(secret.parent / "given", format, "good.png", **more), format)
    assert (done.pictures, done.refused_count) == (0, 1)


@pytest.mark.parametrize(
    "at", ["0001-01-02T00:00:00", "0001-01-01T00:00:00+14:00", "2025-03-01", "9999-12-31T23:59:59Z"]
)
def test_what_was_imported_can_be_sealed_for_other_devices(engine, secret, at):
    facts = {"id": "grün", "source": "x\n" * 500, "metadata": {"a": "ü" * 10_000}}
    said = [{"concept": "cat", "value": 1, "by": "b" * 128, "at": at}]
    import_data(engine, described(secret.parent / "given", "coco", "good.png", said=said, **facts))
    identity = Identity.of(engine.store.path)
    with engine.store.writing() as connection:
        records = list(engine.store.sealing(identity.id).records(connection))
    _, read = unseal(seal(identity, 1, "", records), identity.public)
    assert {one["kind"] for one in read} == {"input", "said", "concept"}


def test_people_and_times_that_are_none_are_left_out(engine, secret):
    said = [{"concept": "cat", "value": 1, "by": "a\nb" * 100, "at": "9999-99-99"}, "x", {"concept": ["cat"]}, None]
    import_data(engine, described(secret.parent / "given", "coco", "good.png", said=said))
    assert engine.inputs()[0].annotations[0].by == "import"


def test_two_images_with_one_id_and_categories_that_are_not_there_are_refused(engine, secret):
    images = [
        {"id": 1, "file_name": "good.png"},
        {"id": 1, "file_name": "good.png"},
        {"id": 2, "file_name": "good.png"},
    ]
    found = {"images": images, "annotations": [{"image_id": 2, "category_id": 9}], "categories": []}
    (secret.parent / "given" / "labels.json").write_text(json.dumps(found))
    done = import_data(engine, secret.parent / "given")
    assert done.pictures == 1
    assert [reason for _, reason in done.refused] == [
        "another image has the id 1 too",
        "it names a category 9 that there is not",
    ]


def test_yes_and_no_at_once_is_refused(engine, secret):
    folder = secret.parent / "given"
    (folder / "labels.csv").write_text("picture,concept,value\ngood.png,cat,1\ngood.png,cat,0\n")
    done = import_data(engine, folder)
    assert "leave one of them" in done.refused[0][1]
    assert engine.inputs() == []


def test_a_picture_that_is_none_is_left_out_and_a_bomb_is_not_decoded(engine, secret):
    folder = secret.parent / "given"
    (folder / "text.png").write_text("not a picture")
    Image.fromarray(np.zeros((1, 1), np.uint8)).resize((12_000, 9_000)).save(folder / "bomb.png")
    with (folder / "huge.png").open("wb") as file:
        file.truncate(100 << 20)
    done = import_data(engine, described(folder, "csv", "text.png", "bomb.png", "huge.png", "good.png"))
    assert (done.pictures, done.refused_count) == (1, 3)


def test_a_store_on_a_full_disk_says_how_far_it_came(tmp_path, blob, monkeypatch):
    from edge.errors import StoreUnavailable
    from edge.store.inputs import Inputs

    for number in range(20):
        (tmp_path / "cat").mkdir(exist_ok=True)
        Image.fromarray(blob("red", number)).save(tmp_path / "cat" / f"{number:02}.png")
    real, calls = Inputs.add, []

    def add(self, new, *, by):
        calls.append(len(new))
        if len(calls) > 1:
            raise StoreUnavailable("the disk is full; free some space and try again, nothing was changed")
        return real(self, new, by=by)

    monkeypatch.setattr(Inputs, "add", add)
    with (
        edge.Engine.open(tmp_path / "store", backbone="fake") as engine,
        pytest.raises(StoreUnavailable, match="16 of 20 pictures are stored"),
    ):
        import_data(engine, tmp_path, "imagefolder")


@pytest.mark.parametrize("format", WITH_FILE)
def test_a_folder_of_pictures_that_is_a_link_leads_nowhere(engine, secret, format):
    folder = secret.parent / "given"
    (folder / ("pictures" if format == "csv" else "images")).symlink_to(secret.parent)
    name = "images/secret.png" if format == "huggingface" else "secret.png"
    done = import_data(engine, described(folder, format, name, "good.png"), format)
    assert (done.pictures, done.refused_count) == (1, 1)
    assert "links are not followed" in done.refused[0][1]


def test_an_image_of_very_many_categories_is_cut_short_and_left_out(secret):
    from edge.engine.interchange.base import Refused
    from edge.engine.interchange.coco import _Labels
    from edge.engine.interchange.reading import MOST_WORDS

    labels = [{"image_id": 1, "category_id": number} for number in range(5000)]
    categories = [{"id": number, "name": f"c{number}"} for number in range(5000)]
    found = {"images": [{"id": 1, "file_name": "good.png"}], "annotations": labels, "categories": categories}
    path = secret.parent / "given" / "labels.json"
    path.write_text(json.dumps(found))
    assert len(_Labels(path).of(1)) == MOST_WORDS + 1  # each is compared with those before
    (one,) = format_of("coco").entries(place_of(path), positives_only=False)
    assert isinstance(one, Refused)
    assert "more than 1000 concepts" in one.reason


def test_a_concept_that_is_called_as_the_table_beside_the_folders_is_refused(engine, blob, tmp_path):
    from edge.engine.interchange import export_data

    engine.add(blob("red", 1), concepts="Edge-Annotations.csv")
    with pytest.raises(InvalidArgument, match="--format csv"):
        export_data(engine, tmp_path / "out", "imagefolder")


def test_names_of_any_bytes_are_listed_as_text(engine, secret):
    folder = secret.parent / "given" / "cat"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).symlink_to(secret)
    described(secret.parent / "given", "huggingface", "good.png", "\ud800.png")
    for format in ("imagefolder", "huggingface"):
        ((source, _),) = import_data(engine, secret.parent / "given", format).refused
        assert source.encode().endswith(b"?.png")


def test_labels_of_more_images_than_a_card_holds_are_refused(secret, monkeypatch):
    monkeypatch.setattr("edge.engine.interchange.coco.MOST", 2)
    folder = described(secret.parent / "given", "coco", "good.png", "good.png", "good.png")
    with pytest.raises(InvalidArgument, match="split it"):
        list(format_of("coco").entries(place_of(folder), positives_only=False))


@pytest.mark.parametrize("format", WITH_FILE)
def test_reading_keeps_little_of_each_picture(secret, format):
    folder = secret.parent / "given"
    shutil.copy(folder / "good.png", folder / "other.png")

    def most(count):
        described(folder, format, *["good.png", "other.png"] * (count // 2), source="camera://gate/" + "x" * 500)
        tracemalloc.start()
        try:
            assert sum(1 for _ in format_of(format).entries(place_of(folder), positives_only=False)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = 1000, 5000  # the file of few is larger than what is read at once
    assert (most(many) - most(few)) / (many - few) < (400 if format == "coco" else 100)

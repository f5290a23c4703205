"""What other programs write, and folders as people have them."""

from __future__ import annotations

import json
import zipfile

import pytest

from edge.engine.interchange import export_data, import_data
from edge.engine.interchange.catalogue import guess, place_of
from edge.errors import InvalidArgument
from tests.interchanged import said


def values(engine):
    """File name -> {concept: value}."""
    return {
        source.rsplit("/", 1)[-1]: {name: word[0] for name, word in words.items()}
        for _, source, _, words in said(engine).values()
    }


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


# --- folders per concept ---------------------------------------------------------------------------------------------


def test_a_picture_in_a_folder_shows_its_concept_and_not_the_others(engine, folder):
    there = folder("cat/1.png", "dog/2.png", "dog/deep/3.png", ".hidden/4.png", "dog/.5.png")
    (there / "dog" / "notes.txt").write_text("x")
    done = import_data(engine, there)
    assert done.format == "imagefolder"
    assert values(engine) == {
        "1.png": {"cat": 1, "dog": 0},
        "2.png": {"cat": 0, "dog": 1},
        "3.png": {"cat": 0, "dog": 1},
    }
    assert {word.by for one in engine.inputs() for word in one.annotations} == {"import"}


def test_positives_only_says_nothing_of_the_others(engine, folder):
    import_data(engine, folder("cat/1.png", "dog/2.png"), positives_only=True, by="bo")
    assert values(engine) == {"1.png": {"cat": 1}, "2.png": {"dog": 1}}
    assert {word.by for one in engine.inputs() for word in one.annotations} == {"bo"}


def test_folders_of_splits_are_no_concepts(engine, folder):
    import_data(engine, folder("train/cat/1.png", "train/dog/2.png", "test/cat/3.png"))
    assert values(engine)["3.png"] == {"cat": 1, "dog": 0}
    assert {one.id for one in engine.concepts()} == {"cat", "dog"}


def test_concepts_that_are_called_as_splits_are_concepts_when_pictures_lie_in_them(engine, folder):
    import_data(engine, folder("train/1.png", "test/2.png"))
    assert values(engine)["1.png"] == {"train": 1, "test": 0}


def test_several_concepts_of_one_picture_are_refused_with_what_can_say_it(engine, blob, tmp_path):
    engine.add(blob("red", 1), concepts=["ripe", "wet"])
    with pytest.raises(InvalidArgument, match="--format csv"):
        export_data(engine, tmp_path / "out", "imagefolder")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [".hidden", "ü" * 120])
def test_a_concept_that_cannot_name_a_folder_is_refused(engine, blob, tmp_path, name):
    engine.add(blob("red", 1), concepts=name)
    with pytest.raises(InvalidArgument, match="--format csv"):
        export_data(engine, tmp_path / "out", "imagefolder")


def test_concepts_that_are_one_folder_on_a_stick_are_refused(engine, blob, tmp_path):
    engine.add(blob("red", 1), concepts="Cat")
    engine.add(blob("red", 2), concepts="cat")
    with pytest.raises(InvalidArgument, match="one folder on many disks"):
        export_data(engine, tmp_path / "out", "imagefolder")


def test_a_picture_that_was_moved_to_another_folder_has_that_concept(engine, other, blob, tmp_path):
    engine.add(blob("red", 1), concepts="cat", not_concepts="dog", by="anna")
    engine.add(blob("red", 2), concepts="dog", by="anna")
    export_data(engine, tmp_path / "out", "imagefolder")
    (moved,) = (tmp_path / "out" / "cat").iterdir()
    moved.rename(tmp_path / "out" / "dog" / moved.name)
    import_data(other, tmp_path / "out")
    assert values(other)[moved.name] == {"cat": 0, "dog": 1}
    assert sorted(word.by for one in other.inputs() for word in one.annotations) == ["anna", "import", "import"]


def test_pictures_of_which_nothing_is_shown_stay_behind_and_are_counted(engine, blob, tmp_path):
    engine.add(blob("red", 1), concepts="cat")
    engine.add(blob("red", 2))
    done = export_data(engine, tmp_path / "out", "imagefolder")
    assert done.pictures == 1
    assert "--format csv" in done.left_out[0][1]


# --- CSV -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "file,label\n1.png,cat\n2.png,dog\n",
        "FileName;Class\r\n1.png;cat\r\n2.png;dog\r\n",
        "\ufeffpath\tconcept\tvalue\n1.png\tcat\t1\n2.png\tdog\t1\n",
        "image,split,labels\n1.png,train,cat\n2.png,test,dog\n",
    ],
)
def test_tables_as_people_write_them(engine, folder, text):
    write(folder("images/1.png", "images/2.png"), "labels.csv", text)
    import_data(engine, folder())
    assert values(engine) == {"1.png": {"cat": 1}, "2.png": {"dog": 1}}


def test_several_concepts_in_a_cell_and_a_column_per_concept(engine, other, folder):
    there = folder("1.png", "2.png")
    table = write(there, "labels.csv", "file,labels\n1.png,cat|dog\n2.png,\n")
    import_data(engine, there)
    assert values(engine) == {"1.png": {"cat": 1, "dog": 1}, "2.png": {}}
    table.write_text("file,cat,dog,place\n1.png,1,0,barn\n2.png,,1,yard\n")
    import_data(other, table)
    assert values(other) == {"1.png": {"cat": 1, "dog": 0}, "2.png": {"dog": 1}}


def test_the_library_download_of_the_page_comes_back(rich, other, tmp_path):
    from edge.faces.page.downloads import archive
    from edge.store.browsing import Filter

    (tmp_path / "library.zip").write_bytes(b"".join(archive(rich, Filter(), None)))
    with pytest.raises(InvalidArgument, match="unpack it"):
        import_data(other, tmp_path / "library.zip")
    with zipfile.ZipFile(tmp_path / "library.zip") as packed:
        packed.extractall(tmp_path / "library")
    assert import_data(other, tmp_path / "library").format == "csv"
    assert said(other) == said(rich)


# --- COCO ------------------------------------------------------------------------------------------------------------

BOXES = {
    "annotations": [
        {"id": 1, "image_id": 10, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
        {"id": 2, "image_id": 10, "category_id": 3, "bbox": [5, 6, 7, 8], "segmentation": [[1, 2, 3, 4, 5, 6]]},
        {"id": 3, "image_id": 10, "category_id": 7},
    ],
    "images": [
        {"id": 10, "file_name": "1.png", "width": 64, "height": 64},
        {"id": 11, "file_name": "2.png", "neg_category_ids": [7]},
    ],
    "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog", "supercategory": "animal"}],
}


@pytest.mark.parametrize(
    ("pictures", "file"),
    [
        ("", "labels.json"),
        ("images/", "coco.json"),
        ("data/", "labels.json"),
        ("val2017/", "annotations/instances_val2017.json"),
        ("train/", "train/_annotations.coco.json"),
    ],
)
def test_boxes_become_what_an_image_shows_in_the_layouts_people_have(engine, folder, pictures, file):
    there = folder(f"{pictures}1.png", f"{pictures}2.png")
    write(there, file, BOXES)
    assert import_data(engine, there).format == "coco"
    assert values(engine) == {"1.png": {"cat": 1, "dog": 1}, "2.png": {"dog": 0}}


def test_of_several_coco_files_one_must_be_named(engine, folder):
    there = folder("1.png", "2.png")
    first, second = (write(there, f"annotations/{name}.json", BOXES) for name in ("a", "b"))
    with pytest.raises(InvalidArgument, match=r"annotations/a\.json, annotations/b\.json"):
        import_data(engine, there)
    assert import_data(engine, second).pictures == 2
    assert first.exists()


def test_image_level_labels_have_no_boxes_and_negatives_are_no_annotations(rich, tmp_path):
    export_data(rich, tmp_path / "out", "coco")
    found = json.loads((tmp_path / "out" / "annotations.json").read_text())
    names = {one["id"]: one["name"] for one in found["categories"]}
    assert len(found["annotations"]) == 5
    assert not any("bbox" in one for one in found["annotations"])
    assert [names[id] for one in found["images"] for id in one["neg_category_ids"]] == ["unripe", "unripe"]


# --- Label Studio ----------------------------------------------------------------------------------------------------


def task(image, *results, **more):
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(results), **more}]}


def choices(*names, control="choice"):
    return {"from_name": control, "to_name": "image", "type": "choices", "value": {"choices": list(names)}}


@pytest.mark.parametrize(
    "image",
    ["1.png", "/data/local-files/?d=somewhere/else/images/1.png", "/data/upload/7/1.png", "/data/local-files/?d=1.png"],
)
def test_choices_of_any_control_are_shown_and_whose_they_are(engine, folder, image):
    mark = {"completed_by": {"id": 3, "email": "anna@farm"}, "created_at": "2025-03-01T12:30:00Z"}
    there = folder("images/1.png")
    write(there, "export.json", [task(image, choices("cat", "wet"), choices("dog", control="not_shown"), **mark)])
    assert import_data(engine, there).format == "label-studio"
    assert values(engine) == {"1.png": {"cat": 1, "wet": 1, "dog": 0}}
    assert {(word.by, word.at.year) for word in engine.inputs()[0].annotations} == {("anna@farm", 2025)}


def test_the_newest_annotation_counts_and_cancelled_ones_do_not(engine, folder):
    one = task("1.png", choices("cat"), updated_at="2025-03-01T12:30:00Z")
    one["annotations"].append({"result": [choices("dog")], "updated_at": "2025-03-02T12:30:00Z", "completed_by": 4})
    one["annotations"].append({"result": [choices("cow")], "updated_at": "2025-03-03T00:00:00Z", "was_cancelled": True})
    one["annotations"].append({"result": [choices("hen")], "updated_at": "2025-02-02T12:30:00Z"})
    write(folder("1.png"), "tasks.json", [one])
    import_data(engine, folder())
    assert values(engine) == {"1.png": {"dog": 1}}
    assert engine.inputs()[0].annotations[0].by == "label-studio-4"


def test_what_was_changed_there_is_by_whoever_changed_it_and_the_rest_by_whom_it_was(engine, other, blob, tmp_path):
    engine.add(blob("red", 1), concepts=["cat", "wet"], by="anna")
    export_data(engine, tmp_path / "out", "label-studio")
    file = tmp_path / "out" / "tasks.json"
    (found,) = json.loads(file.read_text())
    found["annotations"][0] |= {"result": [choices("wet"), choices("cat", control="not_shown")], "completed_by": 9}
    file.write_text(json.dumps([found]))
    import_data(other, file)
    ((_, _, _, words),) = said(other).values()
    assert {name: word[:2] for name, word in words.items()} == {"cat": (0, "label-studio-9"), "wet": (1, "anna")}


def test_the_labelling_interface_is_xml_with_every_concept(rich, tmp_path):
    from xml.etree import ElementTree as ET

    export_data(rich, tmp_path / "out", "label-studio")
    view = ET.parse(tmp_path / "out" / "config.xml").getroot()
    controls = {one.get("name"): {each.get("value") for each in one} for one in view.iter("Choices")}
    assert controls["shown"] == controls["not_shown"] == {'ripe, "very"', "unripe", "Öl & <mehr>"}


# --- Hugging Face ----------------------------------------------------------------------------------------------------


def test_metadata_of_others_may_say_label_or_labels_and_there_may_be_splits(engine, folder):
    there = folder("train/1.png", "train/2.png", "test/3.png", "test/4.png")
    write(there, "train/metadata.jsonl", '{"file_name": "1.png", "label": "cat"}\n\n{"file_name": "2.png"}\n')
    rows = [{"file_name": "3.png", "labels": ["cat", "dog"]}, {"file_name": "4.png", "label": 3}]
    write(there, "test/metadata.jsonl", "\n".join(json.dumps(row) for row in rows))
    done = import_data(engine, there)
    assert done.format == "huggingface"
    assert values(engine) == {"1.png": {"cat": 1}, "2.png": {}, "3.png": {"cat": 1, "dog": 1}}
    assert done.refused_count == 1
    assert "write concepts as texts" in done.refused[0][1]


def test_all_lines_have_the_same_columns_with_the_same_types(rich, tmp_path):
    export_data(rich, tmp_path / "out", "huggingface")
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert len({tuple((name, type(value)) for name, value in row.items()) for row in rows}) == 1


# --- guessing --------------------------------------------------------------------------------------------------------


def test_what_looks_like_nothing_says_which_formats_there_are(engine, folder):
    with pytest.raises(InvalidArgument, match="--format"):
        import_data(engine, folder("1.png"))
    with pytest.raises(InvalidArgument, match="names no pictures"):
        import_data(engine, write(folder("1.png"), "a.csv", "file,label\n"))


def test_a_json_file_of_something_else_is_not_mistaken(folder):
    there = folder("cat/1.png")
    write(there, "package.json", {"name": "x", "version": 1})
    assert guess(place_of(there)) == "imagefolder"

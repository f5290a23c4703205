"""import and export-data: what one sees, and the exit codes."""

from __future__ import annotations

import json

import pytest

from edge.engine.interchange import catalogue
from edge.faces.cli import interchange


def test_out_and_in_again_with_what_people_see(edge, taught):
    done = edge("export-data", taught / "out", "--format", "coco")
    assert done.exit_code == 0
    assert done.stdout == f"20 pictures with 20 labels exported to {taught / 'out'} (coco)\n"
    done = edge("import", taught / "out")
    assert done.stdout == "0 pictures imported, 20 known already, 20 labels (coco)\n"


def test_the_documents_of_both(answer, taught):
    out = answer("export-data", taught / "out", "--format", "csv", "--concept", "red")
    assert out == {"folder": str(taught / "out"), "format": "csv", "pictures": 20, "annotations": 20, "left_out": []}
    back = answer("import", taught / "out" / "annotations.csv", "--format", "csv", "--by", "bo")
    assert back == {"format": "csv", "pictures": 20, "created": 0, "annotations": 20, "refused": []}


def test_a_models_data(answer, edge, taught):
    edge("annotate", answer("inputs", "--limit", "1")["inputs"][0]["id"], "--concept", "wet")
    out = answer("export-data", taught / "out", "--format", "coco", "--model", "warm")
    assert (out["pictures"], out["annotations"]) == (20, 20)


def test_what_is_left_out_is_listed_and_the_exit_code_says_so(edge, taught):
    done = edge("export-data", taught / "out", "--format", "imagefolder")
    assert done.exit_code == 2
    assert done.stdout.startswith("10 pictures with 10 labels")
    assert done.stderr.count("left out: ") == 10
    assert "10 of 20 files were left out" in done.stderr
    (taught / "out" / "red" / "broken.jpg").write_text("x")
    done = edge("import", taught / "out", json=True)
    assert done.exit_code == 2
    assert [one["source"][-10:] for one in json.loads(done.stdout)["refused"]] == ["broken.jpg"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["import", "nowhere"], 3),
        (["import", "red", "--format", "pascal"], 2),
        (["import", "store"], 2),
        (["export-data", "red", "--format", "csv"], 4),
        (["export-data", "out"], 2),
        (["export-data", "a/b/out", "--format", "csv"], 2),
        (["export-data", "out", "--format", "csv", "--concept", "purple"], 3),
        (["export-data", "out", "--format", "csv", "--model", "cold"], 3),
        (["export-data", "out", "--format", "csv", "--model", "warm", "--concept", "red"], 2),
    ],
)
def test_what_cannot_be_done_is_one_line_and_its_exit_code(edge, taught, monkeypatch, arguments, code):
    monkeypatch.chdir(taught)
    done = edge(*arguments)
    assert done.exit_code == code
    assert len(done.stderr.splitlines()) == 1
    assert not (taught / "out").exists()


def test_folders_of_concepts_as_edge_add_takes_them(answer, edge, taught):
    assert edge("import", taught / "red" / "..", "--positives-only").exit_code == 0
    names = {one["name"]: one for one in answer("concepts", "list")["concepts"]}
    assert set(names) == {"red", "green"}


def test_the_formats_that_are_offered_are_those_that_there_are():
    assert sorted(catalogue.FORMATS) == sorted(interchange.FORMATS)

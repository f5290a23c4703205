"""edge evaluate: one page that says how good a model is, which labels to look at and what to photograph."""

import pytest

FIGURES = {
    "method", "inputs", "not_evaluable", "accuracy", "accuracy_interval", "mean_average_precision", "known_rate",
    "calibration_error", "log_loss", "concepts", "confusion", "notes",
}  # fmt: skip


@pytest.fixture
def doubtful(edge, trained):
    """An exclusive model with a red picture that was called green, and one that was called both."""
    assert edge("add", trained / "green", "--concept", "green").exit_code == 0
    edge("model", "create", "kinds", "--concept", "red", "--concept", "green", "--mutually-exclusive")
    wrong, both = (one["id"] for one in _inputs(edge, "red")[:2])
    edge("annotate", wrong, "--concept", "green", "--not-concept", "red")
    edge("annotate", both, "--concept", "green")
    assert edge("train", "kinds").exit_code == 0
    return wrong, both


def _inputs(edge, concept):
    import json

    return json.loads(edge("inputs", "--concept", concept, json=True).stdout)["inputs"]


def test_the_document_keeps_its_figures_and_gains_suspects_remarks_and_advice(answer, doubtful):
    found = answer("evaluate", "kinds")
    assert set(found) == FIGURES | {"model", "version", "suspects", "suspect_count", "remarks", "next", "html"}
    assert {one["input_id"] for one in found["suspects"]} == set(doubtful)
    assert found["suspect_count"] == 2
    assert set(found["suspects"][0]) == {
        "input_id", "concept_id", "given", "value", "rival", "rival_value", "score", "reason", "nearest",
    }  # fmt: skip
    assert all(set(one) == {"kind", "message", "concepts", "inputs"} for one in found["remarks"])
    assert found["next"][0].startswith("look at the 2 suspects first")
    assert found["html"] is None


def test_people_get_the_suspects_the_command_that_corrects_one_and_what_next(edge, doubtful):
    lines = edge("evaluate", "kinds").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("suspects"))
    assert {line.split()[0] for line in lines[start + 1 : start + 3]} == {id[:12] for id in doubtful}
    command = next(line for line in lines if "edge annotate" in line)
    assert edge(*command.split("edge ")[1].split()).exit_code == 0
    assert "what to do next:" in lines


@pytest.mark.usefixtures("doubtful")
def test_the_list_may_be_shorter_and_says_so(edge, answer):
    found = answer("evaluate", "kinds", "--suspects", "1")
    assert (len(found["suspects"]), found["suspect_count"]) == (1, 2)
    assert "the 1 worst of 2" in edge("evaluate", "kinds", "--suspects", "1").stdout


def test_a_folder_is_measured_without_looking_for_suspects(answer, trained, blob, saved):
    saved("aside/red/0.png", blob("red", 50))
    saved("aside/other/0.png", blob("blue", 50))
    found = answer("evaluate", "warm", "--folder", trained / "aside")
    assert (found["method"], found["suspects"], found["suspect_count"]) == ("held-out", None, 0)
    assert found["next"]


@pytest.mark.usefixtures("doubtful")
def test_html_is_one_file_with_pictures_inside(edge, answer, tmp_path):
    file = tmp_path / "page.html"
    assert answer("evaluate", "kinds", "--html", file)["html"] == str(file)
    text = file.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.count("data:image/jpeg;base64,") >= 4
    assert edge("evaluate", "kinds", "--html", file).stdout.splitlines()[-1] == f"with pictures: {file}"


@pytest.mark.usefixtures("trained")
def test_a_place_where_no_file_can_be_is_refused_before_anything_is_done(edge, tmp_path):
    done = edge("evaluate", "warm", "--html", tmp_path / "missing" / "page.html")
    assert done.exit_code == 2
    assert "there is no folder" in done.stderr
    assert edge("evaluate", "warm", "--html", tmp_path).exit_code == 2


@pytest.mark.usefixtures("doubtful")
def test_a_renamed_concept_goes_by_its_name(edge):
    assert edge("concepts", "rename", "red", "scarlet").exit_code == 0
    text = edge("evaluate", "kinds").stdout
    assert "scarlet" in text
    assert " red" not in text


@pytest.mark.usefixtures("trained")
def test_many_long_names_are_numbered_above_the_confusion(edge):
    names = [f"a name of some length {number}" for number in range(5)]
    for number, name in enumerate(names):
        ids = [one["id"] for one in _inputs(edge, "red")[2 * number : 2 * number + 2]]
        for id in ids:
            edge("annotate", id, "--concept", name)
    edge("model", "create", "long", *[word for name in names for word in ("--concept", name)], "--mutually-exclusive")
    edge("train", "long")
    lines = edge("evaluate", "long").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("which concept"))
    assert lines[start + 1].split() == ["1", "2", "3", "4", "5"]
    assert lines[start + 2].startswith("1 a name of some length 0")

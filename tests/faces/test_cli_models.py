"""model, train, predict, evaluate, versions, rollback, backbone."""

import json

import pytest


@pytest.mark.usefixtures("taught")
def test_models_are_made_listed_shown_and_deleted(answer, edge):
    made = answer("model", "create", "stages", "--concept", "red", "--concept", "green", "--mutually-exclusive")
    assert made["model"]["concepts"] == ["red", "green"]
    assert made["model"]["mutually_exclusive"] is True
    assert [one["name"] for one in answer("model", "list")["models"]] == ["stages", "warm"]
    shown = edge("model", "show", "stages").stdout
    assert "mutually exclusive  yes" in shown
    assert "not trained yet" in shown
    assert answer("model", "delete", "stages") == {"deleted": "stages"}
    assert [one["name"] for one in answer("model", "list")["models"]] == ["warm"]


@pytest.mark.usefixtures("taught")
def test_train_prints_the_version_with_its_evaluation(answer):
    done = answer("train", "warm")
    assert (done["version"], done["status"], done["unpinned"]) == ("v1", "MODEL_TRAINED", None)
    assert 0 <= done["evaluation"]["accuracy"] <= 1
    assert done["counts"] == {"red": [10, 10]}


@pytest.mark.usefixtures("taught")
def test_train_tells_people_what_it_was_trained_on_and_how_good_it_is(edge):
    lines = edge("train", "warm").stdout.splitlines()
    assert lines[0] == "trained warm v1"
    assert lines[1].split() == ["red", "10", "shown", "10", "not", "shown"]
    assert lines[2].startswith("accuracy ")
    assert "95 % interval" in lines[2]


@pytest.mark.usefixtures("taught")
def test_a_training_that_cannot_work_says_why_and_is_a_failed_version(edge, answer):
    edge("model", "create", "empty", "--concept", "unheard-of")
    done = edge("train", "empty")
    assert done.exit_code == 4
    assert answer("versions", "empty")["versions"][0]["status"] == "MODEL_TRAINING_FAILED"
    assert "training failed: " in edge("versions", "empty").stdout


def test_predict_gives_the_documented_document(answer, trained):
    red, green = trained / "red" / "1.png", trained / "green" / "1.png"
    first, second = answer("predict", "warm", red, green)["predictions"]
    assert (first["path"], first["version"]) == (str(red), "v1")
    assert 0 <= first["known"] <= 1
    assert first["is_known"] is True
    assert [sorted(one) for one in first["concepts"]] == [["id", "name", "value"]]
    assert first["concepts"][0]["value"] > 0.5 > second["concepts"][0]["value"]


def test_predict_draws_values_for_people(edge, trained):
    path = trained / "red" / "1.png"
    lines = edge("predict", "warm", path).stdout.splitlines()
    assert lines[0] == str(path)
    assert lines[1].split()[:1] + lines[1].split()[2:3] == ["red", "%"]
    assert set(lines[1].split()[3]) == {"█"}


@pytest.mark.usefixtures("trained")
def test_a_stranger_is_none_of_these(edge, answer, saved, blob):
    stranger = saved("stranger.png", 255 - blob("red", 1))
    assert answer("predict", "warm", stranger)["predictions"][0]["is_known"] is False
    assert "none of these" in edge("predict", "warm", stranger).stdout


def test_options_shorten_a_prediction(answer, edge, trained):
    edge("add", trained / "green", "--concept", "green")
    edge("add", trained / "red", "--not-concept", "green")
    edge("model", "create", "both", "--concept", "red", "--concept", "green")
    edge("train", "both")
    picture = trained / "red" / "1.png"

    def named(*options):
        return [one["name"] for one in answer("predict", "both", picture, *options)["predictions"][0]["concepts"]]

    assert named() == ["red", "green"]
    assert named("--max-concepts", "1") == ["red"]
    assert named("--min-value", "0.5") == ["red"]
    assert named("--select", "green") == ["green"]


def test_one_bad_file_does_not_stop_a_prediction(edge, trained):
    (trained / "bad.png").write_bytes(b"nothing")
    done = edge("predict", "warm", trained / "bad.png", trained / "red" / "1.png", trained / "missing.png", json=True)
    assert done.exit_code == 2
    document = json.loads(done.stdout)
    assert [one["path"] for one in document["predictions"]] == [str(trained / "red" / "1.png")]
    assert [one["source"] for one in document["refused"]] == [str(trained / "bad.png"), str(trained / "missing.png")]
    assert json.loads(done.stderr)["error"]["code"] == "some_left_out"


def test_what_is_wrong_with_the_question_is_said_once_and_not_for_every_picture(edge, trained):
    done = edge("predict", "warm", *sorted((trained / "red").iterdir()), "--select", "nothing-like-it")
    assert done.exit_code == 3
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.usefixtures("trained")
def test_evaluate_is_a_page_for_people(edge):
    text = edge("evaluate", "warm").stdout
    assert text.startswith("warm v1, 20 pictures, each of its pictures judged as if it had not been taught\n")
    assert "accuracy" in text
    assert "precision" in text


def test_evaluate_shows_the_confusion_of_an_exclusive_model(edge, trained):
    edge("model", "create", "kinds", "--concept", "red", "--concept", "green", "--mutually-exclusive")
    edge("add", trained / "green", "--concept", "green")
    edge("train", "kinds")
    lines = [line.split() for line in edge("evaluate", "kinds").stdout.splitlines()]
    confusion = lines.index(["red", "10", "0"])
    assert lines[confusion + 1] == ["green", "0", "10"]


def test_evaluate_on_a_folder_has_its_accuracy_at_the_top(answer, trained, saved, blob):
    for number in range(20, 24):
        saved(f"aside/red/{number}.png", blob("red", number))
        saved(f"aside/green/{number}.png", blob("green", number))
    done = answer("evaluate", "warm", "--folder", trained / "aside")
    assert done["method"] == "held-out"
    assert done["inputs"] == 8
    assert isinstance(done["accuracy"], float)
    assert 0.5 < done["accuracy"] <= 1
    assert (done["model"], done["version"]) == ("warm", "v1")


@pytest.mark.usefixtures("trained")
def test_versions_mark_the_one_in_use(edge, answer):
    edge("train", "warm")
    listed = answer("versions", "warm")
    assert [one["id"] for one in listed["versions"]] == ["v2", "v1"]
    assert (listed["in_use"], listed["pinned"]) == ("v2", None)
    lines = edge("versions", "warm").stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["*", "v2"], ["v1", "trained"]]


def test_rollback_pins_and_training_again_unpins_and_says_so(edge, answer, trained):
    edge("train", "warm")
    assert answer("rollback", "warm", "v1")["pinned"] == "v1"
    picture = trained / "red" / "1.png"
    assert answer("predict", "warm", picture)["predictions"][0]["version"] == "v1"
    assert "v1 (rolled back)" in edge("model", "show", "warm").stdout
    assert edge("train", "warm").stdout.splitlines()[-1] == "the rollback to v1 is undone: v3 is in use"
    assert answer("predict", "warm", picture)["predictions"][0]["version"] == "v3"
    edge("rollback", "warm", "v1")
    assert answer("train", "warm")["unpinned"] == "v1"


def test_a_version_can_be_named(answer, edge, trained):
    edge("train", "warm")
    picture = trained / "red" / "1.png"
    assert answer("predict", "warm", picture, "--version", "v1")["predictions"][0]["version"] == "v1"


def test_backbones_are_listed_before_there_is_a_store(answer, edge):
    found = answer("backbone", "list")
    assert {"efficientnet-lite0-160", "efficientnet-lite0-224"} <= {one["name"] for one in found["backbones"]}
    assert found["in_use"] is None
    assert "224 x 224" in edge("backbone", "list").stdout


def test_a_backbone_whose_card_is_broken_is_named_beside_the_others(answer, edge, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_BACKBONES", str(tmp_path / "adopted"))
    (tmp_path / "adopted").mkdir()
    (tmp_path / "adopted" / "mine.toml").write_text("name = ")
    (tmp_path / "adopted" / "mine.tflite").touch()
    found = answer("backbone", "list")
    assert "efficientnet-lite0-224" in {one["name"] for one in found["backbones"]}
    assert ["mine.toml" in reason for reason in found["broken"]] == [True]
    assert "left out: " in edge("backbone", "list").stdout


@pytest.mark.either_runtime
def test_another_backbone_keeps_what_was_said_and_asks_for_training(edge, answer, trained):
    before = answer("inputs")
    done = edge("backbone", "use", "efficientnet-lite0-160")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "the store uses efficientnet-lite0-160 now; 20 embeddings computed",
        "train again: edge train warm",
    ]
    assert answer("backbone", "list")["in_use"] == "efficientnet-lite0-160"
    assert answer("inputs") == before
    refused = edge("predict", "warm", trained / "red" / "1.png")
    assert refused.exit_code == 4
    assert "edge train warm" in refused.stderr
    assert answer("train", "warm")["version"] == "v2"

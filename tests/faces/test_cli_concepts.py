"""edge concepts and the concepts of models: what they print."""

import pytest


def lines(done):
    assert done.exit_code == 0, done.output
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.usefixtures("taught")
def test_the_bare_verb_lists(edge):
    assert lines(edge("concepts")) == [["concept", "shown", "not", "shown"], ["red", "10", "10"]]
    assert lines(edge("concepts", "list")) == lines(edge("concepts"))


@pytest.mark.usefixtures("taught")
def test_the_bare_verb_has_one_document(answer):
    (one,) = answer("concepts")["concepts"]
    assert (one["id"], one["name"], one["shown"], one["not_shown"]) == ("red", "red", 10, 10)


def test_a_renamed_concept_is_listed_shown_and_predicted_by_its_name(edge, answer, trained):
    assert answer("concepts", "rename", "red", "crimson")["concept"]["id"] == "red"
    assert ["crimson", "10", "10"] in lines(edge("concepts"))
    assert "+crimson" in edge("inputs", "--concept", "crimson", "--limit", "1").stdout
    assert "crimson" in edge("predict", "warm", trained / "red" / "0.png").stdout
    assert "crimson" in edge("model", "show", "warm").stdout
    assert "crimson" in edge("model", "list").stdout
    assert "  crimson: 1 show it, 0 do not" in edge("add", trained / "red" / "0.png", "--concept", "red").stdout
    assert "  crimson  10 shown  10 not shown" in edge("train", "warm").stdout


@pytest.mark.usefixtures("taught")
def test_renaming_says_what_it_did(edge):
    assert edge("concepts", "rename", "red", "crimson").stdout == "red is called crimson now\n"
    refused = edge("concepts", "rename", "blue", "navy")
    assert (refused.exit_code, refused.stdout) == (3, "")


@pytest.mark.usefixtures("trained")
def test_concepts_of_a_model_come_and_go(edge, answer):
    added = edge("model", "add-concept", "warm", "green", "blue")
    assert added.stdout.splitlines() == [
        "warm has the concepts red green blue; now: edge train warm",
        "until then v1 is in use, with those it was trained on",
    ]
    left = answer("model", "remove-concept", "warm", "green")["model"]
    assert (left["concepts"], left["in_use"]) == (["red", "blue"], "v1")
    assert edge("model", "add-concept", "warm", "blue").exit_code == 4
    assert edge("model", "remove-concept", "warm", "red", "blue").exit_code == 2
    assert edge("model", "remove-concept", "warm", "green").exit_code == 3
    assert answer("model", "show", "warm")["model"]["concepts"] == ["red", "blue"]


@pytest.mark.usefixtures("taught")
def test_a_model_that_was_never_trained_speaks_of_no_version(edge):
    assert edge("model", "add-concept", "warm", "green").stdout.splitlines() == [
        "warm has the concepts red green; now: edge train warm"
    ]

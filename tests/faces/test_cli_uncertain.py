"""edge inputs --uncertain MODEL."""

import pytest


@pytest.fixture
def captures(trained, edge, saved, blob):
    """``trained``, and nine pictures nobody has said anything about."""
    for colour in ("red", "green", "blue"):
        for seed in (50, 51, 52):
            saved(f"captures/{colour}-{seed}.png", blob(colour, seed))
    assert edge("add", trained / "captures").exit_code == 0
    return trained


@pytest.mark.usefixtures("captures")
def test_each_line_names_an_input_says_why_and_where_it_is_from(edge):
    done = edge("inputs", "--uncertain", "warm", "--limit", "4")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all("captures" in line and ".png" in line for line in lines)
    assert any("resembles nothing taught" in line or "red or not" in line for line in lines)


@pytest.mark.usefixtures("captures")
def test_the_document_holds_inputs_with_their_reasons(answer):
    found = answer("inputs", "--uncertain", "warm")
    assert (found["model"], found["version"], found["unlabelled"], found["considered"]) == ("warm", "v1", 9, 9)
    assert len(found["inputs"]) == 9
    one = found["inputs"][0]
    assert one["annotations"] == []
    assert {"id", "source", "uncertainty", "known", "is_known", "concepts", "alike", "reason"} <= set(one)


@pytest.mark.usefixtures("captures")
def test_an_id_of_the_list_can_be_annotated(edge):
    id = edge("inputs", "--uncertain", "warm", "--limit", "1").stdout.split()[0]
    assert edge("annotate", id, "--concept", "red").exit_code == 0
    assert id not in edge("inputs", "--uncertain", "warm").stdout


@pytest.mark.usefixtures("trained")
def test_a_store_where_everything_is_labelled_says_so(edge):
    done = edge("inputs", "--uncertain", "warm")
    assert done.exit_code == 0
    assert done.stdout == "no picture is left of which nothing is said about the concepts of warm\n"


@pytest.mark.usefixtures("taught")
def test_an_untrained_model_is_not_ready(edge):
    done = edge("inputs", "--uncertain", "warm")
    assert done.exit_code == 4
    assert "edge train warm" in done.stderr


@pytest.mark.usefixtures("trained")
def test_what_does_not_go_together_is_refused(edge):
    assert edge("inputs", "--uncertain", "warm", "--concept", "red").exit_code == 2
    assert edge("inputs", "--uncertain", "cold").exit_code == 3

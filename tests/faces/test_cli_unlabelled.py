"""edge train --unlabelled."""

import pytest


@pytest.fixture
def kinds(taught, edge, saved, blob):
    """``taught`` with a model of two concepts that exclude each other, and pictures nobody has labelled."""
    edge("add", taught / "green", "--concept", "green")
    edge("model", "create", "kinds", "--concept", "red", "--concept", "green", "--mutually-exclusive")
    for colour in ("red", "green"):
        for seed in range(40, 46):
            saved(f"captures/{colour}-{seed}.png", blob(colour, seed))
    assert edge("add", taught / "captures").exit_code == 0
    return taught


@pytest.mark.usefixtures("kinds")
def test_the_version_records_whether_unlabelled_pictures_took_part(answer, edge):
    version = answer("train", "kinds", "--unlabelled")
    assert any("of 12 unlabelled pictures" in one or "12 unlabelled pictures took no part" in one
               for one in version["evaluation"]["notes"])  # fmt: skip
    used = any("of 12 unlabelled pictures" in one for one in version["evaluation"]["notes"])
    assert version["evaluation"]["method"] == ("five-fold" if used else "leave-one-out")
    assert not any("unlabelled" in one for one in answer("train", "kinds")["evaluation"]["notes"])
    assert "unlabelled pictures" in edge("train", "kinds", "--unlabelled").stdout


@pytest.mark.usefixtures("kinds")
def test_counts_are_those_of_what_was_said(answer):
    assert answer("train", "kinds", "--unlabelled")["counts"] == answer("train", "kinds")["counts"]


@pytest.mark.usefixtures("taught")
@pytest.mark.parametrize("more", [[], ["--no-wait"]])
def test_a_model_of_independent_concepts_cannot_use_them(edge, more):
    done = edge("train", "warm", "--unlabelled", *more)
    assert done.exit_code == 2
    assert "do not exclude each other" in done.stderr
    assert "no version" in edge("versions", "warm").stdout or not edge("versions", "warm").stdout.strip()


@pytest.mark.usefixtures("kinds")
def test_the_wish_reaches_a_training_in_a_process_of_its_own(edge, monkeypatch):
    from edge.engine import detached

    given = []
    monkeypatch.setattr(detached, "_spawn", lambda *all: given.append(all))
    assert edge("train", "kinds", "--unlabelled", "--no-wait").exit_code == 0
    assert given[0][3] == ["--unlabelled"]


def test_a_store_where_everything_is_labelled_has_none_to_learn_from(taught, edge, answer):
    edge("add", taught / "green", "--concept", "green")
    edge("model", "create", "kinds", "--concept", "red", "--concept", "green", "--mutually-exclusive")
    assert (
        "there are no unlabelled pictures to learn from"
        in answer("train", "kinds", "--unlabelled")["evaluation"]["notes"]
    )

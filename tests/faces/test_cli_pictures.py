"""init, add, annotate, inputs, concepts, remove, restore."""

import pytest


@pytest.fixture
def store(edge):
    assert edge("init", "--backbone", "fake").exit_code == 0


def test_init_says_where_the_store_is_and_what_it_uses(edge, tmp_path):
    done = edge("init", "--backbone", "fake")
    assert done.exit_code == 0
    assert done.stdout == f"made a store at {tmp_path / 'store'}, with backbone fake\n"
    assert (tmp_path / "store" / "store.sqlite").exists()


@pytest.mark.usefixtures("store")
def test_init_leaves_a_store_that_is_there_as_it_is(edge, answer):
    assert answer("init") == {**answer("init"), "created": False, "backbone": "fake"}
    assert "there is already a store" in edge("init", "--backbone", "fake").stdout


@pytest.mark.usefixtures("store")
def test_init_does_not_change_the_backbone_of_a_store(edge):
    done = edge("init", "--backbone", "efficientnet-lite0-224")
    assert done.exit_code == 4
    assert "edge backbone use efficientnet-lite0-224" in done.stderr


@pytest.mark.parametrize("verb", [["add", "x.png"], ["inputs"], ["train", "m"], ["concepts"], ["model", "list"]])
def test_no_verb_but_init_makes_a_store(edge, tmp_path, verb):
    done = edge(*verb)
    assert done.exit_code == 3
    assert f"edge --store {tmp_path / 'store'} init" in done.stderr
    assert not (tmp_path / "store").exists()


def test_the_store_comes_from_the_environment_when_no_option_names_it(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from edge.faces.cli import main

    monkeypatch.setenv("EDGE_STORE", str(tmp_path / "elsewhere"))
    assert CliRunner().invoke(main, ["init", "--backbone", "fake"]).exit_code == 0
    assert (tmp_path / "elsewhere" / "store.sqlite").exists()


@pytest.mark.usefixtures("store")
def test_add_says_how_many_are_new_and_what_is_known_of_them(edge, saved, blob, tmp_path):
    saved("p/1.png", blob("red", 1))
    saved("p/2.png", blob("red", 2))
    first = edge("add", tmp_path / "p", "--concept", "red", "--not-concept", "green")
    assert first.stdout == "2 pictures added\n  green: 0 show it, 2 do not\n  red: 2 show it, 0 do not\n"
    saved("p/3.png", blob("red", 3))
    assert edge("add", tmp_path / "p").stdout.startswith("1 picture added, 2 known already\n")


@pytest.mark.usefixtures("store")
def test_add_takes_patterns_that_no_shell_has_expanded(answer, saved, blob, tmp_path):
    saved("p/1.png", blob("red", 1))
    saved("p/2.png", blob("red", 2))
    assert answer("add", tmp_path / "p" / "*.png")["created"] == 2


@pytest.mark.usefixtures("store")
def test_folders_name_concepts_and_deny_their_siblings(answer, saved, blob, tmp_path):
    saved("p/red/1.png", blob("red", 1))
    saved("p/green/2.png", blob("green", 2))
    added = answer("add", tmp_path / "p", "--from-folders")
    said = [{one["concept_id"]: one["value"] for one in each["annotations"]} for each in added["inputs"]]
    assert said == [{"red": 0, "green": 1}, {"red": 1, "green": 0}]


@pytest.mark.usefixtures("store")
def test_positives_only_says_nothing_about_siblings(answer, edge, saved, blob, tmp_path):
    saved("p/red/1.png", blob("red", 1))
    saved("p/green/2.png", blob("green", 2))
    added = answer("add", tmp_path / "p", "--from-folders", "--positives-only")
    assert all([one["value"] for one in each["annotations"]] == [1] for each in added["inputs"])
    assert edge("add", tmp_path / "p", "--positives-only").exit_code == 2


@pytest.mark.usefixtures("store")
def test_annotate_sets_and_clears(answer, saved, blob):
    id = answer("add", saved("1.png", blob("red", 1)), "--concept", "red")["inputs"][0]["id"]
    one = answer("annotate", id[:8], "--concept", "ripe", "--clear", "red")["input"]
    assert [(each["concept_id"], each["value"]) for each in one["annotations"]] == [("ripe", 1)]


@pytest.mark.usefixtures("store")
def test_inputs_are_listed_with_what_is_said_about_them(edge, saved, blob):
    edge("add", saved("a.png", blob("red", 1)), "--concept", "red", "--not-concept", "green")
    edge("add", saved("b.png", blob("red", 2)))
    lines = edge("inputs").stdout.splitlines()
    assert lines[0].split()[1:] == ["64", "x", "64", "-green", "+red", lines[0].split()[-1]]
    assert "(nothing said)" in lines[1]
    assert [line.split()[0] for line in edge("inputs", "--unlabelled").stdout.splitlines()] == [lines[1].split()[0]]
    assert edge("inputs", "--concept", "red").stdout.splitlines()[0].split()[0] == lines[0].split()[0]
    assert len(edge("inputs", "--limit", "1", "--offset", "1").stdout.splitlines()) == 1


@pytest.mark.usefixtures("taught")
def test_concepts_are_counted(answer, edge):
    (one,) = answer("concepts")["concepts"]
    assert (one["id"], one["name"], one["shown"], one["not_shown"]) == ("red", "red", 10, 10)
    assert edge("concepts").stdout.splitlines()[1].split() == ["red", "10", "10"]


@pytest.mark.usefixtures("taught")
def test_a_removed_picture_is_gone_until_it_is_restored(answer, edge):
    first = answer("inputs")["inputs"][0]
    done = edge("remove", first["id"])
    assert done.exit_code == 0
    assert f"edge restore {first['id']}" in done.stdout
    assert first not in answer("inputs")["inputs"]
    assert answer("restore", first["id"]) == {"restored": 1}
    assert first in answer("inputs")["inputs"]


@pytest.mark.usefixtures("taught")
def test_removing_one_that_is_not_there_removes_none(edge, answer):
    before = answer("inputs")
    done = edge("remove", before["inputs"][0]["id"], "nothing-like-it")
    assert done.exit_code == 3
    assert answer("inputs") == before

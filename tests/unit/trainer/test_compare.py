"""Accuracy against the number of pictures: what is measured, what is skipped, what is printed and drawn."""

import csv
import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edge.backbone.fake import CARD, FakeBackbone
from edge.errors import InvalidArgument, NotFound, RuntimeMissing
from edge.types import EmbeddingSpec
from trainer.cli import Several, main
from trainer.compare import OURS, PARTS, Cell, CompareOptions, Comparison, compare, report, without
from trainer.comparison import Judge, Variant
from trainer.sets import few_shot, load_set

COLOURS = {"blue": (60, 60, 160), "green": (60, 160, 60), "red": (160, 60, 60)}
SEEDS = 2


def pictures(folder, count):
    """``count`` noisy pictures of each colour."""
    rng = np.random.default_rng(len(folder.name))
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(np.array(colour) + rng.normal(0, 90, (4, 4, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((64, 64)).save(folder / name / f"{number}.png")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """``many`` has twelve pictures to learn from and four to be judged on, ``few`` six in all."""
    root = tmp_path_factory.mktemp("sets")
    pictures(root / "many" / "train", 12)
    pictures(root / "many" / "test", 4)
    pictures(root / "few", 6)
    return root


@pytest.fixture(scope="module")
def options(sets, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return CompareOptions((sets,), shots=(2, 10), seeds=SEEDS, backbone="fake", cache=cache)


@pytest.fixture(scope="module")
def measured(options):
    return compare(options)


def filled(accuracy, *, shots=(5,), sets=("a",)):
    return Comparison("fake", 2, sets=list(sets), shots=list(shots), accuracy=accuracy)


# --- what needs no package of the trainer's --------------------------------------------------------------------------


def test_a_plain_variant_takes_no_root_and_keeps_the_weights():
    plain = Variant(plain=True).spec(CARD.embedding)
    assert {part.transform for part in plain.parts} == {"l2"}
    assert [part.weight for part in plain.parts] == [part.weight for part in CARD.embedding.parts]
    assert Variant(plain=True, middle=0).spec(CARD.embedding) == EmbeddingSpec(plain.parts[:1])


def test_points_lost_are_paired_by_seed():
    cells = {Cell("a", 5, False, OURS): [90.0, 80.0], Cell("a", 5, False, "other"): [89.0, 78.0]}
    assert filled(cells).lost(5, "other").tolist() == [1.0, 2.0]


def test_a_mean_is_over_sets_that_have_every_number_of_pictures():
    cells = {Cell(name, shots, False, OURS): [1.0] for name, shots in (("a", 5), ("a", 20), ("b", 5))}
    assert filled(cells, shots=(5, 20), sets=("a", "b")).shared() == ([5, 20], ["a"])


def test_numbers_of_pictures_that_no_set_shares_are_left_out_from_the_top():
    cells = {Cell(name, shots, False, OURS): [1.0] for name, shots in (("a", 5), ("b", 5), ("b", 20))}
    del cells[Cell("b", 5, False, OURS)]
    assert filled(cells, shots=(5, 20), sets=("a", "b")).shared() == ([5], ["a"])


@pytest.mark.parametrize(("shots", "place"), [((2, 5, 10, 20), 10), ((5,), 5), ((8, 12), 8), ((1, 100), 1)])
def test_parts_are_told_apart_as_close_to_ten_pictures_as_can_be(shots, place):
    assert filled({}, shots=shots).place == place


@pytest.mark.parametrize("part", PARTS)
def test_every_part_changes_the_scores_when_it_is_off(part, sets, tmp_path):
    one = load_set(sets / "few", CARD.preprocessing, FakeBackbone().embed, tmp_path, "fake")
    generator = np.random.Generator(np.random.PCG64(1))
    judge = Judge(one, CARD, generator.integers(-60, 60, (30, CARD.embedding.size)).astype(np.int8))
    split = few_shot(one, 5, seed=0, unequal=True)
    ours, other = judge.scores(split), judge.scores(split, PARTS[part])
    # up to a constant per picture, which decides nothing
    apart = (ours - ours[:, :1]) - (other - other[:, :1])
    assert np.abs(apart).max() > 1e-3


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--shots", "5", "10"], (5, 10)),
        (["--shots=5", "10"], (5, 10)),
        (["--shots", "5", "--shots", "10"], (5, 10)),
        (["--shots", "5", "10", "--seeds", "3"], (5, 10)),
    ],
)
def test_a_repeatable_option_takes_several_values_at_once(given, meant):
    command = main.commands["compare"]
    assert isinstance(command, Several)
    assert command.make_context("compare", ["--data", "x", *given]).params["shots"] == meant


def test_several_values_of_an_option_that_takes_one_are_refused():
    done = CliRunner().invoke(main, ["compare", "--data", "x", "--seeds", "3", "4"])
    assert done.exit_code == 2
    assert "unexpected extra argument (4)" in done.stderr


def test_a_value_without_its_option_is_refused():
    assert CliRunner().invoke(main, ["compare", "stray", "--data", "x"]).exit_code == 2


def test_a_missing_package_is_named_before_any_work(options, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        RuntimeMissing, match=r"matplotlib is not installed; run: pip install 'edge-concepts\[trainer\]'"
    ):
        compare(options)


# --- the whole of it -------------------------------------------------------------------------------------------------


@pytest.mark.trainer
def test_every_method_is_measured_once_per_draw(measured):
    assert measured.sets == ["few", "many"]
    assert all(len(values) == SEEDS and 0 <= min(values) <= max(values) <= 100 for values in measured.accuracy.values())
    assert measured.methods() == [
        OURS,
        *map(without, ("shared scatter", "full prior", "middle parts", "square root", "means pulled in")),
        "logistic regression",
        "cosine prototypes",
        "5 nearest neighbours",
    ]


@pytest.mark.trainer
def test_a_part_that_changes_nothing_is_not_listed(measured):
    # this backbone has no background; and of equal numbers of pictures every mean is excused alike
    assert without("background") not in measured.methods(unequal=True)
    assert set(measured.methods(unequal=True)) - set(measured.methods()) == {
        without("means excused"),
        without("both of these"),
        "the same, concepts weighed alike",
    }


@pytest.mark.trainer
def test_a_set_with_too_few_pictures_is_skipped_and_said(measured):
    assert measured.skipped == ["few: blue has 5 pictures to learn from, so not measured with 10"]
    assert measured.sets_with([10]) == ["many"]
    assert measured.shared() == ([2, 10], ["many"])


@pytest.mark.trainer
def test_unequal_numbers_are_measured_where_parts_are_told_apart(measured):
    assert {cell.shots for cell in measured.accuracy if cell.unequal} == {10}


@pytest.mark.trainer
def test_one_picture_of_each_concept_can_be_compared(options):
    one = compare(CompareOptions(options.data, (1,), 1, "fake", cache=options.cache))
    assert one.skipped == []
    assert "logistic regression" in one.methods()


@pytest.mark.trainer
def test_too_few_pictures_everywhere_are_refused(options):
    with pytest.raises(InvalidArgument, match="no set has 500 pictures of every concept"):
        compare(CompareOptions(options.data, (500,), 1, "fake", cache=options.cache))


@pytest.mark.trainer
def test_a_folder_without_concepts_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="no folders of concepts"):
        compare(CompareOptions((tmp_path,), backbone="fake"))


@pytest.mark.trainer
def test_the_report_has_every_method_and_says_what_was_left_out(measured, capsys):
    report(measured)
    text = capsys.readouterr().out
    assert all(method in text for method in measured.methods(unequal=True))
    assert "left out: few: blue has 5 pictures" in text
    assert "nan" not in text


@pytest.mark.trainer
def test_the_command_writes_tables_and_pictures(options, tmp_path):
    given = ["--data", *options.data, "--shots", 2, 10, "--seeds", 1, "--backbone", "fake"]
    out = ["--out", tmp_path / "out", "--cache", options.cache]
    done = CliRunner().invoke(main, ["compare", *map(str, given), *map(str, out)])
    assert done.exit_code == 0, done.stderr
    for name in ("accuracy.png", "parts.png", "parts-by-shots.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.format == "PNG"
            assert picture.width == 1200
            assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 20
        assert str(tmp_path / "out" / name) in done.stdout
    with (tmp_path / "out" / "accuracy.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["set"] for row in rows} == {"few", "many"}
    assert all(0 <= float(row["accuracy"]) <= 100 for row in rows)


@pytest.mark.trainer
def test_json_is_one_document_with_every_accuracy(options, tmp_path):
    given = ["--data", options.data[0] / "few", "--shots", 2, "--seeds", 1, "--backbone", "fake"]
    out = ["--out", tmp_path / "out", "--cache", options.cache]
    done = CliRunner().invoke(main, ["--json", "compare", *map(str, given), *map(str, out)])
    document = json.loads(done.stdout)
    assert {one["method"] for one in document["accuracy"]} >= {OURS, *map(without, list(PARTS)[:4])}
    assert all(0 <= value <= 1 for one in document["accuracy"] for value in one["accuracy"])
    assert [file.rpartition("/")[2] for file in document["files"]] == ["accuracy.csv", "accuracy.png", "parts.png"]

"""Sets, splits, baselines and tables that the comparisons stand on."""

import numpy as np
import pytest
from PIL import Image

from edge.backbone.fake import CARD, FakeBackbone
from edge.errors import InvalidArgument, NotFound
from edge.types import EmbeddingSpec
from trainer.baselines import cosine_prototypes, nearest_neighbours, plain
from trainer.comparison import Judge, Variant, one_hot
from trainer.embeddings import unit
from trainer.sets import few_shot, find_sets, load_set
from trainer.tables import interval, print_table

COLOURS = {"blue": (20, 20, 200), "green": (20, 200, 20), "red": (200, 20, 20)}


@pytest.fixture
def colours(tmp_path):
    """A set with train/ and test/, twelve and four pictures of each of three colours."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 4)):
        for name, colour in COLOURS.items():
            folder = tmp_path / "colours" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(np.array(colour) + rng.integers(-20, 20, (64, 64, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "colours"


def loaded(folder, tmp_path, embed=None):
    return load_set(folder, CARD.preprocessing, embed or FakeBackbone().embed, tmp_path / "cache", "fake")


def test_a_set_is_found_by_itself_and_in_the_folder_above(colours):
    assert find_sets([colours]) == find_sets([colours.parent]) == [colours]


def test_a_folder_without_concepts_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="--data"):
        find_sets([tmp_path])


def test_a_set_keeps_train_and_test_apart(colours, tmp_path):
    one = loaded(colours, tmp_path)
    assert one.concepts == tuple(COLOURS)
    assert (len(one.labels), int(one.test.sum())) == (48, 12)
    assert all(path.parts[-3] == ("test" if held else "train") for path, held in zip(one.paths, one.test, strict=True))


def test_embeddings_are_computed_once(colours, tmp_path):
    first = loaded(colours, tmp_path)

    def never(_):
        raise AssertionError("computed again")

    assert (loaded(colours, tmp_path, never).embeddings == first.embeddings).all()


def test_a_split_learns_from_train_and_is_judged_on_test(colours, tmp_path):
    one = loaded(colours, tmp_path)
    split = few_shot(one, 5, seed=1)
    assert np.bincount(one.labels[split.train]).tolist() == [5, 5, 5]
    assert not one.test[split.train].any()
    assert one.test[split.test].all()
    assert (few_shot(one, 5, seed=1).train == split.train).all()
    assert (few_shot(one, 5, seed=2).train != split.train).any()


def test_concepts_may_have_unequal_numbers_of_pictures(colours, tmp_path):
    one = loaded(colours, tmp_path)
    split = few_shot(one, 5, seed=1, unequal=True)
    assert sorted(np.bincount(one.labels[split.train]).tolist()) == [1, 2, 4]
    assert (few_shot(one, 5, seed=2, unequal=True).test == split.test).all()


def test_without_a_test_folder_the_rest_is_judged(colours, tmp_path):
    split = few_shot(loaded(colours / "train", tmp_path), 5, seed=0)
    assert len(split.test) == 36 - 15
    assert not set(split.test) & set(split.train)


def test_too_many_shots_are_refused_by_name(colours, tmp_path):
    with pytest.raises(InvalidArgument, match="colours/blue has 12 pictures, 13 are wanted"):
        few_shot(loaded(colours, tmp_path), 13, seed=0)


def test_every_method_knows_plain_colours(colours, tmp_path):
    one = loaded(colours, tmp_path)
    split = few_shot(one, 5, seed=0)
    x, y = plain(one.embeddings, CARD.embedding.parts[0]), one.labels
    for method in (cosine_prototypes, nearest_neighbours):
        assert (method(x[split.train], y[split.train], x[split.test]).argmax(axis=1) == y[split.test]).all()
    judge = Judge(one, CARD, None)
    for variant in (Variant(), Variant(middle=0), Variant(middle=2.0)):
        assert (judge.scores(split, variant).argmax(axis=1) == y[split.test]).all()
    assert judge.training(split).head.concepts == one.concepts


def test_plain_embeddings_are_the_first_parts_numbers():
    rows = np.array([[-128] * 96, [-100] * 96], dtype=np.int8)
    x = plain(rows, CARD.embedding.parts[0])
    assert x.shape == (2, 64)
    assert x[1, 0] == pytest.approx(28 * CARD.embedding.parts[0].scale)


def test_a_variant_without_middle_parts_has_one_part():
    assert Variant(middle=0).spec(CARD.embedding) == EmbeddingSpec(CARD.embedding.parts[:1])
    assert Variant().spec(CARD.embedding) is CARD.embedding


def test_floats_and_int8_of_the_same_numbers_have_the_same_z():
    rng = np.random.default_rng(0)
    rows = rng.integers(-128, 128, (5, 96)).astype(np.int8)
    shares = CARD.embedding.shares()
    parts = [part.scale * (rows[:, columns].astype(np.float32) - part.zero_point) for columns, part, _ in shares]
    floats = np.concatenate(parts, axis=1)
    assert unit(floats, CARD.embedding) == pytest.approx(unit(rows, CARD.embedding), abs=1e-6)


def test_labels_of_a_set_know_only_the_positive():
    assert one_hot(np.array([1, 0]), 3).tolist() == [[-1, 1, -1], [1, -1, -1]]


def test_an_interval_is_the_students_t():
    mean, text = interval([1.0, 2.0, 3.0])
    assert (mean, text) == ("+2.00", "-0.48 .. +4.48")
    assert interval([1.5]) == ("+1.50", "one seed")


def test_a_table_is_aligned(capsys):
    print_table(["", "x", "y"], [["long name", 1, "so"], ["b", "+1000", "so so"]], "what it is")
    assert capsys.readouterr().out == (
        "\nwhat it is\n               x  y\n---------  -----  -----\nlong name      1  so\nb          +1000  so so\n"
    )

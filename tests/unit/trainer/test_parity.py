"""How the loss by quantising is measured."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edge.errors import BadBackbone, InvalidArgument, NotFound
from edge.types import Preprocessing
from trainer.export import refuse_foreign_ops, refuse_loss
from trainer.parity import Parity, cosines, few_shot, measure


def parity(float_accuracy, int8_accuracy):
    return Parity(9, 0.99, 0.9, float_accuracy, int8_accuracy, 0.05, ("things",), 10, 20)


def test_cosines_of_equal_opposite_orthogonal_and_empty_rows():
    a = np.array([[1.0, 2], [1, 0], [1, 0], [0, 0]])
    b = np.array([[2.0, 4], [-3, 0], [0, 5], [1, 1]])
    assert cosines(a, b) == pytest.approx([1, -1, 0, 0])


def test_few_shot_is_the_textbook_discriminant():
    generator = np.random.Generator(np.random.PCG64(0))
    y = np.repeat(np.arange(3), 12)
    x = np.abs(generator.normal(size=(36, 7)) + 2 * np.eye(7)[y])
    z = np.sqrt(x) / np.linalg.norm(np.sqrt(x), axis=1, keepdims=True)
    draw = np.random.Generator(np.random.PCG64(4))
    train = np.concatenate([draw.permutation(np.flatnonzero(y == k))[:4] for k in range(3)])
    test = np.setdiff1d(np.arange(36), train)
    means = np.stack([z[train][y[train] == k].mean(axis=0) for k in range(3)])
    scatter = (z[train] - means[y[train]]).T @ (z[train] - means[y[train]])
    weights = np.linalg.inv(scatter + 2 * np.trace(scatter) / 7 * np.eye(7)) @ means.T
    scores = z[test] @ weights - 0.5 * np.diag(means @ weights)
    assert few_shot(z, y, 4, seed=4) == (scores.argmax(axis=1) == y[test]).mean()


def test_few_shot_needs_pictures_to_be_judged_on():
    with pytest.raises(InvalidArgument, match="no picture is left"):
        few_shot(np.ones((4, 3)), np.array([0, 0, 1, 1]), 2, 0)


def test_loss_is_in_points_and_negative_for_a_gain():
    assert parity(0.83, 0.82).loss_points == pytest.approx(1.0)
    assert parity(0.82, 0.83).loss_points == pytest.approx(-1.0)
    assert parity(None, None).loss_points is None


def test_a_loss_over_the_limit_is_refused_with_its_size():
    with pytest.raises(
        BadBackbone, match=r"loses 1\.20 points of 10-shot accuracy, over the limit of 1; .*--limit-points"
    ):
        refuse_loss(parity(0.83, 0.818), 1.0)
    refuse_loss(parity(0.83, 0.821), 1.0)
    refuse_loss(parity(None, None), 0.0)


@pytest.fixture
def colours(tmp_path):
    """Two concepts, red and blue, of which an embedding of the mean colour knows everything."""
    generator = np.random.Generator(np.random.PCG64(2))
    for name, colour in {"red": (200, 20, 20), "blue": (20, 20, 200)}.items():
        (tmp_path / name).mkdir()
        for number in range(6):
            pixels = np.clip(np.array(colour) + generator.integers(-20, 20, (16, 16, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def mean_colour(picture):
    return picture.mean(axis=(0, 1)).repeat(4)


def test_measuring_pairs_both_networks_on_the_same_draws(colours):
    def blind(picture):
        return np.ones(12) + 1e-3 * picture.std()

    pre = Preprocessing(16, 16, "stretch", 1.0)
    paths = sorted(colours.glob("*/*.png"))
    same = measure(paths, [colours], pre, mean_colour, mean_colour, shots=2, seeds=3)
    assert (same.images, same.cosine_mean, same.loss_points, same.loss_error) == (12, pytest.approx(1), 0, 0)
    assert (same.float_accuracy, same.sets, same.seeds) == (1.0, (colours.name,), 3)
    worse = measure(paths, [colours], pre, mean_colour, blind, shots=2, seeds=3)
    assert worse.loss_points > 10
    assert worse.cosine_min < 0.9


def test_without_labelled_pictures_only_cosines_are_measured(colours):
    found = measure(sorted(colours.glob("red/*.png")), [], Preprocessing(16, 16), mean_colour, mean_colour)
    assert (found.float_accuracy, found.int8_accuracy, found.loss_error, found.sets) == (None, None, None, ())


def test_a_labelled_folder_without_concepts_is_not_found(colours):
    with pytest.raises(NotFound, match="concept folders"):
        measure(sorted(colours.glob("red/*.png")), [colours / "red"], Preprocessing(16, 16), mean_colour, mean_colour)


def test_a_graph_the_edge_tpu_would_not_take_is_refused(tiny_file):
    with pytest.raises(BadBackbone, match=r"Edge TPU would not take.*FLOAT32"):
        refuse_foreign_ops(tiny_file(dtype="FLOAT32").read_bytes())
    refuse_foreign_ops(tiny_file().read_bytes())

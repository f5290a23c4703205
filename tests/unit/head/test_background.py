"""What pictures of nothing in particular look like."""

import numpy as np
import pytest

from edge.head.background import Background
from edge.head.transform import on_grid, transform
from edge.types import EmbeddingSpec

SPEC = EmbeddingSpec.single(6, -128, 0.05)
EMBEDDINGS = np.random.default_rng(0).integers(-128, 128, (20, 6)).astype(np.int8)
Z = on_grid(transform(EMBEDDINGS, SPEC))


def test_mean_and_covariance_are_those_of_the_rows_not_held_back():
    made = Background.from_embeddings(EMBEDDINGS, SPEC, 5)
    assert made.mean == pytest.approx(Z[:15].mean(axis=0))
    assert made.covariance == pytest.approx(np.cov(Z[:15].T, bias=True))
    assert made.spread == pytest.approx(np.trace(np.cov(Z[:15].T, bias=True)) / 6)
    assert np.array_equal(made.held_back, Z[15:])


def test_nothing_held_back_uses_every_row():
    made = Background.from_embeddings(EMBEDDINGS, SPEC, 0)
    assert made.mean == pytest.approx(Z.mean(axis=0))
    assert made.held_back.shape == (0, 6)

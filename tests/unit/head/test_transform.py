"""Raw embeddings to unit vectors: what the papers' formulas say, exactly where sums need it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.head.transform import GRID, FastTransform, on_grid, transform
from edge.types import EmbeddingSpec

TRANSFORMS = ("sqrt", "signed-sqrt", "l2")
raw = arrays(np.int8, st.tuples(st.integers(1, 4), st.integers(1, 12)))


def spec_for(embeddings, kind="sqrt", zero_point=-128):
    return EmbeddingSpec.single(embeddings.shape[1], zero_point, 0.05, kind)


@given(raw)
def test_the_square_root_transform_is_the_root_of_the_l1_normalised_vector(embeddings):
    x = embeddings.astype(float) + 128
    total = x.sum(axis=1, keepdims=True)
    wanted = np.sqrt(x / np.where(total > 0, total, 1))
    assert transform(embeddings, spec_for(embeddings)) == pytest.approx(wanted)


@given(raw, st.integers(-128, 127))
def test_the_others_normalise_the_vector_and_its_signed_root(embeddings, zero_point):
    x = embeddings.astype(float) - zero_point
    for kind, value in (("l2", x), ("signed-sqrt", np.sign(x) * np.sqrt(np.abs(x)))):
        norm = np.linalg.norm(value, axis=1, keepdims=True)
        wanted = value / np.where(norm > 0, norm, 1)
        assert transform(embeddings, spec_for(embeddings, kind, zero_point)) == pytest.approx(wanted)


@given(raw, st.sampled_from(TRANSFORMS), st.integers(-128, 127))
def test_the_length_is_one_or_the_embedding_was_nothing(embeddings, kind, zero_point):
    length = np.linalg.norm(transform(embeddings, spec_for(embeddings, kind, zero_point)), axis=1)
    assert all(one == pytest.approx(1) or one == 0 for one in length)


@given(raw, st.sampled_from(TRANSFORMS), st.integers(-128, 127))
def test_the_fast_transform_is_the_transform(embeddings, kind, zero_point):
    spec = spec_for(embeddings, kind, zero_point)
    fast = FastTransform(spec)(embeddings)
    assert fast.dtype == np.float32
    assert fast == pytest.approx(transform(embeddings, spec), abs=2e-6)


def test_an_embedding_of_zeros_stays_zero():
    nothing = np.full((1, 8), -128, np.int8)
    assert not transform(nothing, spec_for(nothing)).any()
    assert not FastTransform(spec_for(nothing))(nothing).any()


def test_the_scale_of_the_backbone_cancels():
    rng = np.random.default_rng(0)
    small = rng.integers(0, 40, (5, 16)) - 128
    large = (small + 128) * 3 - 128
    one, other = small.astype(np.int8), large.astype(np.int8)
    assert transform(one, spec_for(one)) == pytest.approx(transform(other, spec_for(other)))


@given(raw, st.sampled_from(TRANSFORMS))
def test_the_grid_is_close_and_exact(embeddings, kind):
    z = transform(embeddings, spec_for(embeddings, kind))
    grid = on_grid(z)
    assert np.abs(grid - z).max() <= GRID / 2
    assert np.array_equal(grid / GRID, np.rint(grid / GRID))

"""How familiar a picture is: distances exact when left out, cheap when asked, larger for the strange."""

import numpy as np
import pytest

from edge.head.background import Background
from edge.head.exclusive import fit_exclusive
from edge.head.familiarity import RANK, combined, distances
from edge.head.independent import fit_independent
from edge.head.pooled import Constants, pooled
from edge.head.statistics import Statistics
from edge.head.transform import on_grid, transform
from edge.types import EmbeddingSpec

SIZE = 24
SPEC = EmbeddingSpec.single(SIZE, -128, 0.05)
CONCEPTS = ("a", "b", "c")


def rows(count, seed=0):
    """(n, SIZE) int8 around three centres, and the centre of each."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 120, (3, SIZE))
    kind = np.arange(count) % 3
    return (centres[kind] + rng.integers(0, 60, (count, SIZE)) - 128).clip(-128, 127).astype(np.int8), kind


def background():
    return Background.from_embeddings(
        np.random.default_rng(5).integers(-128, 128, (40, SIZE)).astype(np.int8), SPEC, 10
    )


def labelled(kind, *, zeros):
    labels = np.full((len(kind), 3), 0 if zeros else -1, dtype=np.int8)
    labels[np.arange(len(kind)), kind] = 1
    return labels


def fitted(embeddings, labels, *, exclusive, behind, weight=None):
    """A fit; ``weight`` keeps the prior of another number of pictures, as a refit without some must."""
    statistics = Statistics(CONCEPTS, SPEC, mutually_exclusive=exclusive)
    statistics.update(embeddings, None, labels)
    share = 1.0 if weight is None else weight / statistics.n
    base = pooled(statistics, behind, Constants(prior_share=share))
    fit = (fit_exclusive if exclusive else fit_independent)(base, statistics.counts.astype(float), statistics.sums)
    return fit, (fit.means[:3] if exclusive else fit.shown)


def plain_distances(fit, z, points):
    inverse = np.linalg.inv(fit.base.matrix) * (fit.base.weight + fit.base.prior)
    apart = z[:, np.newaxis] - points
    return np.einsum("npd,de,npe->np", apart, inverse, apart)


def of(kin, z):
    beside = z @ kin.basis.T
    return kin.base * (z**2).sum(axis=1)[:, None] - (beside**2).sum(axis=1)[:, None] - z @ kin.rows.T + kin.offset


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("behind", [background(), None], ids=["background", "closed"])
def test_distances_without_a_picture_are_those_of_a_refit_without_it(exclusive, behind):
    embeddings, kind = rows(18)
    labels = labelled(kind, zeros=not exclusive)
    fit, means = fitted(embeddings, labels, exclusive=exclusive, behind=behind)
    z = on_grid(transform(embeddings, SPEC))
    points = means if behind is None else np.concatenate([means, behind.mean[np.newaxis]])
    given = Statistics(CONCEPTS, SPEC, mutually_exclusive=True).groups(labels) if exclusive else labels
    white = fit.base.whiten(z)
    found = fit.leave_out(white, given, points[3:]).distances if exclusive else None
    found = fit.left_out_distances(white, given, points)[0] if found is None else found
    for i in range(len(z)):
        rest = np.arange(len(z)) != i
        refit, moved = fitted(embeddings[rest], labels[rest], exclusive=exclusive, behind=behind, weight=len(z))
        expected = moved if behind is None else np.concatenate([moved, behind.mean[np.newaxis]])
        assert found[i] == pytest.approx(plain_distances(refit, z[i : i + 1], expected)[0], rel=1e-7)


def test_a_small_embedding_has_exact_distances():
    embeddings, kind = rows(30)
    fit, means = fitted(embeddings, labelled(kind, zeros=False), exclusive=True, behind=background())
    z = transform(rows(12, seed=3)[0], SPEC)
    kin = distances(fit.base, means, background().mean)
    points = np.concatenate([means, background().mean[np.newaxis]])
    assert of(kin, z) == pytest.approx(plain_distances(fit, z, points), rel=1e-3)


def test_a_large_embedding_keeps_its_largest_directions_and_nearly_the_distances():
    rng = np.random.default_rng(1)
    size = 3 * RANK
    spec = EmbeddingSpec.single(size, -128, 0.05)
    embeddings = rng.integers(-128, 128, (60, size)).astype(np.int8)
    statistics = Statistics(("a", "b"), spec, mutually_exclusive=True)
    labels = np.where(np.eye(2, dtype=np.int8)[np.arange(60) % 2] == 1, 1, -1).astype(np.int8)
    statistics.update(embeddings, None, labels)
    base = pooled(statistics, None, Constants())
    fit = fit_exclusive(base, statistics.counts.astype(float), statistics.sums)
    kin = distances(fit.base, fit.means[:2], None)
    z = transform(embeddings[:10], spec)
    assert kin.basis.shape == (RANK, size)
    assert of(kin, z) == pytest.approx(plain_distances(fit, z, fit.means[:2]), rel=0.02)


def test_the_nearer_a_concept_the_more_familiar():
    assert (np.diff(combined(np.array([[4.0, 9], [3, 9], [2, 9]]), None, exclusive=False)) > 0).all()


def test_of_two_equally_near_the_one_with_a_rival_is_stranger_where_concepts_exclude_each_other():
    near = np.array([[2.0, 9.0], [2.0, 2.5]])
    clear, torn = combined(near, None, exclusive=True)
    assert clear > torn
    clear, torn = combined(near, None, exclusive=False)
    assert clear == torn


def test_what_lies_nearer_the_background_is_stranger():
    apart, beside = combined(np.full((2, 2), 4.0), np.array([20.0, 3.0]), exclusive=False)
    assert apart > beside


def test_one_concept_alone_has_a_familiarity():
    assert np.isfinite(combined(np.array([[2.0]]), np.array([5.0]), exclusive=False)).all()

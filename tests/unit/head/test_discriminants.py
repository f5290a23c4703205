"""The closed forms and their leave-one-out against formulas written out, refitted without each picture.

"Brute force" means: the same prior strength nu, background weight beta and spread t, everything else computed again
from the rows that are left, with neither sufficient statistics nor rank-one updates.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.head.background import Background
from edge.head.exclusive import fit_exclusive
from edge.head.independent import fit_independent
from edge.head.pooled import Constants, pooled
from edge.head.statistics import Statistics
from edge.head.transform import on_grid, transform
from edge.types import EmbeddingSpec

NAMES = tuple("abcdefgh")
SHRINKAGE, NOISE = 2.0, 3.0


@dataclass(frozen=True)
class Case:
    """Rows of z with labels, the background and the constants of a fit."""

    embeddings: np.ndarray
    z: np.ndarray
    labels: np.ndarray
    background: Background | None
    constants: Constants
    statistics: Statistics

    @property
    def base(self):
        return pooled(self.statistics, self.background, self.constants)

    @property
    def nu(self):
        return self.base.prior

    @property
    def beta(self):
        return self.base.beta

    @property
    def t(self):
        return self.background.spread if self.background else self.constants.spread

    @property
    def mu(self):
        return self.background.mean if self.background else np.zeros(self.z.shape[1])

    @property
    def sigma(self):
        return self.background.covariance if self.background else np.zeros((self.z.shape[1],) * 2)


def case(embeddings, labels, *, exclusive=False, closed=False, background=None, kind="sqrt"):
    spec = EmbeddingSpec.single(embeddings.shape[1], -128, 0.05, kind)
    statistics = Statistics(NAMES[: labels.shape[1]], spec, mutually_exclusive=exclusive, closed_environment=closed)
    statistics.update(embeddings, None, labels)
    behind = None if background is None else Background.from_embeddings(background, spec, len(background) // 3)
    return Case(embeddings, on_grid(transform(embeddings, spec)), labels, behind, Constants(), statistics)


def relabelled(one: Case, labels: np.ndarray) -> Case:
    """The same pictures with other labels, trained with the same constants."""
    old = one.statistics
    statistics = Statistics(old.concepts, old.spec, mutually_exclusive=old.mutually_exclusive)
    statistics.update(one.embeddings, None, labels)
    return replace(one, labels=labels, statistics=statistics)


def small(seed, inputs, concepts, size=7, **options):
    """Random rows; every concept has at least two pictures that show it and two that do not."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 2, (inputs, concepts)).astype(np.int8)
    labels[:2], labels[2:4] = 1, 0
    embeddings = rng.integers(-128, 128, (inputs, size)).astype(np.int8)
    background = rng.integers(-128, 128, (15, size)).astype(np.int8) if options.pop("open", True) else None
    return case(embeddings, labels, background=background, **options)


def one_kind(seed, inputs, concepts, size=7, **options):
    """Rows of an exclusive model: each shows one concept, none of them, or something that decides nothing."""
    rng = np.random.default_rng(seed)
    group = np.concatenate([np.repeat(np.arange(concepts), 2), rng.integers(-1, concepts + 1, inputs)])
    labels = np.zeros((len(group), concepts), np.int8)
    for index, one in enumerate(group):
        if one < 0:
            labels[index] = -1
        elif one < concepts:
            labels[index] = rng.integers(-1, 1, concepts)
            labels[index, one] = 1
    embeddings = rng.integers(-128, 128, (len(group), size)).astype(np.int8)
    background = rng.integers(-128, 128, (15, size)).astype(np.int8) if options.pop("open", True) else None
    return case(embeddings, labels, exclusive=True, background=background, **options)


# --- independent -------------------------------------------------------------------------------------------------


def independent(one: Case):
    concepts = len(one.statistics.concepts)
    return fit_independent(one.base, one.statistics.counts.astype(float), one.statistics.sums), concepts


def two_class_lda(one: Case, keep: np.ndarray, concept: int, at: np.ndarray) -> np.ndarray:
    """Log odds of a concept at (n, d) ``at``, from the rows ``keep``: section 3 of the method, written out."""
    z, labels = one.z[keep], one.labels[keep]
    counted = z[(labels != -1).any(axis=1)]
    shown, hidden = z[labels[:, concept] == 1], z[labels[:, concept] == 0]
    weight = len(counted) + one.beta
    mean = (counted.sum(axis=0) + one.beta * one.mu) / weight
    about_mean = (counted - mean).T @ (counted - mean)
    behind = one.beta * (one.sigma + np.outer(one.mu - mean, one.mu - mean))
    n_hidden = len(hidden) + one.beta
    plus = shown.mean(axis=0)
    minus = (hidden.sum(axis=0) + one.beta * one.mu) / n_hidden
    difference = plus - minus
    between = len(shown) * n_hidden / (len(shown) + n_hidden) * np.outer(difference, difference)
    unknown = z[(labels != -1).any(axis=1) & (labels[:, concept] == -1)]
    if len(unknown):
        known = len(shown) + n_hidden
        apart = unknown.mean(axis=0) - (len(shown) * plus + n_hidden * minus) / known
        share = min(1.0, 2 * len(hidden) / max(len(shown), one.beta))
        between = between + share * known * len(unknown) / weight * np.outer(apart, apart)
    covariance = (about_mean + behind - between + one.nu * one.t * np.eye(len(mean))) / (weight + one.nu)
    return (at - (plus + minus) / 2) @ np.linalg.solve(covariance, difference)


@given(st.integers(0, 10**6), st.integers(5, 25), st.integers(1, 4), st.booleans())
def test_independent_scores_are_those_of_two_class_lda(seed, inputs, concepts, is_open):
    one = small(seed, inputs, concepts, open=is_open)
    fit, _ = independent(one)
    everything = np.ones(len(one.z), bool)
    wanted = np.stack([two_class_lda(one, everything, c, one.z) for c in range(concepts)], axis=1)
    assert fit.scores(one.z) == pytest.approx(wanted, rel=1e-8, abs=1e-8)


@given(st.integers(0, 10**6), st.integers(5, 18), st.integers(1, 3), st.booleans())
def test_independent_leave_one_out_equals_refits(seed, inputs, concepts, is_open):
    check_independent(small(seed, inputs, concepts, open=is_open))


def check_independent(one: Case, rows=None, moment=None):
    fit, concepts = independent(one)
    found, evaluable = fit.leave_one_out(one.z, one.labels, moment=moment)
    moment = np.arange(len(one.z)) if moment is None else moment
    for row in range(len(one.z)) if rows is None else rows:
        keep = moment != moment[row]
        for concept in range(concepts):
            left = {value: (one.labels[keep, concept] == value).sum() for value in (1, 0)}
            left[0] += one.beta
            assert evaluable[row, concept] == (one.labels[row, concept] != -1 and min(left.values()) > 0)
            if evaluable[row, concept]:
                wanted = two_class_lda(one, keep, concept, one.z[row : row + 1])[0]
                assert found[row, concept] == pytest.approx(wanted, rel=1e-8, abs=1e-8)


@given(st.integers(0, 10**6), st.integers(5, 18), st.integers(1, 3), st.booleans())
def test_independent_pictures_of_one_moment_are_left_out_together_as_in_refits(seed, inputs, concepts, is_open):
    one = small(seed, inputs, concepts, open=is_open)
    check_independent(one, moment=np.random.default_rng(seed).integers(0, len(one.z) // 2, len(one.z)))


@pytest.mark.parametrize("is_open", [True, False])
def test_independent_leave_one_out_is_exact_at_a_backbones_width(background_embeddings, is_open):
    rng = np.random.default_rng(3)
    labels = rng.integers(-1, 2, (40, 2)).astype(np.int8)
    labels[0], labels[1] = 1, 0
    behind = background_embeddings[100:] if is_open else None
    check_independent(case(background_embeddings[:40], labels, background=behind), rows=(0, 17))


def test_a_concepts_only_picture_is_not_evaluable():
    one = small(1, 12, 2)
    labels = one.labels.copy()
    labels[1:, 0] = np.where(labels[1:, 0] == 1, -1, labels[1:, 0])
    alone = relabelled(one, labels)
    scores, evaluable = independent(alone)[0].leave_one_out(alone.z, alone.labels)
    assert not evaluable[0, 0]
    assert np.isfinite(scores).all()
    check_independent(alone)


@given(st.integers(0, 10**6), st.integers(6, 20), st.booleans())
def test_flipping_another_concepts_label_does_not_move_a_score(seed, inputs, is_open):
    one = small(seed, inputs, 2, open=is_open)
    labels = one.labels.copy()
    labels[:, 1] = np.where(labels[:, 1] == -1, -1, 1 - labels[:, 1])
    before, after = independent(one)[0].scores(one.z), independent(relabelled(one, labels))[0].scores(one.z)
    assert after[:, 0] == pytest.approx(before[:, 0], rel=1e-9, abs=1e-9)
    assert after[:, 1] != pytest.approx(before[:, 1])


@given(st.integers(0, 10**6))
def test_a_label_is_either_known_or_takes_no_part_in_its_concepts_means(seed):
    """Unknown pictures shape the scatter alone, so the midpoint and the direction's target stay."""
    one = small(seed, 12, 2)
    labels = one.labels.copy()
    labels[6:, 0] = -1
    fit = independent(relabelled(one, labels))[0]
    shown = labels[:, 0] == 1
    assert fit.n_shown[0] == shown.sum()
    assert fit.n_not[0] == (labels[:, 0] == 0).sum() + one.beta
    assert fit.shown[0] == pytest.approx(one.z[shown].mean(axis=0))


def test_unknown_is_not_read_as_not_shown():
    """Half of a concept's pictures stay without a label: their rank holds, and is lost when they are said to be 0."""
    rng = np.random.default_rng(0)
    centre = rng.integers(-128, 128, (2, 12))
    embeddings = (centre[np.repeat([0, 1], 40)] + rng.normal(0, 40, (80, 12))).clip(-128, 127).astype(np.int8)
    truth = np.repeat([1, 0], 40).astype(np.int8)
    known, unknown, wrong = (np.stack([truth, np.zeros(80, np.int8)], axis=1) for _ in range(3))
    for labels in (known, unknown, wrong):
        labels[:2, 1] = 1  # the second concept knows every picture, so all of them count
    unknown[5:35, 0], wrong[5:35, 0] = -1, 0

    def separation(labels):
        scores = independent(case(embeddings, labels))[0].scores(on_grid(transform(embeddings, SPEC)))[:, 0]
        return (scores[5:35, np.newaxis] > scores[40:]).mean()

    assert separation(unknown) > separation(known) - 0.02
    assert separation(wrong) < separation(unknown) - 0.1


SPEC = EmbeddingSpec.single(12, -128, 0.05)


# --- exclusive ---------------------------------------------------------------------------------------------------


def exclusive(one: Case):
    fit = fit_exclusive(one.base, one.statistics.counts.astype(float), one.statistics.sums, SHRINKAGE)
    return fit.with_noise(NOISE)


def distances(one: Case, keep: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(n, K) squared Mahalanobis distances to each concept's point, less its excess, from the rows ``keep``: section 4
    written out, with means pulled towards the mean of all rows."""
    groups = one.statistics.groups(one.labels)[keep]
    z = one.z[keep][groups.any(axis=1)]
    groups = groups[groups.any(axis=1)]
    concepts = len(one.statistics.concepts)
    about_zero = z.T @ z + one.beta * (one.sigma + np.outer(one.mu, one.mu))
    means, excess = [], []
    for group in range(concepts + 1):
        behind = one.beta if group == concepts else 0
        count = groups[:, group].sum() + behind
        if count:
            mean = (z[groups[:, group] == 1].sum(axis=0) + behind * one.mu) / count
            about_zero = about_zero - count * np.outer(mean, mean)
            share = count / (count + SHRINKAGE)
            means.append(one.base.mean + share * (mean - one.base.mean))
            excess.append(share**2 * NOISE / count)
    weight = len(z) + one.beta
    covariance = (about_zero + one.nu * one.t * np.eye(z.shape[1])) / (weight + one.nu)
    away = at[:, np.newaxis] - np.array(means[:concepts])
    squared = np.einsum(
        "nkd,dkn->nk", away, np.linalg.solve(covariance, away.T.reshape(z.shape[1], -1)).reshape(away.T.shape)
    )
    return squared - np.array(excess[:concepts])


@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(2, 4), st.booleans())
def test_exclusive_scores_are_distances_but_for_a_constant_per_row(seed, inputs, concepts, is_open):
    one = one_kind(seed, inputs, concepts, open=is_open)
    found, wanted = exclusive(one).scores(one.z), -distances(one, np.ones(len(one.z), bool), one.z) / 2
    apart = found - wanted
    assert apart - apart[:, :1] == pytest.approx(np.zeros_like(apart), abs=1e-6 * max(1.0, np.abs(wanted).max()))


@given(st.integers(0, 10**6), st.integers(1, 14), st.integers(2, 4), st.booleans(), st.booleans())
def test_exclusive_leave_one_out_equals_refits(seed, inputs, concepts, is_open, closed):
    check_exclusive(one_kind(seed, inputs, concepts, open=is_open, closed=closed))


def check_exclusive(one: Case, rows=None, moment=None):
    groups = one.statistics.groups(one.labels)
    fit = exclusive(one)
    found, present = fit.leave_one_out(one.z, groups, moment=moment)
    plain = fit.scores(one.z)
    moment = np.arange(len(one.z)) if moment is None else moment
    counts = one.statistics.counts + one.beta * (np.arange(groups.shape[1]) == groups.shape[1] - 1)
    for row in range(len(one.z)) if rows is None else rows:
        keep = moment != moment[row]
        leaving = groups[~keep].sum(axis=0)
        if not leaving.any():
            assert present[row]
            assert np.array_equal(found[row], plain[row])
        elif (counts - leaving)[leaving > 0].min() <= 0:
            assert not present[row]
        else:
            wanted = -distances(one, keep, one.z[row : row + 1])[0] / 2
            assert present[row]
            assert found[row] == pytest.approx(wanted, rel=1e-8, abs=1e-8)


@given(st.integers(0, 10**6), st.integers(1, 14), st.integers(2, 4), st.booleans(), st.booleans())
def test_exclusive_pictures_of_one_moment_are_left_out_together_as_in_refits(seed, inputs, concepts, is_open, closed):
    one = one_kind(seed, inputs, concepts, open=is_open, closed=closed)
    check_exclusive(one, moment=np.random.default_rng(seed).integers(0, 1 + len(one.z) // 2, len(one.z)))


@pytest.mark.parametrize("is_open", [True, False])
def test_exclusive_leave_one_out_is_exact_at_a_backbones_width(background_embeddings, is_open):
    rng = np.random.default_rng(3)
    labels = np.eye(4, dtype=np.int8)[rng.integers(0, 4, 40)][:, :3]
    labels[:3] = np.eye(3, dtype=np.int8)
    behind = background_embeddings[100:] if is_open else None
    check_exclusive(case(background_embeddings[:40], labels, exclusive=True, background=behind), rows=(0, 17))


# --- corners -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("kind", ["sqrt", "signed-sqrt", "l2"])
def test_identical_pictures_have_no_scatter_and_still_a_head(is_open, kind):
    embeddings = np.repeat(np.random.default_rng(0).integers(-128, 128, (2, 9)).astype(np.int8), 5, axis=0)
    labels = np.repeat(np.array([[1, 0], [0, 1]], np.int8), 5, axis=0)
    behind = np.random.default_rng(1).integers(-128, 128, (15, 9)).astype(np.int8) if is_open else None
    one = case(embeddings, labels, background=behind, kind=kind)
    scores = independent(one)[0].scores(one.z)
    assert ((scores > 0) == (labels == 1)).all()
    check_independent(one)
    check_exclusive(case(embeddings, labels, exclusive=True, background=behind, kind=kind))


def test_embeddings_of_nothing_do_no_harm():
    one = case(np.full((6, 5), -128, np.int8), np.array([[1], [1], [1], [0], [0], [0]], np.int8))
    scores, _ = independent(one)[0].leave_one_out(one.z, one.labels)
    assert np.isfinite(scores).all()


def test_five_hundred_concepts_are_five_hundred_columns():
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 2, (60, 500)).astype(np.int8)
    labels[:2], labels[2:4] = 1, 0
    spec = EmbeddingSpec.single(16, -128, 0.05)
    statistics = Statistics([str(n) for n in range(500)], spec, mutually_exclusive=False)
    embeddings = rng.integers(-128, 128, (60, 16)).astype(np.int8)
    statistics.update(embeddings, None, labels)
    one = Case(embeddings, on_grid(transform(embeddings, spec)), labels, None, Constants(), statistics)
    check_independent(one, rows=(0, 59))

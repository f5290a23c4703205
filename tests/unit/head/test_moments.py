"""Which pictures are of one moment. What leaving a moment out does is compared with refits in test_discriminants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.head.moments import moments, shared, without


def scenes(count, frames, shake=0.02, apart=1.0, size=40, seed=0):
    """(count * frames, size): frames of scenes that lie ``apart``, scene by scene."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(0, 1, size)
    places = centre + apart * rng.normal(0, 1, (count, size))
    return np.repeat(places, frames, axis=0) + shake * rng.normal(0, 1, (count * frames, size))


def test_frames_of_one_scene_are_one_moment_and_scenes_are_several():
    assert moments(scenes(5, 4)).tolist() == np.repeat(np.arange(5), 4).tolist()


def test_different_pictures_are_moments_of_their_own():
    assert moments(scenes(12, 1)).tolist() == list(range(12))


def test_moments_are_numbered_in_the_order_they_come():
    z = scenes(3, 2)
    assert moments(z[[4, 0, 5, 2, 1, 3]]).tolist() == [0, 1, 0, 2, 1, 2]


def test_a_chain_of_small_steps_is_one_moment():
    angles = np.concatenate([np.arange(8) * 0.2, [2.5, 3.0]])
    assert len(set(moments(np.stack([np.cos(angles), np.sin(angles)], axis=1))[:8].tolist())) == 1


def test_before_a_camera_that_never_moves_different_moments_stay_apart():
    """Every pair is nearer than the frames of a moment elsewhere; frames of one moment are nearer still."""
    z = scenes(6, 2, shake=0.001, apart=0.05)
    assert moments(z).tolist() == np.repeat(np.arange(6), 2).tolist()


def test_copies_are_one_moment_however_alike_everything_is():
    assert moments(np.repeat(scenes(1, 1), 30, axis=0)).max() == 0


def test_embeddings_of_nothing_are_moments_of_their_own():
    assert moments(np.zeros((3, 8))).tolist() == [0, 1, 2]


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one_is_no_trouble(count):
    assert moments(scenes(1, 1)[:count]).tolist() == list(range(count))


def test_pictures_far_apart_in_the_list_are_found():
    z = scenes(700, 1)
    z[650] = z[3]
    found = moments(z)
    assert found[650] == found[3]
    assert len(set(found.tolist())) == 699


def test_only_moments_with_several_are_shared():
    assert [rows.tolist() for rows in shared(np.array([0, 1, 0, 2, 1]))] == [[0, 2], [1, 4]]
    assert list(shared(np.empty(0, dtype=np.intp))) == []


@given(st.integers(0, 10**6), st.integers(1, 5))
def test_means_without_rows_are_those_of_the_rest(seed, leaving):
    rng = np.random.default_rng(seed)
    rows, member = rng.normal(size=(9, 4)), rng.random((9, 3)) < 0.5
    counts = member.sum(axis=0).astype(float)
    means = np.array([rows[m].mean(axis=0) if m.any() else np.zeros(4) for m in member.T])
    moved, left = without(means, counts, rows[:leaving], member[:leaving])
    for column in range(3):
        rest = rows[leaving:][member[leaving:, column]]
        assert left[column] == len(rest)
        assert moved[column] == pytest.approx(rest.mean(axis=0) if len(rest) else means[column])

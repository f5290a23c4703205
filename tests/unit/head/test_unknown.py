"""What is not known about a picture never acts as "not shown"."""

from __future__ import annotations

import numpy as np
import pytest

from edge.backbone import catalogue
from edge.config import DEFAULT_BACKBONE
from edge.head.background import Background
from edge.head.statistics import Statistics
from edge.head.training import Rows, train

TAUGHT, MORE, HELD_OUT = 10, 30, 40
SHOWN, NOT_SHOWN, UNKNOWN = 1, 0, -1


class Pictures:
    """Embeddings as a camera would give them: a scene, and in half of them a thing before it."""

    def __init__(self, scenes, spec):
        rng = np.random.default_rng(4)
        zero = np.concatenate([np.full(part.size, part.zero_point) for part in spec.parts])
        active = scenes.astype(np.float64) - zero
        self.spec = spec
        self._zero, self._thing, self._scenes = zero, active[0], active[1:200]
        self._rng = rng

    def make(self, count, showing):
        """(count, d) int8 embeddings, all of them showing the thing or none."""
        one, other = self._rng.integers(0, len(self._scenes), (2, count))
        share = (0.35 if showing else 0.0) * self._rng.uniform(0.6, 1.0, (count, 1))
        mixed = share * self._thing + (1 - share) * (self._scenes[one] + self._scenes[other]) / 2
        return np.clip(np.rint(mixed) + self._zero, -128, 127).astype(np.int8)


@pytest.fixture(scope="module")
def card(config):
    return catalogue.find_card(DEFAULT_BACKBONE, config)[1]


@pytest.fixture(scope="module")
def background(background_embeddings, card):
    return Background.from_embeddings(background_embeddings[200:], card.embedding, 50)


@pytest.fixture(scope="module")
def pictures(background_embeddings, card):
    """Taught pictures with the thing and without, further ones with it, and held-out ones of both kinds."""
    source = Pictures(background_embeddings, card.embedding)
    return {
        "taught": np.concatenate([source.make(TAUGHT, True), source.make(TAUGHT, False)]),
        "more": source.make(MORE, True),
        "with": source.make(HELD_OUT, True),
        "without": source.make(HELD_OUT, False),
    }


def values(card, background, embeddings, labels, asked):
    """(n, 2) values of a head trained on (n, 2) labels."""
    statistics = Statistics(("thing", "other"), card.embedding, mutually_exclusive=False)
    labels = np.array(labels, np.int8)
    statistics.update(embeddings, None, labels)
    ids = [str(number) for number in range(len(labels))]
    return train(statistics, background, Rows(ids, embeddings, labels)).head.predict(asked)[0]


def rank(card, background, pictures, more):
    """AUROC of the held-out pictures when the further ones, all showing the thing, say ``more`` of it."""
    labels = [(SHOWN, NOT_SHOWN)] * TAUGHT + [(NOT_SHOWN, SHOWN)] * TAUGHT
    embeddings = pictures["taught"]
    if more is not None:
        labels += [(more, SHOWN)] * MORE
        embeddings = np.concatenate([embeddings, pictures["more"]])
    inside = values(card, background, embeddings, labels, pictures["with"])[:, 0]
    outside = values(card, background, embeddings, labels, pictures["without"])[:, 0]
    return (inside[:, np.newaxis] > outside).mean()


def test_pictures_of_a_concept_keep_their_rank_when_more_of_them_are_unknown(card, background, pictures):
    without = rank(card, background, pictures, None)
    assert without > 0.85
    assert rank(card, background, pictures, UNKNOWN) > without - 0.03


def test_they_lose_it_when_those_are_said_not_to_show_it(card, background, pictures):
    """Without this the test above would show nothing."""
    assert rank(card, background, pictures, NOT_SHOWN) < rank(card, background, pictures, UNKNOWN) - 0.15


def test_a_concept_does_not_move_when_another_ones_labels_turn_round(card, background, pictures):
    labels = np.array([(SHOWN, NOT_SHOWN)] * TAUGHT + [(NOT_SHOWN, SHOWN)] * TAUGHT, np.int8)
    turned = labels.copy()
    turned[::3, 1] = 1 - turned[::3, 1]
    asked = np.concatenate([pictures["with"], pictures["without"]])
    one = values(card, background, pictures["taught"], labels, asked)
    other = values(card, background, pictures["taught"], turned, asked)
    np.testing.assert_allclose(one[:, 0], other[:, 0], rtol=0, atol=1e-6)
    assert np.abs(one[:, 1] - other[:, 1]).max() > 0.1

"""What every backbone does: run by LiteRT, by tflite-runtime, or without a network at all."""

import threading

import numpy as np
import pytest

from edge.backbone import catalogue
from edge.backbone.golden import golden_images
from edge.errors import InvalidArgument
from edge.head.transform import transform

pytestmark = pytest.mark.either_runtime

NAMES = ("efficientnet-lite0-224", "efficientnet-lite0-160", "fake")


@pytest.fixture(scope="module", params=NAMES)
def opened(request, config):
    backbone = catalogue.open_backbone(request.param, config)
    yield backbone
    backbone.close()


@pytest.fixture(scope="module")
def pictures(opened):
    preprocessing = opened.card.preprocessing
    return golden_images(preprocessing.height, preprocessing.width)


def cosine(one, other, spec):
    return (transform(one, spec) * transform(other, spec)).sum(axis=-1)


def test_an_embedding_has_the_size_and_type_of_the_card(opened, pictures):
    embedding = opened.embed(pictures[0])
    assert embedding.shape == (opened.card.embedding.size,)
    assert embedding.dtype == np.int8


def test_the_same_picture_has_the_same_embedding(opened, pictures):
    first = [opened.embed(picture) for picture in pictures]
    again = [opened.embed(picture) for picture in reversed(pictures)][::-1]
    assert np.array_equal(first, again)


def test_different_pictures_have_different_embeddings(opened, pictures):
    embeddings = np.array([opened.embed(picture) for picture in pictures])
    assert len(np.unique(embeddings, axis=0)) == len(pictures)


def test_an_embedding_is_the_callers_own(opened, pictures):
    kept = opened.embed(pictures[0])
    copy = kept.copy()
    opened.embed(pictures[1])
    assert np.array_equal(kept, copy)
    kept[:] = 0
    assert np.array_equal(opened.embed(pictures[0]), copy)


def test_the_picture_is_not_changed(opened, pictures):
    before = pictures.copy()
    opened.embed(pictures[2])
    assert np.array_equal(pictures, before)


def test_four_threads_get_what_one_gets(opened, pictures):
    alone = [opened.embed(picture) for picture in pictures]
    wrong = []

    def work(offset):
        for turn in range(2 * len(pictures)):
            index = (turn + offset) % len(pictures)
            if not np.array_equal(opened.embed(pictures[index]), alone[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_layout_in_memory_does_not_matter(opened, pictures):
    expected = opened.embed(pictures[1])
    assert np.array_equal(opened.embed(np.asfortranarray(pictures[1])), expected)
    assert np.array_equal(opened.embed(np.ascontiguousarray(pictures[1][::-1, ::-1])[::-1, ::-1]), expected)


def test_a_picture_that_was_not_prepared_is_refused(opened, pictures):
    for wrong in (
        pictures[0][:-1],
        pictures[0][..., :1],
        pictures,
        pictures[0].astype(np.float32),
        pictures[0].view(np.int8),
        np.zeros((0, 0, 3), np.uint8),
    ):
        with pytest.raises(InvalidArgument, match="prepare it first"):
            opened.embed(wrong)


def test_it_says_what_runs_it(opened):
    assert opened.runtime


def test_golden_pictures_have_the_embeddings_that_came_with_the_card(opened, pictures, config):
    if opened.card.golden is None:
        assert opened.card.name == "fake"
        expected = np.array([opened.embed(picture) for picture in pictures])
        assert expected.sum(dtype=int) == pytest.approx(-47_752, abs=20)  # the same on every machine, but for rounding
        return
    folder, card = catalogue.find_card(opened.card.name, config)
    expected = catalogue.golden(folder, card)
    assert expected is not None
    found = np.array([opened.embed(picture) for picture in pictures])
    # runtimes and processors do not agree bit for bit
    assert cosine(found, expected, card.embedding).min() > card.facts["golden"]["minimum_cosine"] >= 0.99

"""What every trained head does, whatever kind of model it belongs to."""

import numpy as np
import pytest

from edge.head.statistics import Statistics
from edge.head.trained import TrainedHead
from edge.head.training import Rows, train
from edge.types import EmbeddingSpec

SPEC = EmbeddingSpec.single(24, -128, 0.05)
NAMES = ("ant", "bee", "cow")


def clusters(seed, each=12):
    """(3 * each, 24) int8 embeddings of three kinds, and their (n, 3) labels."""
    centres = np.random.default_rng(99).integers(-110, 110, (3, SPEC.size))
    noise = np.random.default_rng(seed).normal(0, 25, (3, each, SPEC.size))
    embeddings = (centres[:, np.newaxis] + noise).clip(-128, 127).astype(np.int8).reshape(-1, SPEC.size)
    return embeddings, np.repeat(np.eye(3, dtype=np.int8), each, axis=0)


@pytest.fixture(scope="module", params=["independent", "exclusive"])
def head(request):
    embeddings, labels = clusters(0)
    statistics = Statistics(NAMES, SPEC, mutually_exclusive=request.param == "exclusive")
    statistics.update(embeddings, None, labels)
    return train(statistics, None, Rows([str(n) for n in range(len(labels))], embeddings, labels)).head


def test_values_and_known_are_probabilities_of_the_right_shape(head):
    values, known = head.predict(np.random.default_rng(1).integers(-128, 128, (50, SPEC.size)).astype(np.int8))
    assert values.shape == (50, 3)
    assert known.shape == (50,)
    assert ((values >= 0) & (values <= 1)).all()
    assert ((known >= 0) & (known <= 1)).all()


def test_taught_kinds_are_recognised(head):
    embeddings, labels = clusters(7)
    values, known = head.predict(embeddings)
    assert (values.argmax(axis=1) == labels.argmax(axis=1)).mean() > 0.95
    assert (known > head.threshold).mean() > 0.7


def test_one_at_a_time_or_all_together_is_the_same(head):
    embeddings, _ = clusters(7)
    values, known = head.predict(embeddings)
    for row in range(0, len(embeddings), 5):
        one, one_known = head.predict(embeddings[row : row + 1])
        assert one[0] == pytest.approx(values[row], abs=1e-5)
        assert one_known[0] == pytest.approx(known[row], abs=0.1)


def test_an_embedding_of_nothing_is_not_known(head):
    values, known = head.predict(np.full((1, SPEC.size), SPEC.parts[0].zero_point, np.int8))
    assert known[0] == 0
    assert not known[0] > head.threshold
    assert np.isfinite(values).all()


def test_no_embeddings_give_no_predictions(head):
    values, known = head.predict(np.empty((0, SPEC.size), np.int8))
    assert values.shape == (0, 3)
    assert known.shape == (0,)


def test_the_embeddings_are_not_changed(head):
    embeddings, _ = clusters(7)
    before = embeddings.copy()
    head.predict(embeddings)
    assert np.array_equal(embeddings, before)


def test_the_linear_tail_gives_the_same_values(head):
    """What is fused into one graph: activation(weights z + bias), z the unit vector of the square roots."""
    embeddings, _ = clusters(7)
    z = np.sqrt(embeddings.astype(float) + 128)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    tail = head.linear()
    assert tail.concepts == head.concepts == NAMES
    logits = z @ tail.weights.T + tail.bias
    if tail.activation == "softmax":
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        wanted = e / e.sum(axis=1, keepdims=True)
    else:
        wanted = 1 / (1 + np.exp(-logits))
    assert head.predict(embeddings)[0] == pytest.approx(wanted, abs=1e-4)


def test_bytes_hold_all_of_it(head):
    embeddings, _ = clusters(7)
    back = type(head).from_bytes(head.to_bytes())
    assert back.concepts == head.concepts
    assert back.threshold == head.threshold
    for found, wanted in zip(back.predict(embeddings), head.predict(embeddings), strict=True):
        assert np.array_equal(found, wanted)


def test_the_same_head_has_the_same_bytes(head):
    assert head.to_bytes() == head.to_bytes()
    assert TrainedHead.from_bytes(head.to_bytes()).to_bytes() == head.to_bytes()


def test_the_threshold_lies_between_zero_and_one(head):
    assert 0 < head.threshold < 1

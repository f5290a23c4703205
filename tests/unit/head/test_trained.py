"""A head's bytes are believed only when they are whole; ``known`` is a rank among taught pictures."""

import hashlib
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadHead
from edge.head.statistics import Statistics
from edge.head.trained import TrainedHead, known
from edge.head.training import Rows, train
from edge.types import EmbeddingSpec

SPEC = EmbeddingSpec.single(8, -128, 0.05)


def trained():
    rng = np.random.default_rng(0)
    embeddings = rng.integers(-128, 128, (20, SPEC.size)).astype(np.int8)
    labels = np.repeat(np.array([[1, 0], [0, 1]], np.int8), 10, axis=0)
    statistics = Statistics(("a", "b"), SPEC, mutually_exclusive=True)
    statistics.update(embeddings, None, labels)
    return train(statistics, None, Rows([str(n) for n in range(20)], embeddings, labels)).head


HEAD = trained()
BYTES = HEAD.to_bytes()
MAGIC = BYTES[: BYTES.index(b"\n") + 1]


def refused(data):
    with pytest.raises(BadHead, match="train the model again"):
        TrainedHead.from_bytes(data)


def forged(header=None, **arrays):
    """Bytes with a good checksum around changed content; a header of ``{"key": None}`` takes the key out."""
    with np.load(io.BytesIO(BYTES[len(MAGIC) + 32 :])) as content:
        kept = {name: content[name] for name in content.files}
    table = {**json.loads(kept["header"].tobytes()), **(header or {})}
    text = json.dumps({key: value for key, value in table.items() if value is not None})
    kept["header"] = np.frombuffer(text.encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in {**kept, **arrays}.items() if value is not None})
    return signed(buffer.getvalue())


def signed(body):
    return MAGIC + hashlib.sha256(body).digest() + body


def test_unchanged_content_is_accepted():
    assert TrainedHead.from_bytes(forged()).concepts == ("a", "b")


@given(st.data())
def test_one_damaged_byte_is_refused(data):
    broken = bytearray(BYTES)
    broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    refused(bytes(broken))


@given(st.integers(0, len(BYTES) - 1))
def test_truncated_bytes_are_refused(length):
    refused(BYTES[:length])


@pytest.mark.parametrize("data", [b"", b"edge-head-9\n" + BYTES[len(MAGIC) :], b"PK\x03\x04", MAGIC, BYTES + b"\0"])
def test_other_bytes_are_refused(data):
    refused(data)


@pytest.mark.parametrize("body", [b"", b"junk", b"PK\x03\x04junk", b"\x80\x04\x95"])
def test_a_good_checksum_around_junk_is_refused(body):
    refused(signed(body))


def bent(name, change):
    array = getattr(HEAD.distances if hasattr(HEAD.distances, name) else HEAD, name).copy()
    return {name: change(array)}


@pytest.mark.parametrize("name", ["weights", "bias", "rows", "offset", "basis", "familiar"])
@pytest.mark.parametrize(
    "change",
    [
        lambda array: array * np.float32("nan"),
        lambda array: array.astype(np.float64),
        lambda array: array[np.newaxis],
        lambda array: array.astype(object),
        lambda array: array.astype("U3"),
        lambda _: None,
    ],
    ids=["nan", "float64", "dimension", "pickled", "text", "missing"],
)
def test_numbers_of_the_wrong_kind_are_refused(name, change):
    refused(forged(**bent(name, change)))


@pytest.mark.parametrize("name", ["weights", "bias", "rows", "offset"])
def test_shapes_that_contradict_each_other_are_refused(name):
    refused(forged(**bent(name, lambda array: array[:-1])))


def test_taught_pictures_out_of_order_are_refused():
    refused(forged(**bent("familiar", lambda array: array[::-1].copy())))


@pytest.mark.parametrize(
    "header",
    [
        {"concepts": []},
        {"concepts": ["a"]},
        {"concepts": ["a", "a"]},
        {"concepts": None},
        {"concepts": "ab"},
        {"threshold": float("nan")},
        {"threshold": -0.1},
        {"threshold": 2},
        {"threshold": "x"},
        {"embedding": []},
        {"embedding": [{"size": 9, "zero_point": -128, "scale": 0.05, "transform": "sqrt"}]},
        {"embedding": [{"size": 8, "zero_point": "x", "scale": 0.05, "transform": "sqrt"}]},
        {"embedding": [{"size": 8, "zero_point": 1e300, "scale": 0.05, "transform": "sqrt"}]},
        {"embedding": [{"size": 8, "zero_point": -128, "scale": 0.05, "transform": "log"}]},
        {"embedding": [{"size": 8, "zero_point": -128, "scale": 0.05, "transform": "sqrt", "more": 1}]},
        {"embedding": 5},
    ],
    ids=str,
)
def test_a_header_that_makes_no_sense_is_refused(header):
    refused(forged(header))


# --- known -------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(-1, 1, width=32), max_size=30),
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20),
)
def test_known_is_the_share_of_taught_pictures_that_are_no_more_familiar(taught, asked):
    familiar = np.sort(np.array(taught, np.float32))
    found = known(np.array(asked, np.float32), familiar, np.ones(len(asked), bool))
    for value, value_known in zip(np.float32(asked), found, strict=True):
        rank = sum(one <= value for one in taught)
        if rank or not taught:
            assert value_known == pytest.approx((1 + rank) / (len(taught) + 1))
        else:
            assert 0 <= value_known <= 1 / (len(taught) + 1)


def test_strangers_beyond_every_taught_picture_are_still_told_apart():
    near, far = known(np.array([-1.0, -2.0]), np.array([0.0, 0.5, 1.0], np.float32), np.ones(2, bool))
    assert near > far > 0


def test_nothing_seen_is_never_known():
    assert known(np.array([1.0]), np.array([0.5]), np.array([False])) == 0


def test_a_picture_like_the_taught_ones_is_known_as_often_as_promised():
    """Conformal prediction: a p-value is at most alpha in no more than a share alpha of exchangeable draws."""
    rng = np.random.default_rng(0)
    low = [known(draw[:1], np.sort(draw[1:]), np.array([True]))[0] <= 0.1 for draw in rng.normal(size=(4000, 20))]
    assert np.mean(low) == pytest.approx(0.1, abs=0.015)

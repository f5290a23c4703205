"""Sums that follow every change of an annotation, and equal a rebuild to the last bit."""

import hashlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import BadHead
from edge.head.statistics import Statistics
from edge.head.transform import on_grid, transform
from edge.types import EmbeddingSpec

SIZE, INPUTS, CONCEPTS = 6, 12, 3
SPEC = EmbeddingSpec.single(SIZE, -128, 0.05)
EMBEDDINGS = np.random.default_rng(5).integers(-128, 128, (INPUTS, SIZE)).astype(np.int8)
NAMES = ("a", "b", "c", "d")

label = st.sampled_from([1, 0, -1])
row = st.lists(label, min_size=CONCEPTS, max_size=CONCEPTS)
table = st.lists(row, min_size=INPUTS, max_size=INPUTS)
kinds = st.tuples(st.booleans(), st.booleans())


def empty(kind=(False, False), concepts=CONCEPTS, spec=SPEC):
    return Statistics(NAMES[:concepts], spec, mutually_exclusive=kind[0], closed_environment=kind[1])


def rebuilt(labels, kind=(False, False), embeddings=EMBEDDINGS, spec=SPEC):
    made = empty(kind, labels.shape[1], spec)
    made.update(embeddings, None, labels)
    return made


def same(one, other):
    return (
        one.n == other.n
        and np.array_equal(one.counts, other.counts)
        and all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in ("total", "scatter", "sums"))
    )


def positive_zeros(statistics):
    """-0.0 and 0.0 are the same number with other bits."""
    for name in ("total", "scatter", "sums"):
        setattr(statistics, name, getattr(statistics, name) + 0.0)
    return statistics


@given(st.lists(st.tuples(st.integers(0, INPUTS - 1), row), max_size=40), kinds)
def test_any_sequence_of_changes_equals_a_rebuild_bit_for_bit(operations, kind):
    """Adding is a change from all unknown, removing one to all unknown, re-annotating anything else."""
    labels = np.full((INPUTS, CONCEPTS), -1, np.int8)
    followed = empty(kind)
    for index, new in operations:
        before = labels[index : index + 1].copy()
        labels[index] = new
        followed.update(EMBEDDINGS[index : index + 1], before, labels[index : index + 1])
    assert same(positive_zeros(followed), positive_zeros(rebuilt(labels, kind)))


@given(table, table, kinds, st.permutations(range(INPUTS)), st.integers(1, INPUTS))
def test_neither_order_nor_batches_matter(before, after, kind, order, batch):
    before, after, order = np.array(before, np.int8), np.array(after, np.int8), np.array(order)
    followed = rebuilt(before, kind)
    for start in range(0, INPUTS, batch):
        part = order[start : start + batch]
        followed.update(EMBEDDINGS[part], before[part], after[part])
    assert same(positive_zeros(followed), positive_zeros(rebuilt(after, kind)))


@given(table, kinds)
def test_removing_everything_leaves_nothing(labels, kind):
    labels = np.array(labels, np.int8)
    followed = rebuilt(labels, kind)
    followed.update(EMBEDDINGS, labels, None)
    assert followed.n == 0
    assert not followed.counts.any()
    assert not any(array.any() for array in (followed.scatter, followed.total, followed.sums))


def test_a_whole_backbones_width_is_exact_too(background_embeddings):
    """1 664 dimensions and real embeddings: a store that was changed for a while against one filled at once."""
    embeddings, rng = background_embeddings[:120], np.random.default_rng(1)
    spec = EmbeddingSpec.single(embeddings.shape[1], -128, 0.0126)
    labels = np.full((120, 2), -1, np.int8)
    followed = empty(concepts=2, spec=spec)
    for _ in range(30):
        part = rng.choice(120, rng.integers(1, 40), replace=False)
        new = rng.integers(-1, 2, (len(part), 2)).astype(np.int8)
        followed.update(embeddings[part], labels[part], new)
        labels[part] = new
    assert same(positive_zeros(followed), positive_zeros(rebuilt(labels, embeddings=embeddings, spec=spec)))


@given(table)
def test_independent_sums_are_what_their_names_say(labels):
    labels = np.array(labels, np.int8)
    found, z = rebuilt(labels), on_grid(transform(EMBEDDINGS, SPEC))
    counted = z[(labels != -1).any(axis=1)]
    assert found.n == len(counted)
    assert np.array_equal(found.total, counted.sum(axis=0))
    assert np.array_equal(found.scatter, counted.T @ counted)
    for concept in range(CONCEPTS):
        for group, value in ((concept, 1), (CONCEPTS + concept, 0)):
            members = labels[:, concept] == value
            assert found.counts[group] == members.sum()
            assert np.array_equal(found.sums[group], z[members].sum(axis=0))


@pytest.mark.parametrize(
    ("labels", "group"),
    [
        ((1, -1, -1), 0),
        ((1, 0, 0), 0),
        ((-1, 0, 1), 2),
        ((0, 0, 0), 3),
        ((1, 1, -1), None),  # two at once is a contradiction
        ((1, 1, 0), None),
        ((0, 0, -1), None),  # not these two, but which then?
        ((-1, -1, -1), None),
    ],
)
@pytest.mark.parametrize("closed", [False, True])
def test_an_exclusive_input_belongs_to_its_only_concept_or_to_none(labels, group, closed):
    found = empty((True, closed)).groups(np.array([labels], np.int8))[0]
    assert found.tolist() == [int(index == group) for index in range(4)]


@pytest.mark.parametrize(("labels", "group"), [((0, -1), 1), ((-1, 0), 0), ((0, 0), 2), ((1, 1), None), ((0, 1), 1)])
def test_not_this_means_the_other_of_two_in_a_closed_environment(labels, group):
    found = empty((True, True), concepts=2).groups(np.array([labels], np.int8))[0]
    assert found.tolist() == [int(index == group) for index in range(3)]
    open_one = empty((True, False), concepts=2).groups(np.array([labels], np.int8))[0]
    assert open_one.any() == (1 in labels and labels != (1, 1)) or labels == (0, 0)


# --- snapshots ---------------------------------------------------------------------------------------------------


@given(table, kinds, st.integers(0, 2**40))
def test_a_snapshot_reads_back_bit_for_bit(labels, kind, watermark):
    made = rebuilt(np.array(labels, np.int8), kind)
    back = empty(kind)
    assert back.restore(made.to_bytes(watermark=watermark, backbone_sha256="s"), backbone_sha256="s") == watermark
    assert same(positive_zeros(back), positive_zeros(made))


def snapshot():
    labels = np.random.default_rng(0).integers(-1, 2, (INPUTS, CONCEPTS)).astype(np.int8)
    return rebuilt(labels).to_bytes(watermark=9, backbone_sha256="s")


def refused(data, **changes):
    back = empty(**changes)
    with pytest.raises(BadHead, match="rebuil"):
        back.restore(data, backbone_sha256="s")
    assert same(back, empty(**changes))


@given(st.data())
def test_a_damaged_snapshot_is_refused(data):
    broken = bytearray(snapshot())
    place = data.draw(st.integers(0, len(broken) - 1))
    broken[place] ^= data.draw(st.integers(1, 255))
    refused(bytes(broken))


@settings(max_examples=20)
@given(st.floats(0, 0.999))
def test_a_truncated_snapshot_is_refused(share):
    made = snapshot()
    refused(made[: int(share * len(made))])


def test_a_snapshot_of_another_model_or_backbone_is_refused():
    refused(snapshot(), concepts=2)
    refused(snapshot(), kind=(True, False))
    refused(snapshot(), kind=(False, True))
    refused(snapshot(), spec=EmbeddingSpec.single(SIZE, -127, 0.05))
    refused(snapshot(), spec=EmbeddingSpec.single(SIZE, -128, 0.05, "l2"))
    with pytest.raises(BadHead):
        empty().restore(snapshot(), backbone_sha256="another")


def forged(**arrays):
    """A snapshot whose checksum is right and whose content is not what was written."""
    original = snapshot()
    magic = original[: original.index(b"\n") + 1]
    with np.load(io.BytesIO(original[len(magic) + 32 :])) as content:
        kept = {name: content[name] for name in content.files}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in {**kept, **arrays}.items() if value is not None})
    body = buffer.getvalue()
    return magic + hashlib.sha256(body).digest() + body


@pytest.mark.parametrize(
    "arrays",
    [
        {"total": np.zeros(SIZE + 1)},
        {"upper": np.zeros(3)},
        {"counts": np.zeros(6)},
        {"sums": np.zeros((6, SIZE), np.float32)},
        {"total": np.full(SIZE, np.nan)},
        {"total": None},
        {"header": np.frombuffer(b"not json", np.uint8)},
        {"header": np.frombuffer(json.dumps({"n": "x"}).encode(), np.uint8)},
        {"sums": np.array([{}], object)},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_snapshot_with_the_wrong_content_is_refused(arrays):
    refused(forged(**arrays))


@pytest.mark.parametrize("body", [b"", b"junk", b"PK\x03\x04junk"])
def test_a_checksum_alone_makes_no_snapshot(body):
    magic = snapshot().split(b"\n")[0] + b"\n"
    refused(magic + hashlib.sha256(body).digest() + body)

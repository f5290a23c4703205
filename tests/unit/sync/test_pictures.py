"""Pictures travel in parts, go on where they stopped, and are checked by their sha256 on both sides."""

import hashlib
import random

import pytest

from edge.errors import NotFound, RemoteUnavailable, StoreCorrupt
from edge.sync import pictures
from edge.sync.remotes.base import PART
from edge.sync.remotes.memory import Bucket, MemoryRemote
from edge.sync.transfer import Enough, Limits, Patience, Transfer

SIZES = [0, 1, 1000, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 17]


def sent(tmp_path, size):
    """A picture's file, its sha256, and a bucket that has it."""
    path, bucket = tmp_path / "picture", Bucket()
    path.write_bytes(random.Random(size).randbytes(size))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    pictures.push(Transfer(MemoryRemote(bucket)), path, sha256, size)
    return path, sha256, bucket


def failing_at(bucket, number):
    """A transfer that gives up at its so-many-th request."""
    left = [number]

    def faults(_verb, _key):
        left[0] -= 1
        return "refused" if left[0] < 0 else ""

    return Transfer(MemoryRemote(bucket, faults=faults), patience=Patience(attempts=1))


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_of_any_size_comes_back(tmp_path, size):
    path, sha256, bucket = sent(tmp_path, size)
    found = pictures.fetch(Transfer(MemoryRemote(bucket)), tmp_path / "in", sha256, size)
    assert found.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("size", SIZES)
def test_no_object_is_larger_than_a_part(tmp_path, size):
    _, _, bucket = sent(tmp_path, size)
    assert max(map(len, bucket.objects.values())) <= PART


def test_an_interrupted_picture_is_sent_on_from_where_it_stopped(tmp_path):
    path, sha256, _ = sent(tmp_path, 4 * PART)
    bucket = Bucket()
    with pytest.raises(RemoteUnavailable):
        pictures.push(failing_at(bucket, 3), path, sha256, 4 * PART)  # a listing and two parts
    transfer = Transfer(MemoryRemote(bucket))
    pictures.push(transfer, path, sha256, 4 * PART)
    assert transfer.counts.sent == 2 * PART
    assert pictures.there(transfer, sha256, 4 * PART)


def test_an_interrupted_picture_is_fetched_on_from_where_it_stopped(tmp_path):
    path, sha256, bucket = sent(tmp_path, 4 * PART)
    with pytest.raises(RemoteUnavailable):
        pictures.fetch(failing_at(bucket, 3), tmp_path / "in", sha256, 4 * PART)
    transfer = Transfer(MemoryRemote(bucket))
    assert pictures.fetch(transfer, tmp_path / "in", sha256, 4 * PART).read_bytes() == path.read_bytes()
    assert transfer.counts.received == PART


def test_what_a_power_cut_left_of_a_picture_is_not_believed(tmp_path):
    _, sha256, bucket = sent(tmp_path, 2 * PART)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / sha256).write_bytes(bytes(PART))
    with pytest.raises(pictures.Altered):
        pictures.fetch(Transfer(MemoryRemote(bucket)), tmp_path / "in", sha256, 2 * PART)
    assert pictures.fetch(Transfer(MemoryRemote(bucket)), tmp_path / "in", sha256, 2 * PART).stat().st_size == 2 * PART


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda data: data[:-1] + b"x"])
def test_an_altered_picture_is_not_taken(tmp_path, change):
    _, sha256, bucket = sent(tmp_path, 1000)
    (key,) = bucket.objects
    bucket.objects[key] = change(bucket.objects[key])
    transfer = Transfer(MemoryRemote(bucket))
    with pytest.raises(pictures.Altered):
        pictures.fetch(transfer, tmp_path / "in", sha256, 1000)
    assert not pictures.there(transfer, sha256, 1000)


def test_a_picture_that_is_not_there_yet_leaves_nothing(tmp_path):
    with pytest.raises(NotFound):
        pictures.fetch(Transfer(MemoryRemote()), tmp_path / "in", "ab" * 32, 1000)
    assert list((tmp_path / "in").iterdir()) == []
    assert not pictures.there(Transfer(MemoryRemote()), "ab" * 32, 1000)


@pytest.mark.parametrize("size", [1000, 2 * PART])
def test_a_damaged_file_is_not_sent(tmp_path, size):
    path, sha256, _ = sent(tmp_path, size)
    path.write_bytes(bytes(size))
    remote = MemoryRemote()
    with pytest.raises(StoreCorrupt):
        pictures.push(Transfer(remote), path, sha256, size)
    assert remote.requests == []


def test_a_file_that_is_gone_is_said(tmp_path):
    for size in (1000, 2 * PART):
        with pytest.raises(StoreCorrupt):
            pictures.push(Transfer(MemoryRemote()), tmp_path / "gone", "ab" * 32, size)


def test_a_picture_too_large_for_what_may_be_moved_is_not_begun(tmp_path):
    _, sha256, bucket = sent(tmp_path, 1000)
    transfer = Transfer(MemoryRemote(bucket), Limits(max_bytes=999))
    with pytest.raises(Enough):
        pictures.fetch(transfer, tmp_path / "in", sha256, 1000)
    assert transfer.counts.requests == 0

"""A request is made again until it is done, never twice over, and within what a run may cost."""

import random
from itertools import pairwise

import pytest

from edge.errors import Conflict, InvalidArgument, NotFound, RemoteRefused, RemoteUnavailable
from edge.sync.remotes.base import Object
from edge.sync.remotes.memory import Bucket, MemoryRemote
from edge.sync.transfer import Enough, Limits, Transfer

FAULTS = ["refused", "half", "error", "lost"]
KEY = "edge/1/blobs/aa/aa"


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def made(*faults, bucket=None, conditions=True, **limits):
    """A transfer whose first requests meet these faults."""
    left = list(faults)
    remote = MemoryRemote(bucket, faults=lambda _verb, _key: left.pop(0) if left else "")
    return Transfer(remote, Limits(**limits), clock=Clock(), chance=random.Random(1), conditions=conditions)


@pytest.mark.parametrize("kind", ["replace", "content", "create"])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_object_arrives_whatever_happens_to_the_first_request(kind, fault):
    transfer = made(fault)
    transfer.put(KEY, b"data", kind)
    assert transfer.remote.bucket.objects == {KEY: b"data"}
    assert transfer.counts.failures == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_an_object_is_read_whatever_happens_to_the_first_request(fault):
    transfer = made(fault)
    transfer.remote.bucket.objects[KEY] = b"data"
    assert transfer.get(KEY, limit=100) == b"data"
    assert transfer.head(KEY).size == 4
    assert [one.key for one in transfer.page("edge/1/")] == [KEY]


def test_a_lost_answer_does_not_send_a_picture_again():
    transfer = made("lost")
    transfer.put(KEY, b"data", "content")
    assert [verb for verb, _ in transfer.remote.requests] == ["put", "head"]


def test_what_is_made_once_is_told_from_what_another_made():
    bucket = Bucket()
    bucket.objects[KEY] = b"theirs"
    with pytest.raises(Conflict):
        made(bucket=bucket).put(KEY, b"ours", "create")
    made(bucket=bucket).put(KEY, b"theirs", "create")
    assert bucket.objects == {KEY: b"theirs"}


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_what_is_made_once_is_never_replaced_where_a_store_would_let_us(fault):
    bucket = Bucket(conditions=False)
    bucket.objects[KEY] = b"theirs"
    with pytest.raises(Conflict):
        made(fault, bucket=bucket, conditions=False).put(KEY, b"ours", "create")
    assert bucket.objects == {KEY: b"theirs"}


def test_what_never_works_is_given_up_after_some_tries():
    transfer = made(*["error"] * 100)
    with pytest.raises(RemoteUnavailable):
        transfer.put(KEY, b"data", "replace")
    assert transfer.counts.requests == transfer.counts.failures == 6


def test_what_is_refused_is_not_tried_again():
    transfer = made("full")
    with pytest.raises(RemoteRefused):
        transfer.put(KEY, b"data", "replace")
    assert transfer.counts.requests == 1


def test_what_is_not_there_is_not_asked_for_again():
    transfer = made()
    with pytest.raises(NotFound):
        transfer.get(KEY, limit=1)
    assert transfer.counts.requests == 1


def test_waits_between_tries_grow():
    waits = []
    transfer = made(*["error"] * 5)
    transfer.clock.sleep = waits.append
    transfer.put(KEY, b"data", "replace")
    assert all(short < long for short, long in pairwise(waits))
    assert len(waits) == 5


def test_no_request_is_begun_that_would_move_too_many_bytes():
    transfer = made(max_bytes=10)
    transfer.put(KEY, b"123456", "replace")
    with pytest.raises(Enough):
        transfer.put(KEY + "b", b"12345", "replace")
    assert transfer.counts.requests == 1
    transfer.put(KEY + "b", b"1234", "replace")


def test_no_request_is_begun_when_time_is_up():
    transfer = made(max_seconds=10)
    transfer.clock.now = 9.9
    transfer.put(KEY, b"data", "replace")
    transfer.clock.now = 10.1
    with pytest.raises(Enough):
        transfer.put(KEY, b"data", "replace")


def test_a_request_is_given_the_seconds_that_are_left():
    transfer = made(max_seconds=10)
    transfer.clock.now = 7
    transfer.put(KEY, b"data", "replace")
    assert transfer.remote.longest == 3


def test_no_wait_is_longer_than_the_time_that_is_left():
    transfer = made(*["error"] * 6, max_seconds=2)
    with pytest.raises(Enough):
        transfer.put(KEY, b"data", "replace")
    assert transfer.clock.now <= 2


def test_bytes_go_no_faster_than_they_may():
    transfer = made(rate=1000)
    for number in range(10):
        transfer.put(f"{KEY}{number}", bytes(500), "replace")
    assert transfer.clock.now == pytest.approx(4.5)


@pytest.mark.parametrize("limits", [{"max_bytes": 0}, {"max_seconds": -1}, {"rate": 0}, {"max_seconds": float("nan")}])
def test_a_limit_that_lets_nothing_through_is_refused(limits):
    with pytest.raises(InvalidArgument):
        Limits(**limits)


@pytest.mark.parametrize("key", ["edge/1/b", "edge/1/a", "edge/2/z", "../../z"])
def test_a_listing_that_would_never_end_is_refused(monkeypatch, key):
    transfer = made()
    monkeypatch.setattr(transfer.remote, "page", lambda _prefix, after: [Object(key, 1)])  # noqa: ARG005 named so
    with pytest.raises(RemoteRefused):
        transfer.page("edge/1/", after="edge/1/b")

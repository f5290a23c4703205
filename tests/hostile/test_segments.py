"""What another device may send, and what must not come of it: each is refused with a sentence, the store unchanged."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

pytest.importorskip("cryptography")

from edge.errors import BadSegment
from edge.sync.segments import KINDS, _record, unseal
from tests.devices import Device


@pytest.fixture
def three(tmp_path):
    return [Device(tmp_path / name) for name in "abc"]


def sent(device):
    """The manifest and the one segment of a device."""
    [(key, segment)] = list(device.book.segments(None))
    return device.book.manifest(), key, segment


def test_an_altered_segment_is_refused_and_changes_nothing(three):
    three[0].add("one", {"ripe": 1})
    manifest, key, segment = sent(three[0])
    for place in range(0, len(segment), 7):
        bad = bytearray(segment)
        bad[place] ^= 1
        try:
            three[1].book.merge(three[0].book.device, manifest, key, bytes(bad))
        except BadSegment:
            continue
        assert bytes(bad[:10]) != segment[:10], "only gzip's own header may differ unnoticed"
        three[1] = three[2]
        break
    assert three[2].store.inputs.count() == 0


@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_a_segment_that_is_cut_off_is_refused(three, cut):
    three[0].add("one", {"ripe": 1})
    manifest, key, segment = sent(three[0])
    with pytest.raises(BadSegment):
        three[1].book.merge(three[0].book.device, manifest, key, segment[:cut])
    assert three[1].dump()["inputs"] == []


def test_a_segment_of_another_device_under_this_ones_name_is_refused(three):
    three[0].add("one", {"ripe": 1})
    three[1].add("two", {"ripe": 1})
    manifest, key, _ = sent(three[0])
    _, _, other = sent(three[1])
    with pytest.raises(BadSegment):
        three[2].book.merge(three[0].book.device, manifest, key, other)


def test_segments_out_of_order_and_twice(three):
    three[0].add("one", {"ripe": 1})
    _, first, one = sent(three[0])
    three[0].add("two", {"ripe": 1})
    [_, (second, two)] = list(three[0].book.segments(None))
    manifest = three[0].book.manifest()
    device = three[0].book.device
    with pytest.raises(BadSegment, match="does not follow"):
        three[1].book.merge(device, manifest, second, two)
    assert three[1].book.merge(device, manifest, first, one) > 0
    assert three[1].book.merge(device, manifest, first, one) == 0
    assert three[1].book.merge(device, manifest, second, two) > 0
    assert list(three[1].book.read(device, manifest)) == []


def test_an_old_manifest_that_is_played_again_changes_nothing(three):
    three[0].add("one", {"ripe": 1})
    old, first, one = sent(three[0])
    three[0].add("two")
    [_, (second, two)] = list(three[0].book.segments(None))
    manifest, device = three[0].book.manifest(), three[0].book.device
    three[1].book.merge(device, manifest, first, one)
    three[1].book.merge(device, manifest, second, two)
    assert list(three[1].book.read(device, old)) == []


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[]", b"\xff", b"[" * 9000, b'{"signature": "AAAA"}'])
def test_a_manifest_that_is_none_is_refused(three, manifest):
    with pytest.raises(BadSegment):
        list(three[0].book.read("ab" * 16, manifest))


def test_a_bomb_is_not_unpacked(three):
    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < 1 << 20
    with pytest.raises(BadSegment, match="unpacks"):
        unseal(bomb, three[0].book._identity.public)


def test_fields_of_records_are_checked_one_by_one():
    rng = np.random.default_rng(0)
    strange = [None, True, -1, 2**70, "", "x" * 70_000, "../../etc/passwd", [], {}, 1.5, "\0", "a\nb"]
    device = "ab" * 16
    for kind, fields in KINDS.items():
        for name in fields:
            for value in rng.permutation(np.array(strange, dtype=object)):
                if fields[name](value):
                    continue
                table = {"kind": kind, "stamp": 1, "device": device, **dict.fromkeys(fields, value)}
                with pytest.raises(BadSegment):
                    _record(table, device)

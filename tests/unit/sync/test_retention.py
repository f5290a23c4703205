"""An original leaves the card only after every byte of it was read back; what is learnt from stays."""

import io
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from PIL import Image

from edge.errors import PictureElsewhere
from edge.store.shelf import Arrived, Place
from edge.sync import pictures, retention
from edge.sync.remotes.memory import MemoryRemote
from edge.sync.transfer import Limits, Transfer
from edge.types import Preprocessing

SIDE = 64
LATER = datetime.now(UTC) + timedelta(days=1)


def photograph(seed, size=(320, 240)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def stocked(engine):
    """Four pictures here, and a remote that has three of them."""
    engine.add([photograph(seed) for seed in range(4)], concepts=["a"])
    transfer = Transfer(MemoryRemote())
    for one in engine.store.shelf.older(LATER, after=0, limit=3):
        pictures.push(transfer, engine.store.shelf.blob(one), one.sha256, one.size)
    return engine, transfer


def thin(engine, transfer, **options):
    return retention.thin(engine.store.shelf, transfer, before=LATER, side=SIDE, **options)


def blobs(engine):
    return sorted(path.name for path in (engine.store.path / "blobs").glob("*/*"))


def test_only_what_is_safe_elsewhere_leaves_the_card(stocked):
    engine, transfer = stocked
    before = len(blobs(engine))
    found = thin(engine, transfer)
    assert (found.pictures, found.absent, found.kept) == (3, 1, 0)
    assert len(blobs(engine)) == before - 3
    assert found.freed > 0


def test_what_was_never_sent_costs_no_request(stocked):
    engine, transfer = stocked
    first = engine.store.shelf.older(LATER, after=0, limit=1)[0].sha256
    before = len(transfer.remote.requests)
    found = thin(engine, transfer, unsent=lambda digests: [one for one in digests if one != first])
    assert (found.pictures, found.absent) == (1, 3)
    assert len(transfer.remote.requests) == before + 1


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: bytes([data[0] ^ 1]) + data[1:]])
def test_a_picture_that_comes_back_altered_stays(stocked, damage):
    engine, transfer = stocked
    objects = transfer.remote.bucket.objects
    objects.update({key: damage(data) for key, data in objects.items()})
    assert thin(engine, transfer).pictures == 0
    assert len(blobs(engine)) == 4


def test_what_was_learnt_from_and_said_stays(stocked):
    engine, transfer = stocked
    inputs = engine.inputs()
    numbers = engine.store.inputs.numbers()
    rows = engine.store.inputs.embeddings(numbers, backbone_sha256=engine.card.sha256, size=engine.card.embedding.size)
    thin(engine, transfer)
    assert engine.inputs() == inputs
    after = engine.store.inputs.embeddings(numbers, backbone_sha256=engine.card.sha256, size=engine.card.embedding.size)
    assert (after == rows).all()


def test_the_copy_is_whole_and_large_enough(stocked):
    engine, transfer = stocked
    thin(engine, transfer)
    with Image.open(io.BytesIO(engine.store.shelf.view(engine.inputs()[0]))) as copy:
        assert (copy.format, copy.size) == ("JPEG", (85, SIDE))


def test_another_backbone_learns_from_the_copies(stocked, monkeypatch):
    from dataclasses import replace

    from edge.backbone import catalogue
    from edge.backbone.fake import CARD, FakeBackbone

    engine, transfer = stocked
    thin(engine, transfer)
    other = FakeBackbone(replace(CARD, name="other", sha256="ab" * 32))
    monkeypatch.setattr(catalogue, "open_backbone", lambda *_: other)
    assert engine.use_backbone("other") == 4


def test_the_original_is_asked_for_by_name(stocked):
    engine, transfer = stocked
    thin(engine, transfer)
    one = engine.inputs()[0]
    with pytest.raises(PictureElsewhere, match="edge remote fetch"):
        engine.store.shelf.original(one)


def test_an_original_comes_back(stocked):
    engine, transfer = stocked
    data = engine.store.shelf.view(engine.inputs()[0])
    thin(engine, transfer)
    shelf = engine.store.shelf
    (one,) = shelf.by_ids(Place.THINNED, [engine.inputs()[0].id])
    file = pictures.fetch(transfer, engine.store.path / "sync/incoming", one.sha256, one.size)
    shelf.arrive([Arrived(one, file, b"\0" * engine.card.embedding.size)], backbone_sha256=engine.card.sha256)
    assert shelf.original(engine.inputs()[0]) == data
    assert not shelf.copy_path(one.sha256).exists()
    assert shelf.by_ids(Place.THINNED, [one.id]) == []


def test_adding_the_same_picture_brings_its_original_back(stocked):
    engine, transfer = stocked
    thin(engine, transfer)
    engine.add(photograph(0))
    assert engine.store.shelf.original(engine.inputs()[0]) == photograph(0)
    assert thin(engine, transfer).pictures == 1


def test_the_doctor_finds_nothing_wrong_with_a_thinned_store(stocked):
    from edge.engine.health import _store

    engine, transfer = stocked
    thin(engine, transfer)
    assert {one.level for one in _store(engine, False) if one.check in ("pictures", "leftovers", "embeddings")} == {
        "ok"
    }


def test_the_doctor_misses_a_copy(stocked):
    engine, transfer = stocked
    thin(engine, transfer)
    engine.store.shelf.copy_path(engine.inputs()[0].sha256).unlink()
    (found,) = [one for one in engine.store.check() if one.check == "pictures"]
    assert found.level == "problem"
    assert "edge remote fetch" in found.message


def test_young_pictures_stay(stocked):
    engine, transfer = stocked
    found = retention.thin(engine.store.shelf, transfer, before=datetime.now(UTC) - timedelta(days=1), side=SIDE)
    assert found.pictures == 0


def test_small_pictures_stay(stocked):
    engine, transfer = stocked
    assert retention.thin(engine.store.shelf, transfer, before=LATER, side=240).kept == 4


def test_no_more_than_enough_leaves(stocked):
    engine, transfer = stocked
    assert thin(engine, transfer, enough=1).pictures == 1


def test_a_limit_ends_it_between_two_pictures(stocked):
    engine, transfer = stocked
    size = engine.inputs()[0].size
    limited = Transfer(transfer.remote, Limits(max_bytes=size + 10))
    found = thin(engine, limited)
    assert found.pictures == 1
    assert found.stopped


def test_the_copy_is_large_enough_for_the_largest_backbone():
    cards = [Preprocessing(224, 224, crop=0.875), Preprocessing(260, 260, crop=0.9), Preprocessing(160, 160, crop=1.0)]
    assert retention.side_for(iter(cards)) == 289

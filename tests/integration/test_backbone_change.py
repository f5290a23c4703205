"""Changing the backbone of a store that is in use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge import Engine
from edge.backbone import catalogue
from edge.backbone.fake import CARD, FakeBackbone
from edge.errors import StoreCorrupt, StoreUnavailable
from tests.integration.crashing import complaints, picture

OTHER = replace(CARD, name="other", sha256="1" * 64)


@pytest.fixture(autouse=True)
def other(monkeypatch):
    """A second fake backbone."""
    real = catalogue.open_backbone
    monkeypatch.setattr(catalogue, "BUILTIN", {**catalogue.BUILTIN, "other": "patched below"})
    monkeypatch.setattr(
        catalogue, "open_backbone", lambda name, config: FakeBackbone(OTHER) if name == "other" else real(name, config)
    )


def test_pictures_that_another_process_adds_meanwhile_are_embedded_too(engine, config):
    engine.add([picture(0, number) for number in range(20)], concepts=["a"])
    with Engine.open(engine.store.path, config=config) as second:

        def add(done: int, _total: int) -> None:
            if done <= 20:
                second.add(picture(1, done))

        computed = engine.use_backbone("other", progress=add)
        assert engine.backbone_name == "other"
        assert computed == engine.store.inputs.count() == 22
        assert engine.store.inputs.missing_embeddings(OTHER.sha256, OTHER.embedding.size) == []


def test_a_process_that_adds_afterwards_uses_the_new_backbone(engine, config):
    engine.add(picture(0), concepts=["a"])
    with Engine.open(engine.store.path, config=config) as second:
        second.add(picture(1), concepts=["a"])
        engine.use_backbone("other")
        second.add(picture(2), concepts=["a"])
    assert engine.store.inputs.missing_embeddings(OTHER.sha256, OTHER.embedding.size) == []
    assert list(complaints(engine)) == []


def test_a_change_in_the_middle_of_adding_embeds_the_batch_again(engine, config):
    engine.add(picture(0), concepts=["a"])
    with Engine.open(engine.store.path, config=config) as second:
        changed = []

        def change(done: int, _total: int) -> None:
            if not changed:
                changed.append(done)
                second.use_backbone("other")

        added = engine.add([picture(1, number) for number in range(40)], concepts=["a"], progress=change)
    assert (added.created, changed) == (40, [16])
    assert engine.store.inputs.missing_embeddings(OTHER.sha256, OTHER.embedding.size) == []


def test_an_interrupted_change_goes_on_where_it_stopped(engine):
    engine.add([picture(0, number) for number in range(40)], concepts=["a"])

    def stop(done: int, _total: int) -> None:
        if done == 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.use_backbone("other", progress=stop)
    assert engine.backbone_name == "fake"
    assert engine.use_backbone("other") == 8


def test_a_removed_input_whose_picture_is_gone_does_not_keep_the_others(engine):
    engine.add([picture(0, number) for number in range(3)], concepts=["a"])
    gone = engine.inputs()[0]
    engine.store.inputs.blob_path(gone.sha256, gone.media_type).unlink()
    with pytest.raises(StoreCorrupt, match="edge remove"):
        engine.use_backbone("other")
    engine.remove([gone.id])
    assert engine.use_backbone("other") == 2
    assert engine.backbone_name == "other"


def test_a_failure_after_some_batches_says_how_many_pictures_are_stored(engine, monkeypatch):
    real = engine.store.inputs.add
    batches = []

    def full(new, *, by):
        batches.append(len(new))
        if len(batches) == 3:
            raise StoreUnavailable("the disk is full")
        return real(new, by=by)

    monkeypatch.setattr(engine.store.inputs, "add", full)
    with pytest.raises(StoreUnavailable, match=r"32 of 40 pictures are stored, then: the disk is full"):
        engine.add([picture(0, number) for number in range(40)], concepts=["a"])
    assert engine.store.inputs.count() == 32

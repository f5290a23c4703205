"""Pictures and annotations that nobody should teach with: a clear message or a sensible result, and never NaN."""

from __future__ import annotations

import io
import math
import sqlite3
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import edge
from edge.errors import BackboneChanged, CannotTrain, StoreCorrupt
from edge.store import NewInput

KINDS = [
    pytest.param({}, id="independent"),
    pytest.param({"closed_environment": True}, id="independent, closed"),
    pytest.param({"mutually_exclusive": True}, id="exclusive"),
    pytest.param({"mutually_exclusive": True, "closed_environment": True}, id="exclusive, closed"),
]


def copies(pixels, count):
    """Different files of one picture: the same embedding as often as wanted, and each an input of its own."""
    found = []
    for number in range(count):
        buffer = io.BytesIO()
        facts = PngInfo()
        facts.add_text("number", str(number))
        Image.fromarray(pixels).save(buffer, "PNG", pnginfo=facts)
        found.append(buffer.getvalue())
    return found


def numbers(value):
    """Every float inside a record."""
    if isinstance(value, float):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from numbers(getattr(value, field.name))
    elif isinstance(value, dict):
        yield from numbers(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from numbers(one)


def sane(model, *pictures):
    """Train, and look at everything that comes out; returns the version."""
    version = model.train()
    assert version.evaluation is not None
    assert all(math.isfinite(one) for one in numbers(version.info))
    _, head = model.head()
    for array in (head.weights, head.bias, head.familiar, head.distances.rows, head.distances.offset):
        assert np.isfinite(array).all()
    for picture in pictures:
        found = model.predict(picture)
        assert 0 <= found.known <= 1
        assert all(0 <= score.value <= 1 for score in found.concepts)
        if head.mutually_exclusive:
            assert sum(score.value for score in found.concepts) == pytest.approx(1)
    return version


def top(model, picture):
    return model.predict(picture).concepts[0].id


@pytest.mark.parametrize("kind", KINDS)
def test_all_pictures_of_a_concept_are_the_same(engine, blob, kind):
    engine.add(copies(blob("red"), 8), concepts=["red"], not_concepts=["green"])
    engine.add([blob("green", seed) for seed in range(8)], concepts=["green"], not_concepts=["red"])
    model = engine.create_model("m", ["red", "green"], **kind)
    sane(model, blob("red"), blob("green"), blob("blue"))
    assert (top(model, blob("red", 9)), top(model, blob("green", 9))) == ("red", "green")


@pytest.mark.parametrize("kind", KINDS)
def test_every_concept_has_one_picture_over_and_over(engine, blob, kind):
    engine.add(copies(blob("red"), 6), concepts=["red"], not_concepts=["green"])
    engine.add(copies(blob("green"), 6), concepts=["green"], not_concepts=["red"])
    model = engine.create_model("m", ["red", "green"], **kind)
    sane(model, blob("red"), blob("green"), blob("blue"))
    assert (top(model, blob("red", 9)), top(model, blob("green", 9))) == ("red", "green")


@pytest.mark.parametrize("kind", KINDS)
def test_two_concepts_have_the_same_pictures(engine, blob, kind):
    same = copies(blob("red"), 8)
    engine.add(same[:4], concepts=["one"], not_concepts=["other"])
    engine.add(same[4:], concepts=["other"], not_concepts=["one"])
    model = engine.create_model("m", ["one", "other"], **kind)
    sane(model, blob("red"), blob("green"))
    one, other = model.predict(blob("red")).concepts
    assert one.value == pytest.approx(other.value, abs=0.02)  # nothing tells them apart


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_nothing_but_one_black_picture_of_each(engine, blob, kind):
    """The fake backbone's answer to black may have nothing in it at all."""
    black = copies(np.zeros((64, 64, 3), np.uint8), 2)
    engine.add(black[0], concepts=["one"], not_concepts=["other"])
    engine.add(black[1], concepts=["other"], not_concepts=["one"])
    model = engine.create_model("m", ["one", "other"], **kind)
    sane(model, np.zeros((64, 64, 3), np.uint8), blob("red"))


def test_one_picture_is_enough_to_begin_with(real_engine, blob):
    real_engine.add(blob("red"), concepts=["red"])
    model = real_engine.create_model("m", ["red"])
    version = sane(model, blob("red"), blob("green"))
    assert version.info.counts == {"red": (1, 0)}
    assert version.evaluation.accuracy is None
    assert version.evaluation.not_evaluable == 1
    assert model.predict(blob("red")).concepts[0].value > 0.5


def test_one_picture_without_anything_to_tell_it_from_is_refused(engine, blob):
    engine.add(blob("red"), concepts=["red"])
    with pytest.raises(CannotTrain, match="add pictures that do not show it"):
        _ = engine.create_model("m", ["red"], closed_environment=True).train().evaluation


@pytest.mark.parametrize("kind", KINDS)
def test_one_picture_of_each_concept(engine, blob, kind):
    engine.add(blob("red"), concepts=["red"], not_concepts=["green"])
    engine.add(blob("green"), concepts=["green"], not_concepts=["red"])
    model = engine.create_model("m", ["red", "green"], **kind)
    version = sane(model, blob("red"), blob("green"), blob("blue"))
    assert version.evaluation.accuracy is None
    assert (top(model, blob("red", 9)), top(model, blob("green", 9))) == ("red", "green")


@pytest.mark.parametrize("exclusive", [False, True])
def test_five_hundred_concepts(engine, exclusive):
    """Two pictures of each in one file's worth of rows: what is slow is the adding, so that is done in bulk."""
    names = [f"concept {number}" for number in range(500)]
    rows = np.random.default_rng(0).integers(-128, 128, (500, 96)).astype(np.int8)
    for start in range(0, 500, 100):
        part = range(start, start + 100)
        engine.store.inputs.add(
            [
                NewInput(b"%d %d" % (number, copy), "image/png", 1, 1, "x", rows[number].tobytes(), engine.card.sha256,
                         {names[number]: 1, names[number - 1]: 0})
                for number in part
                for copy in range(2)
            ],
            by="user",
        )  # fmt: skip
    model = engine.create_model("m", names, mutually_exclusive=exclusive)
    version = sane(model)
    assert len(version.info.counts) == 500
    values, known = model.head()[1].predict(rows)
    assert np.isfinite(values).all()
    assert np.isfinite(known).all()
    assert (values.argmax(axis=1) == np.arange(500)).mean() > 0.99


def test_the_only_pictures_of_a_concept_were_removed(engine, blob):
    engine.add([blob("red", seed) for seed in range(4)], concepts=["red"], not_concepts=["green"])
    green = engine.add([blob("green", seed) for seed in range(4)], concepts=["green"], not_concepts=["red"])
    model = engine.create_model("m", ["red", "green"])
    sane(model)
    engine.add([blob("blue", seed) for seed in range(4)], not_concepts=["red", "green"])
    engine.remove([one.id for one in green.inputs])
    with pytest.raises(CannotTrain, match="no picture shows 'green'; add some with --concept green"):
        _ = model.train().evaluation
    assert {one.id for one in model.predict(blob("green")).concepts} == {"red", "green"}  # the version before
    engine.restore([one.id for one in green.inputs])
    sane(model, blob("green"))


def test_pictures_that_show_two_concepts_that_exclude_each_other_are_left_out(engine, blob):
    engine.add([blob("red", seed) for seed in range(6)], concepts=["red"])
    engine.add([blob("green", seed) for seed in range(6)], concepts=["green"])
    model = engine.create_model("m", ["red", "green"], mutually_exclusive=True)
    sane(model)
    both = engine.add([blob("blue", seed) for seed in range(3)], concepts=["red", "green"])
    version = sane(model, blob("red"), blob("blue"))
    assert len(both.inputs) == 3
    assert version.info.counts == {"red": (6, 6), "green": (6, 6)}
    assert (top(model, blob("red", 9)), top(model, blob("green", 9))) == ("red", "green")


def test_nothing_but_contradictions_is_refused(engine, blob):
    engine.add([blob("red", seed) for seed in range(4)], concepts=["red", "green"])
    with pytest.raises(CannotTrain, match="no picture shows 'red'"):
        _ = engine.create_model("m", ["red", "green"], mutually_exclusive=True).train().evaluation


# --- embeddings that are not this backbone's -------------------------------------------------------------------------


@pytest.fixture
def taught(engine, blob):
    engine.add([blob("red", seed) for seed in range(5)], concepts=["red"], not_concepts=["green"])
    engine.add([blob("green", seed) for seed in range(5)], concepts=["green"], not_concepts=["red"])
    return engine.create_model("m", ["red", "green"])


def changed(engine, statement, *values):
    with sqlite3.connect(engine.store.path / "store.sqlite") as connection:
        connection.execute(statement, values)
    connection.close()


def test_embeddings_of_another_backbone_are_not_looked_at(taught, engine):
    sane(taught)
    changed(engine, "INSERT INTO embeddings SELECT input, ?, zeroblob(7) FROM embeddings", "f" * 64)
    sane(taught)
    with edge.Engine.open(engine.store.path, config=engine.config) as other:
        sane(other.model("m"))
    heads = [taught.head(version)[1].to_bytes() for version in ("v1", "v2", "v3")]
    assert heads[0] == heads[1] == heads[2]


def test_a_picture_with_another_backbones_embedding_only_is_named_and_mended(taught, engine, blob):
    changed(engine, "UPDATE embeddings SET backbone = ? WHERE input = 3", "f" * 64)
    with pytest.raises(BackboneChanged, match="run edge doctor --repair"):
        _ = taught.train().evaluation
    assert any(one.repaired for one in engine.doctor(repair=True))
    sane(taught, blob("red"))


def test_an_embedding_of_the_wrong_size_is_named_and_mended(taught, engine, blob):
    changed(engine, "UPDATE embeddings SET data = zeroblob(12) WHERE input = 3")
    with pytest.raises(StoreCorrupt, match="run edge doctor --repair"):
        _ = taught.train().evaluation
    assert any(one.repaired for one in engine.doctor(repair=True))
    sane(taught, blob("red"))

"""A store with everything in it that a format may lose, and an empty one beside it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import edge
from edge.engine.pictures import Picture, loaded
from edge.image import encode_png
from tests.interchanged import EARLY


@pytest.fixture
def rich(engine, blob):
    """Exclusive concepts, 1 and 0 and nothing, two people, a chosen id, metadata, a renamed concept, odd names."""
    engine.add([blob("red", 1), blob("red", 2)], concepts='ripe, "very"', not_concepts="green", by="anna")
    engine.add(blob("green", 1), concepts="green", by="bo")
    engine.add(blob("yellow", 1), concepts="Öl & <mehr>")
    given = Picture(
        encode_png(blob("blue", 1)),
        "camera://gate",
        {"green": 1},
        id="Gate/1".replace("/", ":"),
        metadata={"lux": 3, "nested": {"a": [1, None]}},
        said={"green": ("carla", EARLY)},
    )
    engine.store.inputs.add([loaded(given, engine.backbone)], by="x")
    engine.rename_concept("green", "unripe")
    return engine


@pytest.fixture
def other(tmp_path, config):
    """An empty store elsewhere."""
    with edge.Engine.open(tmp_path / "other", backbone="fake", config=config) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path, blob):
    """``folder("a/1.png", "a/2.png")``: a folder with such pictures, all different."""

    def make(*names, at="given"):
        for number, name in enumerate(names):
            path = tmp_path / at / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.asarray(blob("red", number))).save(path)
        return tmp_path / at

    return make

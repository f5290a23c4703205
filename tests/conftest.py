"""What tests of every kind share: the runtime under test, pictures, engines. All of it is light.

``EDGE_TEST_RUNTIME`` chooses the runtime ("litert", "tflite-runtime"; default: the one that is installed). Tests that
run under either are marked ``either_runtime``; where a runtime was named and is missing they fail, they never skip.
"""

from __future__ import annotations

import json
import os
import signal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

import edge
from edge.backbone.catalogue import open_backbone
from edge.config import DEFAULT_BACKBONE, Config

RUNTIME = os.environ.get("EDGE_TEST_RUNTIME", "auto")
GROUNDS = ("brick", "grass", "gravel")

# what the service is made of is not installed where only a runtime or the trainer is tested
collect_ignore = [] if find_spec("starlette") and find_spec("httpx") else ["faces/api", "faces/page"]

settings.register_profile("edge", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("edge")

# what the developer's shell says must not reach the tests, nor the processes they start
for _name in [one for one in os.environ if one.startswith("EDGE_") and not one.startswith("EDGE_TEST_")]:
    del os.environ[_name]
os.environ["EDGE_RUNTIME"] = RUNTIME

# started in a shell's background, processes are told to ignore Ctrl-C; the tests and what they start shall hear it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def config():
    """The configuration tests open stores and backbones with: the runtime under test, on the CPU, one thread."""
    return Config(runtime=RUNTIME, delegate="none", threads=1)


@pytest.fixture(scope="session")
def backbone(config):
    """The default backbone, open, under the runtime under test."""
    opened = open_backbone(DEFAULT_BACKBONE, config)
    yield opened
    opened.close()


@pytest.fixture
def engine(tmp_path, config):
    """An empty store with the fake backbone: quick, for whatever does not depend on the network."""
    with edge.Engine.open(tmp_path / "store", backbone="fake", config=config) as opened:
        yield opened


@pytest.fixture
def real_engine(tmp_path, config):
    """An empty store with the default backbone."""
    with edge.Engine.open(tmp_path / "store", config=config) as opened:
        yield opened


@pytest.fixture(scope="session")
def blob():
    """``blob("red", 3)``: a uint8 (64, 64, 3) array, the colour with blotches of that seed.

    The fake tells the colours apart, and two blobs of a colour are two pictures, not two frames of one moment.
    """
    colours = {"red": (200, 40, 40), "green": (40, 190, 60), "blue": (50, 60, 200), "yellow": (220, 210, 40)}

    def make(colour: str, seed: int = 0, size: tuple[int, int] = (64, 64)) -> np.ndarray:
        generator = np.random.default_rng(seed)
        blotches = generator.normal(0, 24, (8, 8, 3))
        rows, columns = (np.arange(length) * 8 // length for length in size)
        noise = generator.normal(0, 10, (*size, 3)) + blotches[rows][:, columns]
        return (np.array(colours[colour]) + noise).clip(0, 255).astype(np.uint8)

    return make


@pytest.fixture
def taught(engine, blob):
    """``engine`` with a trained model "colours" of two concepts that exclude each other, four pictures of each."""
    for colour in ("red", "green"):
        engine.add([blob(colour, seed) for seed in range(4)], concepts=[colour])
    engine.create_model("colours", ["red", "green"], mutually_exclusive=True).train().wait()
    return engine


@pytest.fixture(scope="session")
def fused():
    """``fused(engine)``: what exporting "colours" would write, but for the backbone, which the fake one is no file of.

    ``head`` replaces the head's bytes, any other argument that field of what the file says about itself.
    """
    from edge.engine.exporting import record_of
    from edge.export.extend import Extension
    from edge.export.record import CONCEPTS, HEAD

    def make(engine: edge.Engine, *, head: bytes | None = None, **changes: object) -> bytes:
        model = engine.model("colours")
        record = record_of(model, *model.head(), engine.card, full_integer=False)
        graph = Extension()
        graph.inputs = (graph.tensor("x", (1, 4), "INT8", scale=1.0),)
        graph.metadata(CONCEPTS, json.dumps({**json.loads(record.to_json()), **changes}).encode())
        graph.metadata(HEAD, record.head if head is None else head)
        return graph.finish(graph.inputs[0], "x")

    return make


@pytest.fixture
def saved(tmp_path):
    """``saved("a/b.png", array)``: writes a picture below the test's folder and returns its path."""

    def save(name: str, pixels: np.ndarray, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **options)
        return path

    return save


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A folder of real photographs in disjoint crops of 102 pixels: taught/ and held-out/ with brick, grass, gravel.

    Cut from scikit-image's textures; ten taught and ten held-out pictures each.
    """
    import skimage.data

    folder = tmp_path_factory.mktemp("photographs")
    for ground in GROUNDS:
        texture = getattr(skimage.data, ground)()
        for part, left in (("taught", 0), ("held-out", 306)):
            (folder / part / ground).mkdir(parents=True)
            for number in range(10):
                y, x = (number // 2) * 102, left + (number % 2) * 102
                Image.fromarray(texture[y : y + 102, x : x + 102]).save(folder / part / ground / f"{number}.png")
    return folder

"""The whole way of a backbone: packaged weights to a file a device opens, or a refusal that leaves nothing behind."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edge.backbone.catalogue import background, find_card, golden, open_backbone, read_verified
from edge.backbone.golden import golden_images
from edge.config import Config
from trainer.cli import main

pytestmark = pytest.mark.trainer
SIZE = 96
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "brick", "grass", "gravel", "coins")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Crops of photographs: ``all`` in one folder, and ``sets`` with a folder for each of three textures."""
    from skimage import data

    root = tmp_path_factory.mktemp("photographs")
    (root / "all").mkdir()
    for name in PHOTOGRAPHS:
        photo = Image.fromarray(getattr(data, name)()).convert("RGB")
        for number in range(3):
            left = number * (photo.width - 200) // 2
            crop = photo.crop((left, 20, left + 200, 220))
            crop.save(root / "all" / f"{name}-{number}.png")
    for name in ("brick", "grass", "gravel"):
        (root / "sets" / name).mkdir(parents=True)
        photo = Image.fromarray(getattr(data, name)()).convert("RGB")
        for number in range(16):
            left, top = number % 4 * 100, number // 4 * 100
            photo.crop((left, top, left + 100, top + 100)).save(root / "sets" / name / f"{number}.png")
    return root


def run(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def exported(photographs, tmp_path_factory):
    """The folder of one real export with its labelled gate, and what the command printed."""
    out = tmp_path_factory.mktemp("backbones")
    done = run(
        "--json", "export", "--size", SIZE, "--representative", photographs / "all",
        "--labelled", photographs / "sets", "--limit-points", 20, "--seeds", 3, "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return out, json.loads(done.stdout.strip().splitlines()[-1])


def test_the_card_says_everything_about_the_file(exported):
    out, printed = exported
    folder, card = find_card("efficientnet-lite0-96", Config(backbones=str(out)))
    facts = card.facts
    assert card.licence == "Apache-2.0"
    assert "EfficientNet-Lite" in card.source
    assert card.input.dtype == "int8"
    assert (card.input.scale, card.input.zero_point) == (1 / 128, -1)
    parts = [(part.size, part.transform, part.weight) for part in card.embedding.parts]
    assert parts == [(1280, "sqrt", 1.0), (80, "l2", 0.5), (112, "l2", 0.5), (192, "l2", 0.5)]
    assert card.embedding.parts[0].zero_point == -128
    assert facts["ops"]["list"] == ["ADD v1", "CONV_2D v1", "DEPTHWISE_CONV_2D v1", "MEAN v1"]
    assert facts["edge_tpu"]["compatible"] is True
    assert {"torch", "litert-torch", "ai-edge-quantizer"} <= set(facts["tools"])
    assert facts["parity"]["sets"] == ["sets"]
    assert printed["facts"]["parity"] == facts["parity"]
    read_verified(folder, card)  # the sha256 is the file's


def test_int8_embeddings_stay_close_to_the_float_network(exported):
    parity = exported[1]["facts"]["parity"]
    assert parity["images"] == 24
    assert parity["cosine_mean"] > 0.98
    assert parity["cosine_min"] > 0.93


def test_what_is_written_beside_the_file_is_what_the_file_gives(exported):
    out, _ = exported
    config = Config(backbones=str(out))
    folder, card = find_card("efficientnet-lite0-96", config)
    opened = open_backbone(card.name, config)
    again = np.stack([opened.embed(picture) for picture in golden_images(SIZE, SIZE)])
    assert np.abs(again.astype(int) - golden(folder, card)).max() <= 3
    assert background(folder, card).shape == (24, 1664)
    assert card.held_back == 8


def test_a_loss_over_the_limit_is_refused_and_nothing_is_written(photographs, tmp_path, monkeypatch):
    from trainer import convert, parity

    # the gate is asked with a network that forgot everything, so that the slow conversion can be left out
    blind = (find_card("efficientnet-lite0-160", Config())[0] / "efficientnet-lite0-160.tflite").read_bytes()
    monkeypatch.setattr(convert, "convert", lambda *_: blind)
    monkeypatch.setattr(parity, "_accuracies", lambda *_: np.array([[0.9, 0.9], [0.8, 0.8]]))
    done = run(
        "export", "--size", 160, "--representative", photographs / "all", "--labelled", photographs / "sets",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 2
    assert "INT8 loses 10.00 points of 10-shot accuracy, over the limit of 1" in done.stderr
    assert not (tmp_path / "out").exists()

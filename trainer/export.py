"""Build a backbone from packaged weights and write it with everything a device needs, if it passes its gates."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edge.errors import BadBackbone
from edge.export.graph import describe
from edge.image import prepare
from edge.types import BackboneCard, Fit, Preprocessing
from trainer.data import concept_folders, pictures, shuffled
from trainer.edgetpu import complaints
from trainer.embeddings import unit
from trainer.parity import Parity, measure
from trainer.publish import card_for, open_bytes, write

FIT: Fit = "centre"
CROP = 0.875
"""How a picture becomes a square, chosen by `scripts/bench crop`; see docs/backbones.md."""
MIDDLE_WEIGHT = 0.5
"""How long the part of each middle block is in z, beside 1 for the last layer; chosen by `scripts/bench accuracy`."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to build. ``size``: side of the input in pixels, ``None``: the one the network was trained at.

    ``labelled``: folders of concepts on which INT8 may lose ``limit_points`` points of 10-shot accuracy, mean over
    ``seeds`` draws.
    """

    architecture: str
    representative: Path
    size: int | None = None
    labelled: tuple[Path, ...] = ()
    out: Path = Path("models")
    fit: Fit = FIT
    crop: float = CROP
    limit_points: float = 1.0
    seeds: int = 20


def export(options: ExportOptions) -> BackboneCard:
    """Convert, measure, check and write. Returns the card as a device reads it.

    Raises BadBackbone when a gate refuses (then nothing is written), NotFound, and RuntimeMissing when a package of
    the trainer half is missing.
    """
    from trainer.convert import convert, float_embedder
    from trainer.network import LICENCE, MEAN, SOURCE, STD, architecture, build

    size = options.size or architecture(options.architecture).size
    preprocessing = Preprocessing(size, size, options.fit, options.crop, MEAN, STD)
    paths = shuffled(pictures(options.representative))
    for folder in options.labelled:  # a typing mistake shows now, not after the conversion
        concept_folders(folder)
    network = build(options.architecture, size)
    data = convert(network, size, np.stack([prepare(path, preprocessing) for path in paths]))
    refuse_foreign_ops(data)
    name = f"{options.architecture}-{size}"
    card = card_for(name, data, preprocessing, SOURCE, LICENCE, middle_weight=MIDDLE_WEIGHT)
    backbone = open_bytes(card, data)
    floats = float_embedder(network, size)
    parity = measure(
        paths,
        list(options.labelled),
        preprocessing,
        lambda picture: unit(floats(picture)[np.newaxis], card.embedding)[0],
        lambda picture: unit(backbone.embed(picture)[np.newaxis], card.embedding)[0],
        seeds=options.seeds,
    )
    refuse_loss(parity, options.limit_points)
    report = {**asdict(parity), "loss_points": parity.loss_points, "limit_points": options.limit_points}
    facts = {"parity": {key: value for key, value in report.items() if value is not None}}
    return write(card, data, paths, options.out, facts, backbone)


def refuse_loss(parity: Parity, limit_points: float) -> None:
    """Raises BadBackbone when INT8 loses more than the limit."""
    loss = parity.loss_points
    if loss is not None and loss > limit_points:
        raise BadBackbone(
            f"INT8 loses {loss:.2f} points of {parity.shots}-shot accuracy, over the limit of {limit_points:g}; "
            "give more varied representative pictures, or raise --limit-points"
        )


def refuse_foreign_ops(data: bytes) -> None:
    """Raises BadBackbone when the Edge TPU's compiler would not map the whole graph."""
    refused = complaints(describe(data))
    if refused:
        raise BadBackbone(f"the Edge TPU would not take this graph ({'; '.join(refused)}); choose another --backbone")

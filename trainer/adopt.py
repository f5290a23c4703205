"""Make a backbone of an embedding extractor that was made elsewhere. Needs no package of the trainer half."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge.backbone.card import read_card
from edge.backbone.catalogue import BUILTIN
from edge.backbone.runtime import read_file
from edge.backbone.tflite import TfliteBackbone
from edge.errors import BadBackbone, Conflict, HardwareMissing, InvalidArgument, NotFound
from edge.export.graph import TensorFacts, describe
from edge.export.verify import check_structure
from edge.types import BackboneCard, Fit, Preprocessing, Transform
from trainer.data import pictures, shuffled
from trainer.edgetpu import COMPILED
from trainer.publish import card_for, open_bytes, write

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_LEVELS_LOST = 26  # a tenth of the 256 grey levels: more, and --mean or --std is surely wrong


@dataclass(frozen=True, slots=True)
class AdoptOptions:
    """What to adopt and how. ``None``: derived from the file. ``mean`` and ``std`` as in ``Preprocessing``.

    ``representative``: a folder of everyday pictures for the background. ``without_embeddings``: the file is not run,
    so the card has neither background nor golden embeddings.
    """

    file: Path
    name: str | None = None
    representative: Path | None = None
    out: Path = Path("models")
    fit: Fit = "centre"
    crop: float = 0.875
    mean: float | None = None
    std: float | None = None
    transform: Transform | None = None
    licence: str = "unknown"
    source: str | None = None
    without_embeddings: bool = False


def adopt(options: AdoptOptions) -> BackboneCard:
    """Check the file and write it with its card, background and golden embeddings. Returns the card.

    Raises BadBackbone (no full-integer embedding extractor), InvalidArgument, NotFound, Conflict (another backbone
    has that name) and HardwareMissing (compiled for the Edge TPU, and there is none here to compute the background).
    """
    if not options.file.is_file():
        raise NotFound(f"{options.file} is not a file; give the path of a .tflite file")
    if options.without_embeddings and options.representative:
        raise InvalidArgument("--representative is of no use --without-embeddings; leave one of them out")
    data = read_file(options.file)
    check_structure(data)
    name = _name(options)
    card = card_for(
        name,
        data,
        _preprocessing(options, data),
        options.source or options.file.name,
        options.licence,
        options.transform,
    )
    _refuse_other(options.out / f"{name}.toml", card)
    paths = shuffled(pictures(options.representative)) if options.representative else []
    backbone = None if options.without_embeddings else _open(card, data)
    return write(card, data, paths, options.out, {}, backbone)


def _name(options: AdoptOptions) -> str:
    name = options.name or options.file.name.removesuffix(".tflite")
    if _NAME.match(name) is None or name in BUILTIN:
        raise InvalidArgument(f"{name!r} cannot name a backbone; give --name with letters, digits, dots and dashes")
    return name


def _preprocessing(options: AdoptOptions, data: bytes) -> Preprocessing:
    """Size from the graph; mean and std from the options, else such that a pixel's level is the input's level."""
    facts = describe(data)
    if (options.mean is None) != (options.std is None):
        raise InvalidArgument("--mean and --std go together; give both or neither")
    if len(facts.inputs) != 1 or len(facts.inputs[0].shape) != 4 or facts.inputs[0].scale <= 0:
        return Preprocessing(1, 1)  # card_for refuses such a file and says why
    one = facts.inputs[0]
    lowest = -128 if one.dtype == "INT8" else 0
    mean, std = options.mean, options.std
    if mean is None or std is None:
        # level q = lowest + p means scale * (q - zero_point) = (p - (zero_point - lowest)) / (1 / scale)
        mean, std = float(one.zero_point - lowest), 1 / one.scale
    _check_range(one, lowest, mean, std)
    return Preprocessing(one.shape[2], one.shape[1], options.fit, options.crop, mean, std)


def _check_range(one: TensorFacts, lowest: int, mean: float, std: float) -> None:
    """Refuse a mean and std under which many grey levels fall outside what the input can hold."""
    levels = [(p - mean) / std / one.scale + one.zero_point - lowest for p in range(256)]
    lost = sum(not -0.5 <= level < 255.5 for level in levels)
    if lost > _LEVELS_LOST:
        low, high = (one.scale * (lowest + end - one.zero_point) for end in (0, 255))
        raise InvalidArgument(
            f"with mean {mean:g} and std {std:g}, {lost} of 256 grey levels fall outside the input's range "
            f"{low:.3f}..{high:.3f}; leave --mean and --std out or correct them"
        )


def _refuse_other(place: Path, card: BackboneCard) -> None:
    if place.exists():
        try:
            same = read_card(place).sha256 == card.sha256
        except BadBackbone:
            same = True  # half written or damaged: writing it again is the remedy its own message names
        if not same:
            raise Conflict(f"{place} describes another file; give another --name, or remove it first")


def _open(card: BackboneCard, data: bytes) -> TfliteBackbone:
    compiled = COMPILED in describe(data).custom_ops
    try:
        return open_bytes(card, data)
    except HardwareMissing as error:
        raise HardwareMissing(
            f"background and golden embeddings need the file to run, and {error}; adopt it where an Edge TPU is, "
            "or give --without-embeddings (then models with positives only cannot be trained on it)"
        ) from error
    except BadBackbone as error:
        if compiled:
            raise
        raise BadBackbone(f"this file cannot be run here: {error}") from error

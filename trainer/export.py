"""Build a backbone from packaged weights and write it with everything a device needs, if it passes its gates."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.backbone.card import write_card
from edge.backbone.golden import golden_images
from edge.backbone.tflite import TfliteBackbone
from edge.errors import BadBackbone
from edge.export.graph import GraphFacts, describe
from edge.image import prepare
from edge.types import BackboneCard, EmbeddingSpec, Preprocessing, Quantisation
from trainer.data import embed_all, pictures, shuffled
from trainer.edgetpu import compile_report, complaints
from trainer.network import LICENCE, MEAN, SOURCE, STD

TOOLS = ("torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "numpy", "pillow")
MINIMUM_COSINE = 0.99


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to build. ``limit_points``: how many points of 10-shot accuracy INT8 may lose."""

    architecture: str
    size: int
    representative: Path
    labelled: tuple[Path, ...] = ()
    out: Path = Path("models")
    fit: str = "centre"
    crop: float = 0.875
    limit_points: float = 1.0


def export(options: ExportOptions) -> BackboneCard:
    """Convert, measure, check and write. Raises BadBackbone when a gate refuses; then nothing is written."""
    from trainer.convert import convert
    from trainer.network import build, float_embedder
    from trainer.parity import measure

    preprocessing = Preprocessing(options.size, options.size, options.fit, options.crop, MEAN, STD)  # type: ignore[arg-type]
    paths = shuffled(pictures(options.representative))
    data = convert(
        build(options.architecture, options.size), options.size, (prepare(path, preprocessing) for path in paths)
    )
    card = card_for(f"{options.architecture}-{options.size}", data, preprocessing, SOURCE, LICENCE)
    backbone = open_bytes(card, data)
    floats = float_embedder(options.architecture, options.size)
    parity = measure(
        paths,
        list(options.labelled),
        preprocessing,
        lambda picture: floats(picture[np.newaxis])[0],
        lambda picture: backbone.embed(picture).astype(np.float32) - card.embedding.zero_point,
    )
    loss = parity.loss_points
    if loss is not None and loss > options.limit_points:
        raise BadBackbone(
            f"INT8 loses {loss:.2f} points of {parity.shots}-shot accuracy, over the limit of {options.limit_points}; "
            "give more varied representative pictures, or raise --limit-points"
        )
    facts: dict[str, Any] = {name: getattr(parity, name) for name in parity.__dataclass_fields__}
    facts["loss_points"] = loss
    facts["limit_points"] = options.limit_points
    report = {key: value for key, value in facts.items() if value is not None}
    return write(card, data, paths, options.out, {"parity": report})


def card_for(name: str, data: bytes, preprocessing: Preprocessing, source: str, licence: str) -> BackboneCard:
    """The card of a full-integer embedding extractor, from what its graph says."""
    facts = describe(data)
    check_ends(facts)
    one, out = facts.inputs[0], facts.outputs[0]
    # stored embeddings are int8 always: a uint8 output is shifted, its zero point with it
    zero = out.zero_point - (128 if out.dtype == "UINT8" else 0)
    return BackboneCard(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        source=source,
        licence=licence,
        preprocessing=preprocessing,
        input=Quantisation("int8" if one.dtype == "INT8" else "uint8", one.scale, one.zero_point),
        embedding=EmbeddingSpec(out.shape[-1], zero, out.scale, "sqrt" if zero == -128 else "signed-sqrt"),
        background=f"{name}.background.npy",
        golden=f"{name}.golden.npy",
    )


def check_ends(facts: GraphFacts) -> None:
    """Raises BadBackbone unless one picture goes in and one embedding comes out, in 8 bits."""
    if len(facts.inputs) != 1 or len(facts.outputs) != 1:
        raise BadBackbone("a backbone has one input and one output; cut the network before its classifier")
    one, out = facts.inputs[0], facts.outputs[0]
    if any(tensor.dtype not in ("INT8", "UINT8") for tensor in (one, out)):
        raise BadBackbone(f"a backbone takes and gives 8 bits, this one {one.dtype} and {out.dtype}; quantise it")
    if len(one.shape) != 4 or one.shape[0] != 1 or one.shape[3] != 3 or min(one.shape) < 1:
        raise BadBackbone(f"a backbone takes one RGB picture (1, h, w, 3), this one {one.shape}; export it again")
    if int(np.prod(out.shape)) != out.shape[-1] or out.shape[-1] < 8:
        raise BadBackbone(f"a backbone gives one vector (1, d), this one {out.shape}; cut it after global pooling")
    if any(name in ("SOFTMAX", "LOGISTIC") for name, _ in facts.ops):
        raise BadBackbone("this file ends in class scores, not in an embedding; cut it before its classifier")


def open_bytes(card: BackboneCard, data: bytes) -> TfliteBackbone:
    """The backbone in memory, on the default runtime's CPU."""
    return TfliteBackbone(card, data, runtime="auto", delegate="auto", threads=0)


def write(
    card: BackboneCard, data: bytes, paths: list[Path], out: Path, facts: Mapping[str, Mapping[str, Any]]
) -> BackboneCard:
    """Write the file, its background and golden embeddings, and last the card that makes them a backbone."""
    backbone = open_bytes(card, data)
    background = embed_all(paths, card.preprocessing, backbone.embed, "background")
    golden = np.stack([backbone.embed(p) for p in golden_images(card.preprocessing.height, card.preprocessing.width)])
    held_back = len(paths) // 3
    out.mkdir(parents=True, exist_ok=True)
    graph = describe(data)
    refused = complaints(graph)
    _put(out / f"{card.name}.tflite", data)
    tables: dict[str, Mapping[str, Any]] = {
        "background": {**_array(out, str(card.background), background), "held_back": held_back},
        "golden": {**_array(out, str(card.golden), golden), "minimum_cosine": MINIMUM_COSINE},
        "ops": {"list": [f"{name} v{number}" for name, number in graph.ops]},
        "tools": _tools(),
        "edge_tpu": {
            "compatible": not refused,
            "complaints": refused,
            "report": compile_report(out / f"{card.name}.tflite"),
        },
        **facts,
    }
    _put(out / f"{card.name}.toml", write_card(card, tables).encode())
    return card


def _array(out: Path, name: str, rows: NDArray[np.generic]) -> dict[str, Any]:
    buffer = BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    _put(out / name, buffer.getvalue())
    return {"file": name, "count": len(rows), "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}


def _put(path: Path, data: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _tools() -> dict[str, str]:
    found = {}
    for name in TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

"""Check what a file is, describe it in a card, and write it with everything a device needs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.backbone.base import Backbone
from edge.backbone.card import read_card, write_card
from edge.backbone.golden import golden_images
from edge.backbone.tflite import TfliteBackbone
from edge.errors import BadBackbone
from edge.export.graph import GraphFacts, TensorFacts, describe, open_model
from edge.types import BackboneCard, EmbeddingPart, EmbeddingSpec, Preprocessing, Quantisation
from trainer.data import embed_all
from trainer.edgetpu import COMPILED, compile_report, complaints

TOOLS = ("torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "numpy", "pillow")
MINIMUM_COSINE = 0.99
HELD_BACK = 1 / 3
"""Share of the background that stays out of its statistics, for calibration."""

_BITS = {"INT8": "int8", "UINT8": "uint8"}
_SCORES = ("SOFTMAX", "LOGISTIC", "LOG_SOFTMAX")


def card_for(
    name: str,
    data: bytes,
    preprocessing: Preprocessing,
    source: str,
    licence: str,
    transform: str | None = None,
    middle_weight: float | None = None,
) -> BackboneCard:
    """The card of a full-integer embedding extractor, from what its graph says. Raises BadBackbone.

    ``middle_weight``: outputs after the first are parts of the embedding with this weight; None: there may be none.
    """
    facts = describe(data)
    check_ends(facts, last_op(data), several=middle_weight is not None)
    one, first = facts.inputs[0], facts.outputs[0]
    parts = [_part(first, transform or ("sqrt" if _zero_point(first) == -128 else "signed-sqrt"), 1.0)]
    parts += [_part(out, "l2", middle_weight or 1.0) for out in facts.outputs[1:]]
    return BackboneCard(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        source=source,
        licence=licence,
        preprocessing=preprocessing,
        input=Quantisation(_BITS[one.dtype], one.scale, one.zero_point),  # type: ignore[arg-type]
        embedding=EmbeddingSpec(tuple(parts)),
        background=f"{name}.background.npy",
        golden=f"{name}.golden.npy",
    )


def _zero_point(out: TensorFacts) -> int:
    """Stored embeddings are int8 always: a uint8 output is shifted, its zero point with it."""
    return out.zero_point - (128 if out.dtype == "UINT8" else 0)


def _part(out: TensorFacts, transform: str, weight: float) -> EmbeddingPart:
    return EmbeddingPart(out.shape[-1], _zero_point(out), out.scale, transform, weight)  # type: ignore[arg-type]


def check_ends(facts: GraphFacts, last: str, *, several: bool = False) -> None:
    """Raises BadBackbone unless one picture goes in and one embedding comes out, in 8 bits.

    ``last``: the operator that makes the first output. ``several``: it may come in several vectors.
    """
    if len(facts.inputs) != 1:
        raise BadBackbone(f"a backbone has one input, this file has {len(facts.inputs)}; give an embedding extractor")
    if len(facts.outputs) != 1 and not (several and facts.outputs):
        raise BadBackbone(f"a backbone has one output, this file has {len(facts.outputs)}; cut it after global pooling")
    one = facts.inputs[0]
    if len(one.shape) != 4 or one.shape[0] != 1 or one.shape[3] != 3 or min(one.shape[1:3]) < 8:
        raise BadBackbone(f"a backbone takes one RGB picture (1, h, w, 3), this one {one.shape}; export it again")
    for out in facts.outputs:
        _check_vector(one, out)
    if last in _SCORES or _is_probability(facts.outputs[0]):
        raise BadBackbone("this file ends in class scores, not in an embedding; cut it before its classifier")


def _check_vector(one: TensorFacts, out: TensorFacts) -> None:
    if any(tensor.dtype not in _BITS for tensor in (one, out)):
        raise BadBackbone(
            f"a backbone takes and gives 8 bits, this one takes {one.dtype} and gives {out.dtype}; "
            "quantise it to full INT8 first"
        )
    if not out.shape or int(np.prod(out.shape)) != out.shape[-1] or out.shape[-1] < 8:
        raise BadBackbone(f"a backbone gives one vector (1, d), this one {out.shape}; cut it after global pooling")
    if one.scale <= 0 or out.scale <= 0:
        raise BadBackbone("its input or output does not say what its 8 bits mean; convert it again with quantisation")


def _is_probability(out: TensorFacts) -> bool:
    """TFLite fixes the quantisation of softmax and sigmoid: steps of 1/256 from 0. Shows them in compiled files too."""
    return abs(out.scale - 1 / 256) < 1e-6 and out.zero_point == (0 if out.dtype == "UINT8" else -128)


def last_op(data: bytes) -> str:
    """Name of the operator that makes the first output; "" for an empty graph. The file is one ``describe`` accepts."""
    from tflite.utils import opcode2name

    model = open_model(data)
    graph = model.Subgraphs(0)
    output = graph.Outputs(0)
    for i in reversed(range(graph.OperatorsLength())):
        operator = graph.Operators(i)
        if output in [operator.Outputs(k) for k in range(operator.OutputsLength())]:
            code = model.OperatorCodes(operator.OpcodeIndex())
            return str(opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode())))
    return ""


def open_bytes(card: BackboneCard, data: bytes) -> TfliteBackbone:
    """The backbone in memory, on the default runtime: the CPU, or the Edge TPU for a file compiled for it."""
    return TfliteBackbone(card, data, runtime="auto", delegate="auto", threads=0)


def write(
    card: BackboneCard,
    data: bytes,
    pictures: Sequence[Path],
    out: Path,
    facts: Mapping[str, Mapping[str, Any]],
    backbone: Backbone | None,
) -> BackboneCard:
    """Write the file, its background and golden embeddings, and last the card that makes them a backbone.

    ``pictures``: the background, in an order that has nothing to do with what they show; none: no background.
    ``backbone``: ``data`` opened; ``None``: neither background nor golden embeddings are computed. Returns the card
    as a device reads it. Everything is computed before anything is written.
    """
    tables: dict[str, Mapping[str, Any]] = {}
    files = {f"{card.name}.tflite": data}
    if backbone is not None and pictures:
        rows = embed_all(list(pictures), card.preprocessing, backbone.embed, "background")
        held_back = int(len(rows) * HELD_BACK)
        tables["background"] = {**_array(files, str(card.background), rows), "held_back": held_back}
    if backbone is not None:
        golden = _golden(backbone, card)
        tables["golden"] = {**_array(files, str(card.golden), golden), "minimum_cosine": MINIMUM_COSINE}
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        _put(out / name, content)
    tables |= {**_graph_tables(data, out / f"{card.name}.tflite"), **facts}
    place = out / f"{card.name}.toml"
    _put(place, write_card(card, tables).encode())
    return read_card(place)


def _golden(backbone: Backbone, card: BackboneCard) -> NDArray[np.int8]:
    rows = np.stack([backbone.embed(p) for p in golden_images(card.preprocessing.height, card.preprocessing.width)])
    if (rows == rows[0]).all():
        raise BadBackbone("this file gives the same embedding for every picture; it is no embedding extractor")
    return rows


def _graph_tables(data: bytes, place: Path) -> dict[str, Mapping[str, Any]]:
    graph = describe(data)
    refused = complaints(graph)
    compiled = COMPILED in graph.custom_ops
    return {
        "ops": {"list": [f"{name} v{number}" for name, number in graph.ops]},
        "tools": _tools(),
        "edge_tpu": {
            "compatible": not refused,
            "complaints": refused,
            "report": "compiled for the Edge TPU" if compiled else compile_report(place),
        },
    }


def _array(files: dict[str, bytes], name: str, rows: NDArray[np.generic]) -> dict[str, Any]:
    buffer = BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    files[name] = buffer.getvalue()
    return {"file": name, "count": len(rows), "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}


def _put(path: Path, data: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
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

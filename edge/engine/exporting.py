"""Backbone and head as one file: put together, compared with ``predict``, tried once, and only then written."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge.backbone import catalogue
from edge.backbone import runtime as runtimes
from edge.backbone.golden import golden_images
from edge.errors import BadBackbone, Conflict, InvalidArgument
from edge.export.fuse import Exported, fuse, head_alone
from edge.export.graph import describe
from edge.export.record import Record, card_tables
from edge.head.trained import TrainedHead
from edge.head.training import SAMPLE, evaluation_sample
from edge.store.failures import translated
from edge.store.files import write_durably
from edge.types import BackboneCard, VersionInfo

if TYPE_CHECKING:
    from edge.backbone.base import Backbone
    from edge.config import Config
    from edge.engine.engine import Engine
    from edge.engine.model import Model

Embeddings = NDArray[np.int8]
CLOSE = 2 / 256
"""How far the values of a fused file may be from ``predict``'s."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What a fused file is made of. ``stored`` (n, d): embeddings to compare on; ``background`` (m, d) or None.

    ``renamed``: what the labels call concepts whose name is no longer their id.
    """

    file: bytes
    card: BackboneCard
    head: TrainedHead
    record: Record
    stored: Embeddings
    background: Embeddings | None
    renamed: Mapping[str, str] = field(default_factory=dict)


def export(engine: Engine, model: Model, path: Path, *, version: str | None, full_integer: bool) -> Exported:
    """As ``Model.export``."""
    info, head = model.head(version)
    check_path(path)
    if engine.backbone_name in catalogue.BUILTIN:
        raise InvalidArgument(
            f"backbone {engine.backbone_name!r} is a program, not a file; run `edge backbone use` with one that is, "
            "train again, then export"
        )
    folder, card = catalogue.find_card(engine.backbone_name, engine.config)
    parts = Parts(
        file=catalogue.read_verified(folder, card),
        card=card,
        head=head,
        record=record_of(model, info, head, card, full_integer=full_integer),
        stored=_stored(engine, model, card),
        background=catalogue.background(folder, card),
        renamed=engine.store.inputs.renamed(),
    )
    return write(parts, path, engine.backbone, engine.config)


def write(parts: Parts, path: Path, backbone: Backbone, config: Config) -> Exported:
    """Put the file together, check it and write it; all of it or nothing.

    Raises BadBackbone (the result does not answer as ``predict`` does), InvalidArgument (the path), StoreUnavailable
    (the disk is full), Conflict (``full_integer`` without any embedding to take ranges from).
    """
    samples = _samples(parts) if parts.record.full_integer else None
    tail = parts.head.linear()
    tail = replace(tail, concepts=tuple(parts.renamed.get(one, one) for one in tail.concepts))
    data = fuse(parts.file, parts.card, tail, parts.record, samples)
    _prove(data, parts, backbone, config)
    alone = head_alone(parts.card, tail, samples)
    exported = Exported(path, parts.record.model, parts.record.version, len(data), parts.record.full_integer)
    exported = _compared(exported, parts, alone, config)
    check_path(path)
    _put(path, data)
    return exported


def check_path(path: Path) -> None:
    """Raises InvalidArgument unless a file can be made or replaced there."""
    try:
        folder, there, ordinary, parent = path.is_dir(), path.exists(), path.is_file(), path.parent.is_dir()
    except OSError as error:  # a name that is too long
        raise InvalidArgument(f"{path} cannot be a file ({error.strerror}); choose another name") from error
    if folder:
        raise InvalidArgument(f"{path} is a folder; give the name of a file in it, such as {path / 'model.tflite'}")
    if not parent:
        raise InvalidArgument(f"there is no folder {path.parent}; make it first, or choose another")
    if there and not ordinary:
        raise InvalidArgument(f"{path} is no ordinary file; choose another name")


def run(data: bytes, inputs: Iterable[NDArray[Any]], config: Config) -> NDArray[np.float64]:
    """Inputs, at least one, one at a time through a file's graph -> (n, K) real values. Raises BadBackbone."""
    interpreter = runtimes.start(
        data, runtime=runtimes.choose(config.runtime), threads=runtimes.thread_count(config.threads), quiet=config.quiet
    )
    given, made = interpreter.get_input_details(), interpreter.get_output_details()[0]
    parts = np.cumsum([one["shape"][-1] for one in given])[:-1]  # an embedding comes in its parts
    rows = []
    for one in inputs:
        for tensor, piece in zip(given, np.split(one, parts) if len(given) > 1 else [one], strict=True):
            interpreter.set_tensor(tensor["index"], piece[np.newaxis].astype(tensor["dtype"]))
        interpreter.invoke()
        rows.append(interpreter.get_tensor(made["index"]).reshape(-1))
    values = np.stack(rows)
    if values.dtype == np.float32:
        return values.astype(np.float64)
    scale, zero_point = made["quantization"]
    return np.asarray((values.astype(np.float64) - zero_point) * scale)


def record_of(model: Model, info: VersionInfo, head: TrainedHead, card: BackboneCard, *, full_integer: bool) -> Record:
    """What a fused file says about a trained version."""
    return Record(
        model=model.name,
        version=info.id,
        concepts=head.concepts,
        mutually_exclusive=head.mutually_exclusive,
        closed_environment=model.info.closed_environment,
        full_integer=full_integer,
        counts=info.counts,
        trained_at=info.trained_at or datetime.now(UTC),
        card=card_tables(card),
        evaluation=None if info.evaluation is None else asdict(info.evaluation),
        head=head.to_bytes(),
    )


def _stored(engine: Engine, model: Model, card: BackboneCard) -> Embeddings:
    """Embeddings of the pictures that the model's evaluation reads."""
    inputs = engine.store.inputs
    with engine.store.reading():
        numbers, ids, labels = inputs.sample(model.info.concepts, SAMPLE)
        chosen = [numbers[i] for i in evaluation_sample(ids, labels)] if ids else []
        return inputs.embeddings(chosen, backbone_sha256=card.sha256, size=card.embedding.size)


def _samples(parts: Parts) -> Embeddings:
    """Pictures of what is taught and of anything else: between them lies what the head will see."""
    rows = parts.stored if parts.background is None else np.concatenate([parts.stored, parts.background])
    if not len(rows):
        raise Conflict("an INT8 head takes its ranges from stored pictures, and there are none; add some, then export")
    return rows


def _compared(exported: Exported, parts: Parts, alone: bytes, config: Config) -> Exported:
    if not len(parts.stored):
        return exported
    values, wanted = run(alone, parts.stored, config), parts.head.predict(parts.stored)[0]
    if parts.head.mutually_exclusive:
        same = values.argmax(axis=1) == wanted.argmax(axis=1)
    else:
        same = ((values >= 0.5) == (wanted >= 0.5)).all(axis=1)
    return replace(
        exported,
        compared=len(same),
        agreeing=int(same.sum()),
        agreement=float(same.mean()),
        largest_difference=float(np.abs(values - wanted).max()),
    )


def _prove(data: bytes, parts: Parts, backbone: Backbone, config: Config) -> None:
    """Run the whole file on generated pictures; a float head must then say what ``predict`` says."""
    if describe(data).custom_ops:  # compiled for an Edge TPU: only that can run it
        return
    size = parts.card.preprocessing
    pictures = golden_images(size.height, size.width)[:2]
    values = run(data, quantised(pictures, parts.card), config)
    wanted = parts.head.predict(np.stack([backbone.embed(one) for one in pictures]))[0]
    difference = float(np.abs(values - wanted).max())
    if not parts.record.full_integer and difference > CLOSE:
        raise BadBackbone(
            f"the file's values differ from predict's by {difference:.3f}, so it was not written; run edge doctor, or "
            "try the other runtime with EDGE_RUNTIME"
        )


def quantised(pictures: NDArray[np.uint8], card: BackboneCard) -> NDArray[np.generic]:
    """uint8 pixels as the numbers a backbone's input tensor takes, by the definition in ``Quantisation``."""
    info = np.iinfo(card.input.dtype)
    real = (pictures.astype(np.float64) - card.preprocessing.mean) / card.preprocessing.std
    steps = np.rint(real / card.input.scale) + card.input.zero_point
    return np.asarray(steps.clip(info.min, info.max).astype(card.input.dtype))


def _put(path: Path, data: bytes) -> None:
    with translated():
        try:
            write_durably(path, data)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG):
                raise InvalidArgument(f"{path} cannot be written ({error.strerror}); choose another place") from error
            raise

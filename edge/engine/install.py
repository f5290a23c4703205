"""A fused file's head, taken out again as a new version of a model."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from edge.backbone.card import parse_card
from edge.backbone.runtime import read_file
from edge.engine.model import Model
from edge.errors import BackboneChanged, BadBackbone, BadHead, Conflict, NotFound
from edge.export.record import Record, is_share, read_record
from edge.export.verify import check_structure
from edge.head.trained import TrainedHead
from edge.store.names import check_name, check_names
from edge.store.records import NewVersion, evaluation_from
from edge.types import BackboneCard, Evaluation, Method, ModelInfo

if TYPE_CHECKING:
    from edge.engine.engine import Engine

_MAX_CONCEPTS = 10_000
_DAMAGED = "export it again, or copy it again"


def install(engine: Engine, path: Path, name: str | None) -> Model:
    """As ``Engine.install``: checked in full before the store is touched, and then stored in one transaction."""
    record, head = read_head(path)
    check_backbone(record, head, engine.card)
    wanted = check_name(name or record.model, "model")
    check_names(head.concepts, "concept")
    existing = next((model for model in engine.store.models.all() if model.name == wanted), None)
    if existing is not None:
        check_same(existing, head)
    info = engine.store.models.install_version(new_version(record, head, engine.card, wanted))
    return Model(engine, info)


def new_version(record: Record, head: TrainedHead, card: BackboneCard, name: str) -> NewVersion:
    """What the store keeps of a head, under the model's name. Raises BadHead (its evaluation is damaged)."""
    return NewVersion(
        name,
        head.concepts,
        head.mutually_exclusive,
        record.closed_environment,
        card.name,
        card.sha256,
        record.counts,
        record.trained_at,
        _evaluation(record),
        record.head,
    )


def read_head(path: Path) -> tuple[Record, TrainedHead]:
    """A fused file's record and head. Raises NotFound, BadBackbone (no TFLite file), BadHead (none inside, damaged)."""
    if not path.exists():
        raise NotFound(f"{path} does not exist; give a file that `edge export` or `trainer head` wrote")
    data = read_file(path)
    check_structure(data)
    record = read_record(data)
    return record, head_of(record, str(path))


def head_of(record: Record, where: str) -> TrainedHead:
    """A record's head, if it is the one the record describes. Raises BadHead; ``where`` it is, for messages."""
    head = TrainedHead.from_bytes(record.head)
    if head.concepts != record.concepts or head.mutually_exclusive != record.mutually_exclusive:
        raise BadHead(f"the head in {where} is not the one it describes; {_DAMAGED}")
    if len(head.concepts) > _MAX_CONCEPTS or not is_share(head.threshold):
        raise BadHead(f"the head in {where} holds numbers that cannot be; {_DAMAGED}")
    return head


def check_backbone(record: Record, head: TrainedHead, card: BackboneCard) -> None:
    """Raises BackboneChanged unless ``card`` is the backbone that the head was trained on."""
    try:
        made_for = parse_card(record.card, "the file")
    except BadBackbone as error:
        raise BadHead(f"what the file says about its backbone is damaged ({error})") from error
    if made_for.sha256 != card.sha256:
        same_name = " (another edition of it)" if made_for.name == card.name else ""
        raise BackboneChanged(
            f"the head was trained on backbone {made_for.name}{same_name}, the store uses {card.name}; run: "
            f"edge backbone use {made_for.name}"
        )
    if head.spec != card.embedding:
        raise BadHead(f"the head reads its backbone's numbers in another way than its card says; {_DAMAGED}")


def check_same(model: ModelInfo, head: TrainedHead) -> None:
    """Raises Conflict unless a model has the concepts of a head, and the same kind of output."""
    if set(model.concepts) != set(head.concepts):
        raise Conflict(
            f"model {model.name!r} has the concepts {', '.join(model.concepts)}, the file has "
            f"{', '.join(head.concepts)}; install it under another name with --name"
        )
    if model.mutually_exclusive != head.mutually_exclusive:
        kinds = ("independent", "mutually exclusive")
        raise Conflict(
            f"the concepts of model {model.name!r} are {kinds[model.mutually_exclusive]}, those of the file "
            f"{kinds[head.mutually_exclusive]}; install it under another name with --name"
        )


def _evaluation(record: Record) -> Evaluation | None:
    """The evaluation in the record, every field of it checked. Raises BadHead."""
    if record.evaluation is None:
        return None
    try:
        evaluation = evaluation_from(record.evaluation)
        _check_evaluation(evaluation, record.concepts)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise BadHead(f"the evaluation in the file is damaged; {_DAMAGED}") from error
    note = f"installed from {record.model} {record.version}"
    return evaluation if note in evaluation.notes else replace(evaluation, notes=(*evaluation.notes, note))


def _check_evaluation(one: Evaluation, concepts: tuple[str, ...]) -> None:
    shares: list[Any] = [one.accuracy, one.mean_average_precision, one.known_rate, one.calibration_error]
    shares += one.accuracy_interval or ()
    counts: list[Any] = [one.inputs, one.not_evaluable]
    for each in one.concepts:
        shares += [each.precision, each.recall, each.average_precision, each.false_alarm_rate]
        counts += [each.positives, each.negatives]
    if one.confusion is not None:
        size = len(one.confusion.labels)
        _require(set(one.confusion.labels) <= set(concepts) and len(one.confusion.rows) == size)
        _require(all(len(row) == size for row in one.confusion.rows))
        counts += [n for row in one.confusion.rows for n in row]
    _require(one.method in get_args(Method))
    _require([each.id for each in one.concepts] == list(concepts))
    _require(all(share is None or is_share(share) for share in shares))
    _require(all(type(count) is int and 0 <= count < 2**53 for count in counts))
    _require(one.log_loss is None or (type(one.log_loss) in (int, float) and math.isfinite(one.log_loss)))
    _require(len(one.notes) <= 32 and all(isinstance(note, str) and len(note) <= 500 for note in one.notes))


def _require(good: bool) -> None:
    if not good:
        raise ValueError("not what an evaluation holds")

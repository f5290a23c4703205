"""How good a version is, in the shape of Clarifai's evaluation metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from edge.faces.api import requests
from edge.faces.api.models import existing, version_of
from edge.faces.api.shapes import UNTRAINED_ID, untrained_shape, version_shape
from edge.faces.api.statuses import (
    EVALUATED,
    EVALUATING,
    EVALUATION_QUEUED,
    MISSING,
    NOT_EVALUATED,
    OK,
    Answer,
    Refused,
    answer,
    status,
)
from edge.types import ConceptEvaluation, Confusion, Evaluation, ModelInfo, VersionInfo, VersionStatus

if TYPE_CHECKING:
    from edge.faces.api.call import Call

_STATES = {
    VersionStatus.QUEUED: EVALUATION_QUEUED,
    VersionStatus.TRAINING: EVALUATING,
}


def metrics(call: Call) -> Answer:
    """A version with its metrics. Every training measures itself, so asking for an evaluation changes nothing."""
    info = existing(call, requests.text(call.request, "model_id"))
    version = version_of(call, info)
    if version is None:
        return answer(OK, model_version={**untrained_shape(call, info), "metrics": {"status": status(NOT_EVALUATED)}})
    names = call.engine.store.inputs.renamed()
    return answer(OK, model_version={**version_shape(call, version), "metrics": _metrics(version, names)})


def post(call: Call) -> Answer:
    """A version's evaluation. Its training has made it already."""
    info, version = _asked(call)
    return answer(OK, eval_metrics=[_evaluation(call, info, version)])


def list_evaluations(call: Call) -> Answer:
    """A version's evaluations: the one of its training."""
    offset, limit = requests.page(call.request)
    info, version = _asked(call)
    found = [] if version is None or version.evaluation is None else [_evaluation(call, info, version)]
    return answer(OK, eval_metrics=found[offset : offset + limit])


def get(call: Call) -> Answer:
    """One evaluation of a version; it is called like the version."""
    info, version = _asked(call)
    id = requests.text(call.request, "evaluation_id")
    if version is None or version.evaluation is None or id != version.id:
        raise Refused(MISSING, f"there is no evaluation {id[:40]!r}; each is called like the version it is of")
    return answer(OK, eval_metrics=_evaluation(call, info, version))


def _asked(call: Call) -> tuple[ModelInfo, VersionInfo | None]:
    info = existing(call, requests.text(call.request, "model_id"))
    return info, version_of(call, info)


def _evaluation(call: Call, info: ModelInfo, version: VersionInfo | None) -> dict[str, Any]:
    of = {"id": info.id, "model_version": {"id": UNTRAINED_ID if version is None else version.id}}
    found = (
        {"status": status(NOT_EVALUATED)} if version is None else _metrics(version, call.engine.store.inputs.renamed())
    )
    return {**found, "user_id": call.user_id, "app_id": call.app_id, "model": of}


def _metrics(version: VersionInfo, names: dict[str, str]) -> dict[str, Any]:
    found = version.evaluation
    if found is None:
        return {"status": status(_STATES.get(version.status, NOT_EVALUATED))}
    concepts = {one.id: {"id": one.id, "name": names.get(one.id, one.id)} for one in found.concepts}
    shape: dict[str, Any] = {
        "status": status(EVALUATED, "; ".join(found.notes)),
        "id": version.id,
        "summary": _summary(found),
        "label_counts": {
            "positive_label_counts": [
                {"concept_name": concepts[one.id]["name"], "count": one.positives, "concept": concepts[one.id]}
                for one in found.concepts
            ]
        },
        "binary_metrics": [_binary(one, concepts[one.id]) for one in found.concepts],
    }
    if found.confusion is not None:
        shape["confusion_matrix"] = _confusion(found.confusion)
    return shape


def _summary(found: Evaluation) -> dict[str, float]:
    """What the annotations determine; the rest is left out."""
    figures = {
        "top1_accuracy": found.accuracy,
        "macro_avg_precision": _mean(one.precision for one in found.concepts),
        "macro_avg_recall": _mean(one.recall for one in found.concepts),
        "macro_avg_f1_score": _mean(_f1(one) for one in found.concepts),
    }
    return {key: value for key, value in figures.items() if value is not None}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _f1(one: ConceptEvaluation) -> float | None:
    if one.precision is None or one.recall is None:
        return None
    both = one.precision + one.recall
    return 2 * one.precision * one.recall / both if both else 0.0


def _binary(one: ConceptEvaluation, concept: dict[str, str]) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "num_pos": one.positives,
        "num_neg": one.negatives,
        "num_tot": one.positives + one.negatives,
        "concept": concept,
    }
    figures = {"f1": _f1(one), "avg_precision": one.average_precision}
    return {**shape, **{key: value for key, value in figures.items() if value is not None}}


def _confusion(found: Confusion) -> dict[str, Any]:
    """Shares of the pictures that show a concept, by the concept they were given."""
    entries = [
        {"actual": actual, "predicted": predicted, "value": count / sum(row) if sum(row) else 0.0}
        for actual, row in zip(found.labels, found.rows, strict=False)
        for predicted, count in zip(found.labels, row, strict=False)
    ]
    return {"matrix": entries, "concept_ids": list(found.labels)}

"""Versions: train, list, show, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import Conflict, EdgeError
from edge.faces.api import requests
from edge.faces.api.models import concepts_of, existing, settings, version_of
from edge.faces.api.shapes import UNTRAINED_ID, model_shape, untrained_shape, version_shape
from edge.faces.api.statuses import (
    MISSING,
    MODEL_ARGUMENT,
    MODEL_REQUEST,
    NO_POSITIVES,
    OK,
    ONE_CLASS,
    THROTTLED,
    Answer,
    Refused,
    answer,
)

if TYPE_CHECKING:
    from edge.faces.api.call import Call
    from edge.faces.api.requests import Given
    from edge.types import ModelInfo


def post(call: Call) -> Answer:
    """Queue a training of a new version; the answer names it at once."""
    info = existing(call, requests.text(call.request, "model_id"))
    given = requests.tables(call.request, "model_versions", MODEL_REQUEST)
    if len(given) > 1:
        raise Refused(MODEL_REQUEST, "one version is trained at a time; send one entry in model_versions")
    info = _configured(call, info, requests.table(given[0], "output_info", MODEL_ARGUMENT) if given else {})
    if not info.concepts:
        raise Refused(NO_POSITIVES, "no input shows any concept yet; add inputs with concepts first")
    waiting = call.engine.store.models.unfinished()
    if len(waiting) >= call.core.options.max_trainings:
        raise Refused(THROTTLED, f"{len(waiting)} trainings are queued already; wait for one of them")
    version = call.engine.model(info.id).train().info
    return answer(OK, model=model_shape(call, info, version))


def _configured(call: Call, info: ModelInfo, output_info: Given) -> ModelInfo:
    """The model with the concepts and settings that a request for training names."""
    models = call.engine.store.models
    wanted = concepts_of(output_info, call.core.options.max_concepts)
    exclusive, closed = settings(output_info)
    if not wanted and not info.concepts:  # neither generation of requests has named any: all that were shown
        wanted = [id for id, (shown, _) in call.engine.store.inputs.concept_counts().items() if shown]
    mutually = info.mutually_exclusive if exclusive is None else exclusive
    if mutually and (wanted or info.concepts) and len(wanted or info.concepts) < 2:
        raise Refused(ONE_CLASS, "a mutually exclusive model needs at least two concepts; name another")
    try:
        if wanted and exclusive:  # more concepts before they exclude each other; fewer after they no longer do
            models.replace_concepts(info.id, wanted)
        info = models.set_output(info.id, mutually_exclusive=exclusive, closed_environment=closed)
        return models.replace_concepts(info.id, wanted) if wanted else info
    except (Conflict, EdgeError) as error:
        raise Refused(MODEL_ARGUMENT, str(error)) from error


def list_versions(call: Call) -> Answer:
    """A page of a model's versions, newest first."""
    offset, limit = requests.page(call.request)
    info = existing(call, requests.text(call.request, "model_id"))
    trained = requests.flag(call.request, "trained_only")
    found = [one for one in call.engine.store.models.versions(info.id) if not trained or one.trained_at is not None]
    shapes = [version_shape(call, one) for one in found[offset : offset + limit]]
    if not found and not trained and offset == 0:
        shapes = [untrained_shape(call, info)]
    return answer(OK, model_versions=shapes)


def get(call: Call) -> Answer:
    """One version, with the state of its training."""
    info = existing(call, requests.text(call.request, "model_id"))
    version = version_of(call, info)
    shape = untrained_shape(call, info) if version is None else version_shape(call, version)
    return answer(OK, model_version=shape)


def delete(call: Call) -> Answer:
    """Delete one version of a model."""
    info = existing(call, requests.text(call.request, "model_id"))
    version = version_of(call, info)
    if version is None:
        raise Refused(MISSING, f"{UNTRAINED_ID} stands for the untrained model and cannot be deleted; delete the model")
    try:
        call.engine.store.models.delete_version(info.id, version.id)
    except Conflict as error:
        raise Refused(MODEL_REQUEST, str(error)) from error
    return answer(OK)

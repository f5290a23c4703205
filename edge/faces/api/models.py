"""Models: make, list, show, rename, delete; and the one type of model there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge.errors import Conflict, EdgeError, NotFound
from edge.faces.api import requests
from edge.faces.api.concepts import identity
from edge.faces.api.requests import Given
from edge.faces.api.shapes import MODEL_TYPE, UNTRAINED_ID, concept_shape, model_shape
from edge.faces.api.statuses import (
    DUPLICATE_KEY,
    MISSING,
    MODEL_ARGUMENT,
    MODEL_REQUEST,
    NO_MODEL,
    OK,
    ONE_CLASS,
    Answer,
    Refused,
    answer,
)
from edge.types import ModelInfo, VersionInfo, VersionStatus

if TYPE_CHECKING:
    from edge.faces.api.call import Call


def post(call: Call) -> Answer:
    """Make a model, untrained; with concepts, or without them when the training names them."""
    given = _one(call.request)
    id = requests.name(given, "id", "model", MODEL_ARGUMENT) or requests.name(given, "name", "model", MODEL_ARGUMENT)
    if not id:
        raise Refused(MODEL_ARGUMENT, "the model has no id; give one")
    kind = requests.text(given, "model_type_id", MODEL_ARGUMENT)
    if kind not in ("", MODEL_TYPE, "concept"):
        raise Refused(MODEL_ARGUMENT, f"model type {kind[:40]!r} is not made here; use {MODEL_TYPE}")
    info = requests.table(given, "output_info", MODEL_ARGUMENT)
    exclusive, closed = settings(info)
    concepts = concepts_of(info, call.core.options.max_concepts)
    notes = _notes(given, id)
    if exclusive and len(concepts) == 1:
        raise Refused(ONE_CLASS, "a mutually exclusive model needs at least two concepts; name another")
    try:
        made = call.engine.store.models.create(
            id, concepts, mutually_exclusive=bool(exclusive), closed_environment=bool(closed), may_be_empty=True
        )
    except Conflict as error:
        raise Refused(DUPLICATE_KEY, str(error)) from error
    call.core.notes.put(id, notes) if notes else call.core.notes.forget(id)
    return answer(OK, model=model_shape(call, made, None))


def _one(request: Given) -> Given:
    """The model of a request: ``models[0]`` or ``model``."""
    several = requests.tables(request, "models", MODEL_REQUEST)
    if len(several) > 1:
        raise Refused(MODEL_REQUEST, "one model is made at a time; send the others in requests of their own")
    return several[0] if several else requests.table(request, "model", MODEL_REQUEST)


def settings(output_info: Given) -> tuple[bool | None, bool | None]:
    """(mutually exclusive, closed environment); None where nothing is said."""
    config = requests.table(output_info, "output_config", MODEL_ARGUMENT)
    return (
        requests.flag(config, "concepts_mutually_exclusive", MODEL_ARGUMENT),
        requests.flag(config, "closed_environment", MODEL_ARGUMENT),
    )


def concepts_of(output_info: Given, most: int) -> list[str]:
    """The concepts that an ``output_info`` names; their values mean nothing here."""
    data = requests.table(output_info, "data", MODEL_ARGUMENT)
    given = requests.tables(data, "concepts", MODEL_ARGUMENT, most)
    return list(dict.fromkeys(identity(one, MODEL_ARGUMENT) for one in given))


def _notes(given: Given, id: str) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    for key in ("name", "notes", "description"):
        said = requests.text(given, key, MODEL_ARGUMENT)
        if said and said != id:
            notes[key] = said
    metadata = requests.metadata(given, "metadata", MODEL_ARGUMENT)
    if metadata:
        notes["metadata"] = metadata
    return notes


def patch(call: Call) -> Answer:
    """Change names, notes, metadata and settings (overwrite, merge), concepts (overwrite, merge, remove)."""
    action = requests.text(call.request, "action") or "overwrite"
    if action not in ("overwrite", "merge", "remove"):
        raise Refused(MODEL_REQUEST, f"action {action[:40]!r} cannot be done; use overwrite, merge or remove")
    several = requests.tables(call.request, "models", MODEL_REQUEST, call.core.options.max_inputs)
    single = requests.table(call.request, "model", MODEL_REQUEST)
    given = several or ([single] if single else [])
    if not given:
        raise Refused(MODEL_REQUEST, "models is missing; give a list of objects with an id")
    wanted = [(existing(call, requests.text(one, "id")), one, _notes(one, "")) for one in given]
    for info, one, notes in wanted:
        _patch_output(call, info, one, action)
        if notes and action != "remove":
            call.core.notes.put(info.id, {**call.core.notes.of(info.id), **notes})
    return answer(OK, models=[_shape(call, existing(call, info.id)) for info, _, _ in wanted])


def _patch_output(call: Call, info: ModelInfo, given: Given, action: str) -> None:
    """Concepts and settings, from the next training on."""
    output_info = requests.table(given, "output_info", MODEL_ARGUMENT)
    wanted, (exclusive, closed) = concepts_of(output_info, call.core.options.max_concepts), settings(output_info)
    models = call.engine.store.models
    try:
        if wanted and action == "remove":
            models.remove_concepts(info.id, wanted)
        elif wanted:
            kept = () if action == "overwrite" else info.concepts
            models.replace_concepts(info.id, (*kept, *wanted))
        if action != "remove":
            models.set_output(info.id, mutually_exclusive=exclusive, closed_environment=closed)
    except EdgeError as error:
        raise Refused(MODEL_ARGUMENT, str(error)) from error


def list_models(call: Call) -> Answer:
    """A page of models, by name."""
    offset, limit = requests.page(call.request)
    trained = requests.flag(call.request, "trained_only")
    kind = requests.text(call.request, "model_type_id")
    wanted = requests.text(call.request, "name").strip("*").casefold()
    found = []
    for one in call.engine.models() if kind in ("", MODEL_TYPE) else []:
        name = str(call.core.notes.of(one.name).get("name", one.name))
        if (not trained or one.in_use) and (not wanted or wanted in name.casefold()):
            found.append(one.info)
    return answer(OK, models=[_shape(call, info) for info in found[offset : offset + limit]])


def get(call: Call) -> Answer:
    """One model with the version in use, or the one that was asked for."""
    info = existing(call, requests.text(call.request, "model_id"))
    return answer(OK, model=model_shape(call, info, version_of(call, info)))


def output_info(call: Call) -> Answer:
    """One model with its concepts."""
    info = existing(call, requests.text(call.request, "model_id"))
    version = version_of(call, info)
    return answer(OK, model=model_shape(call, info, version, output_info=_concepts(call, info, version)))


def list_concepts(call: Call) -> Answer:
    """A page of a model's concepts."""
    info = existing(call, requests.text(call.request, "model_id"))
    offset, limit = requests.page(call.request)
    return answer(OK, concepts=_concepts(call, info, version_of(call, info))[offset : offset + limit])


def _concepts(call: Call, info: ModelInfo, version: VersionInfo | None) -> list[dict[str, Any]]:
    """What a version was trained on, or the model will be."""
    ids = info.concepts if version is None or not version.counts else tuple(version.counts)
    known = {one.id: one for one in call.engine.concepts()}
    return [concept_shape(call, known[id]) for id in ids if id in known]


def delete(call: Call) -> Answer:
    """Delete a model and its versions; inputs stay."""
    _delete(call, [existing(call, requests.text(call.request, "model_id"))])
    return answer(OK)


def delete_many(call: Call) -> Answer:
    """Delete models by ``ids``, or all with ``delete_all``."""
    ids = requests.texts(call.request, "ids", MODEL_REQUEST)
    everything = requests.flag(call.request, "delete_all", MODEL_REQUEST)
    if not ids and not everything:
        raise Refused(MODEL_REQUEST, "ids is missing; give a list of ids of models, or delete_all")
    _delete(call, [one.info for one in call.engine.models()] if everything else [existing(call, id) for id in ids])
    return answer(OK)


def _delete(call: Call, models: list[ModelInfo]) -> None:
    for id in dict.fromkeys(info.id for info in models):
        call.engine.delete_model(id)
        call.core.notes.forget(id)


# --- finding ---------------------------------------------------------------------------------------------------------


def existing(call: Call, id: str) -> ModelInfo:
    """A model's record. Raises Refused with 21200."""
    try:
        return call.engine.store.models.get(id)
    except NotFound as error:
        raise Refused(NO_MODEL, str(error)) from error


def version_of(call: Call, info: ModelInfo) -> VersionInfo | None:
    """The version a request names, else the newest one; None: the model was never trained."""
    id = requests.text(call.request, "version_id") or requests.text(call.request, "model_version_id")
    if id == UNTRAINED_ID:
        return None
    if id:
        try:
            return call.engine.store.models.version(info.id, id)
        except NotFound as error:
            raise Refused(MISSING, str(error)) from error
    return current(call, info)


def current(call: Call, info: ModelInfo) -> VersionInfo | None:
    """What a model shows as its version: one that trains, else the pinned one, else the newest."""
    versions = call.engine.store.models.versions(info.id)
    if not versions:
        return None
    if versions[0].status in (VersionStatus.QUEUED, VersionStatus.TRAINING) or info.pinned_version is None:
        return versions[0]
    return next((one for one in versions if one.id == info.pinned_version), versions[0])


def _shape(call: Call, info: ModelInfo) -> dict[str, Any]:
    return model_shape(call, info, current(call, info))


# --- types -----------------------------------------------------------------------------------------------------------

_TYPE: Mapping[str, Any] = {
    "id": MODEL_TYPE,
    "title": "Image concepts",
    "description": "Concepts of pictures, taught with a few examples on this device",
    "input_fields": ["image"],
    "output_fields": ["concepts"],
    "trainable": True,
    "creatable": True,
    "internal_only": False,
    "model_type_fields": [],
    "requirements": [],
    "evaluable": True,
}


def get_type(call: Call) -> Answer:
    """The type of every model here."""
    if requests.text(call.request, "model_type_id") != MODEL_TYPE:
        raise Refused(MISSING, f"there is one model type here: {MODEL_TYPE}")
    return answer(OK, model_type=dict(_TYPE))


def list_types(call: Call) -> Answer:
    """All types of models: one."""
    offset, limit = requests.page(call.request)
    return answer(OK, model_types=[dict(_TYPE)][offset : offset + limit])

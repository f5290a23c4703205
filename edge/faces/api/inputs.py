"""Inputs: add, list, change what is said about them, delete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from edge.faces.api import requests
from edge.faces.api.adding import add, said_about
from edge.faces.api.fetches import Fetch
from edge.faces.api.models import existing, version_of
from edge.faces.api.shapes import GEO, fetch_shape, input_shape
from edge.faces.api.statuses import (
    DOWNLOADED,
    INPUT_ARGUMENT,
    INPUT_REQUEST,
    MISSING,
    OK,
    PENDING,
    Answer,
    Refused,
    answer,
    status,
    together,
)

if TYPE_CHECKING:
    from edge.faces.api.call import Call
    from edge.faces.api.requests import Given
    from edge.types import Input

_ACTIONS = ("merge", "overwrite", "remove")
_FINE = (DOWNLOADED, PENDING, OK)


def post(call: Call) -> Answer:
    """Add inputs; each gets its own status, in the order of the request."""
    given = requests.tables(call.request, "inputs", INPUT_REQUEST, call.core.options.max_inputs)
    if not given:
        raise Refused(INPUT_REQUEST, "inputs is missing; give a list of objects with data.image")
    items = add(call, given)
    return together(items, _FINE, inputs=items)


def list_inputs(call: Call) -> Answer:
    """A page of inputs, oldest first; those still to be fetched come last."""
    offset, limit = requests.page(call.request)
    store, queue, names = call.engine.store.inputs, call.core.fetches, call.engine.store.inputs.renamed()
    with queue.guard:  # an input that is just being fetched is on one side or the other, never on none
        stored = store.page(limit=limit, offset=offset)
        room = limit - len(stored)
        rest = queue.page(max(0, offset - store.count()), room) if room else []
    shapes = [input_shape(call, one, names) for one in stored] + [fetch_shape(call, one, names) for one in rest]
    return answer(OK, inputs=shapes)


def list_of_model(call: Call) -> Answer:
    """A page of the inputs of which something is said about a concept of a model, or of one of its versions."""
    info = existing(call, requests.text(call.request, "model_id"))
    version = version_of(call, info) if requests.text(call.request, "version_id") else None
    concepts = info.concepts if version is None or not version.counts else tuple(version.counts)
    offset, limit = requests.page(call.request)
    names, found = call.engine.store.inputs.renamed(), call.engine.store.inputs.about(concepts, limit, offset)
    return answer(OK, inputs=[input_shape(call, one, names) for one in found])


def get(call: Call) -> Answer:
    """One input by its id."""
    id = requests.text(call.request, "input_id")
    names = call.engine.store.inputs.renamed()
    stored, queued = found(call, [id])
    if id in stored:
        return answer(OK, input=input_shape(call, stored[id], names))
    if id in queued:
        return answer(OK, input=fetch_shape(call, queued[id], names))
    raise Refused(MISSING, _missing(id))


def count(call: Call) -> Answer:
    """How many inputs there are, and how many are still to be fetched or could not be."""
    counters = dict.fromkeys(("processing", "reindexed", "to_reindex", "reindex_errors", "reindexing"), 0)
    with call.core.fetches.guard:
        queued, failed = call.core.fetches.counts()
        processed = call.engine.store.inputs.count()
    return answer(OK, counts={"processed": processed, "to_process": queued, "errors": failed, **counters})


def delete(call: Call) -> Answer:
    """Hide an input; ``edge restore`` brings it back for 30 days."""
    _delete(call, [requests.text(call.request, "input_id")])
    return answer(OK)


def delete_many(call: Call) -> Answer:
    """Hide inputs by ``ids``: all or none."""
    ids = requests.texts(call.request, "ids", INPUT_REQUEST)
    if not ids:
        raise Refused(INPUT_REQUEST, "ids is missing; give a list of ids of inputs")
    _delete(call, ids)
    return answer(OK)


def _delete(call: Call, ids: list[str]) -> None:
    with call.core.fetches.guard:
        stored, queued = found(call, ids)
        for id in ids:
            if id not in stored and id not in queued:
                raise Refused(MISSING, _missing(id))
        if stored:
            call.engine.remove(list(stored), by=call.caller.name)
        call.core.fetches.forget(queued)


def found(call: Call, ids: Iterable[str]) -> tuple[dict[str, Input], dict[str, Fetch]]:
    """Stored and queued inputs by their whole ids."""
    wanted = list(ids)
    with call.core.fetches.guard:  # else an input that is just being fetched could be on neither side
        stored = call.engine.store.inputs.by_id(wanted)
        return stored, call.core.fetches.get(id for id in wanted if id not in stored)


def _missing(id: str) -> str:
    return f"there is no input {id[:128]!r}; GET /v2/inputs lists them"


# --- changing --------------------------------------------------------------------------------------------------------


def patch(call: Call) -> Answer:
    """Change what is said about inputs: ``action`` merge, overwrite or remove; each gets its own status."""
    action = requests.text(call.request, "action", INPUT_REQUEST) or "merge"
    if action not in _ACTIONS:
        raise Refused(INPUT_REQUEST, f"action {action[:40]!r} cannot be done; choose from {', '.join(_ACTIONS)}")
    given = requests.tables(call.request, "inputs", INPUT_REQUEST, call.core.options.max_inputs)
    if not given:
        raise Refused(INPUT_REQUEST, "inputs is missing; give a list of objects with an id")
    items = []
    for one in given:
        try:
            items.append(_patched(call, one, action))
        except Refused as refused:
            id = one.get("id")
            shape = {"id": id} if isinstance(id, str) else {}
            items.append({**shape, "status": status(refused.code, refused.details)})
    return together(items, _FINE, inputs=items)


def _patched(call: Call, given: Given, action: str) -> dict[str, Any]:
    id = requests.text(given, "id", INPUT_ARGUMENT)
    annotations, metadata = said_about(call, requests.table(given, "data", INPUT_ARGUMENT))
    with call.core.fetches.guard:
        stored, queued = found(call, [id])
        names = call.engine.store.inputs.renamed()
        if id in stored:
            return input_shape(call, _patch_stored(call, stored[id], annotations, metadata, action), names)
        if id in queued:
            one = queued[id]
            said = _with(one.annotations, annotations, action)
            call.core.fetches.change(id, said, _metadata(one.metadata, metadata, action))
            return fetch_shape(call, call.core.fetches.get([id])[id], names)
    raise Refused(MISSING, _missing(id))


def _patch_stored(
    call: Call, one: Input, annotations: Mapping[str, int] | None, metadata: Mapping[str, Any], action: str
) -> Input:
    store = call.engine.store.inputs
    if annotations is not None:
        ids = {call_id: said.value for said in one.annotations for call_id in [said.concept_id]}
        given = dict(zip(store.ensure_concepts(annotations), annotations.values(), strict=True))
        after = _with(ids, given, action)
        changes: dict[str, int | None] = {id: value for id, value in after.items() if ids.get(id) != value}
        changes |= {id: None for id in ids if id not in after}
        if changes:
            one = store.annotate(one.id, changes, by=call.caller.name)
    changed = _metadata(one.metadata, metadata, action)
    return one if changed == one.metadata else store.set_metadata(one.id, changed)


def _with(before: Mapping[str, int], given: Mapping[str, int] | None, action: str) -> dict[str, int]:
    """Annotations after an action; None given: nothing was said about them."""
    if given is None:
        return dict(before)
    if action == "remove":
        return {id: value for id, value in before.items() if id not in given}
    return dict(given) if action == "overwrite" else {**before, **given}


def _metadata(before: Mapping[str, Any], given: Mapping[str, Any], action: str) -> dict[str, Any]:
    """Metadata and place after an action; both stay unless something is said about them."""
    if action == "remove":
        return {key: value for key, value in before.items() if key not in given}
    if action == "overwrite":
        kept = {k: v for k, v in before.items() if (k == GEO) != any(key != GEO for key in given) or k not in given}
        if any(key != GEO for key in given):
            kept = {k: v for k, v in before.items() if k == GEO}
        return {**kept, **given}
    return _merged(before, given)


def _merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(before)
    for key, value in given.items():
        old = found.get(key)
        found[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return found

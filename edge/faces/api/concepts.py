"""Concepts: list, make, rename."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import EdgeError
from edge.faces.api import requests
from edge.faces.api.requests import Given
from edge.faces.api.shapes import concept_shape
from edge.faces.api.statuses import CONCEPTS_REQUEST, MISSING, OK, Answer, Refused, answer

if TYPE_CHECKING:
    from edge.faces.api.call import Call
    from edge.types import Concept


def list_concepts(call: Call) -> Answer:
    """All concepts, by id, a page of them."""
    offset, limit = requests.page(call.request)
    found = call.engine.concepts()[offset : offset + limit]
    return answer(OK, concepts=[concept_shape(call, one) for one in found])


def get(call: Call) -> Answer:
    """One concept by id."""
    return answer(OK, concept=concept_shape(call, _existing(call, requests.text(call.request, "concept_id"))))


def post(call: Call) -> Answer:
    """Make concepts; all or none."""
    given = requests.tables(call.request, "concepts", CONCEPTS_REQUEST, call.core.options.max_concepts)
    if not given:
        raise Refused(CONCEPTS_REQUEST, "concepts is missing; give a list of objects with an id")
    wanted = [
        (identity(one, CONCEPTS_REQUEST), requests.name(one, "name", "concept", CONCEPTS_REQUEST)) for one in given
    ]
    ids = [id for id, _ in wanted]
    there = {one.id for one in call.engine.concepts()} | {one.name for one in call.engine.concepts()}
    twice = [id for id in ids if id in there or ids.count(id) > 1]
    if twice:
        raise Refused(CONCEPTS_REQUEST, f"duplicate: concept {twice[0]!r} exists already")
    names = [name for id, name in wanted if name and name != id]
    if set(names) & (there | set(ids)) or len(set(names)) < len(names):
        raise Refused(CONCEPTS_REQUEST, "duplicate: another concept has one of these names")
    call.engine.store.inputs.ensure_concepts(ids)
    for id, name in wanted:
        if name and name != id:
            call.engine.rename_concept(id, name)
    made = {one.id: one for one in call.engine.concepts()}
    return answer(OK, concepts=[concept_shape(call, made[id]) for id in ids])


def patch(call: Call) -> Answer:
    """Rename concepts; ``action`` is "overwrite"."""
    action = requests.text(call.request, "action") or "overwrite"
    if action not in ("overwrite", "merge"):
        raise Refused(CONCEPTS_REQUEST, f"action {action[:40]!r} cannot be done to concepts; use overwrite")
    given = requests.tables(call.request, "concepts", CONCEPTS_REQUEST, call.core.options.max_concepts)
    wanted = [
        (_existing(call, requests.text(one, "id")), requests.name(one, "name", "concept", CONCEPTS_REQUEST))
        for one in given
    ]
    if not wanted:
        raise Refused(CONCEPTS_REQUEST, "concepts is missing; give a list of objects with an id and a name")
    try:
        found = [call.engine.rename_concept(one.id, name) if name else one for one, name in wanted]
    except EdgeError as error:
        raise Refused(CONCEPTS_REQUEST, str(error)) from error
    return answer(OK, concepts=[concept_shape(call, one) for one in found])


def identity(given: Given, code: int) -> str:
    """The id of a concept in a request, or its name where it has none."""
    found = requests.name(given, "id", "concept", code) or requests.name(given, "name", "concept", code)
    if not found:
        raise Refused(code, "a concept needs an id")
    return found


def _existing(call: Call, id: str) -> Concept:
    found = next((one for one in call.engine.concepts() if one.id == id), None)
    if found is None:
        raise Refused(MISSING, f"there is no concept {id[:128]!r}; GET /v2/concepts lists them")
    return found

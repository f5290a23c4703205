"""Searches: inputs by concept and by similarity to pictures, concepts by name; and what status codes mean."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from edge.engine.searching import search
from edge.errors import BackboneChanged, BadImage, NotFound
from edge.faces.api import requests, urls
from edge.faces.api.concepts import identity
from edge.faces.api.requests import Given
from edge.faces.api.shapes import concept_shape, input_shape
from edge.faces.api.statuses import (
    BAD_BYTES,
    INVALID,
    MISSING,
    OK,
    OVER_LIMIT,
    SERVER,
    TEXTS,
    Answer,
    Refused,
    answer,
    status,
)
from edge.types import Input

if TYPE_CHECKING:
    from edge.faces.api.call import Call

_MOST = 100
"""Filters, or pictures, in one search."""


def inputs(call: Call) -> Answer:
    """Inputs that fit all filters, most like the pictures of the ranks first."""
    searches = requests.tables(call.request, "searches", INVALID)
    if len(searches) > 1:
        raise Refused(INVALID, "one search is done at a time; send one entry in searches")
    given = searches[0] if searches else {}
    query = requests.table(given, "query") or requests.table(call.request, "query")
    offset, limit = requests.page(requests.table(call.request, "pagination") or call.request)
    said: dict[bool, dict[str, int]] = {False: {}, True: {}}
    like: list[bytes | Input] = []
    for part in requests.tables(query, "filters", INVALID, _MOST):
        if requests.at(part, "annotation.data.image") or requests.at(part, "input.data.image"):
            raise Refused(INVALID, "a filter has concepts, no picture; put pictures into ranks")
        said[bool(requests.flag(part, "negate"))] |= _concepts(requests.at(part, "annotation.data"))
        said[bool(requests.flag(part, "negate"))] |= _concepts(requests.at(part, "input.data"))
    for part in requests.tables(query, "ranks", INVALID, _MOST):
        if requests.tables(requests.at(part, "annotation.data"), "concepts") or requests.flag(part, "negate"):
            raise Refused(INVALID, "a rank has a picture that inputs should be like; put concepts into filters")
        like += _pictures(call, requests.table(part, "annotation"))
    for part in requests.tables(query, "ands", INVALID, _MOST):  # the older way to say both
        for place in ("input.data", "annotation.data"):
            said[bool(requests.flag(part, "negate"))] |= _concepts(requests.at(part, place))
        like += _pictures(call, requests.at(part, "output.input"))
    least = requests.number(given, "min_value") or 0.0
    try:
        found = search(
            call.engine, said=said[False], not_said=said[True], like=like, min_value=least, limit=limit, offset=offset
        )
    except BadImage as error:
        raise Refused(BAD_BYTES, str(error)) from error
    except BackboneChanged as error:
        raise Refused(SERVER, str(error)) from error
    except NotFound as error:
        raise Refused(MISSING, str(error)) from error
    names = call.engine.store.inputs.renamed()
    hits = [_hit(call, one, score, names) for one, score in found.inputs]
    return answer(OK, id=uuid4().hex, hits=hits)


def _hit(call: Call, one: Input, score: float, names: dict[str, str]) -> dict[str, Any]:
    return {
        "score": score,
        "input": input_shape(call, one, names),
        "annotation": {"id": one.id, "input_id": one.id},
        "app_id": call.app_id,
        "user_id": call.user_id,
    }


def _concepts(data: Given) -> dict[str, int]:
    given = requests.tables(data, "concepts", INVALID, _MOST)
    return {identity(one, INVALID): requests.shown(one, INVALID) for one in given}


def _pictures(call: Call, given: Given) -> list[bytes | Input]:
    """The pictures that a rank names: bytes, an address, or an input that is stored."""
    found: list[bytes | Input] = []
    image = requests.at(given, "data.image")
    data = requests.picture(image, BAD_BYTES)
    url = requests.text(image, "url")
    if data is None and url:
        data = urls.fetch(url, call.core.options)
    if data is not None:
        if len(data) > call.core.options.max_image:
            raise Refused(OVER_LIMIT, f"the picture is larger than {call.core.options.max_image >> 20} MiB")
        found.append(data)
    id = requests.text(given, "input_id") or requests.text(given, "id")
    if id and not found:
        stored = call.engine.store.inputs.by_id([id])
        if id not in stored:
            raise Refused(MISSING, f"there is no input {id[:128]!r}; GET /v2/inputs lists them")
        found.append(stored[id])
    return found


def concepts(call: Call) -> Answer:
    """Concepts whose name has the text in it; * stands for anything."""
    query = requests.table(call.request, "concept_query")
    wanted = requests.text(query, "name", most=256).casefold()
    offset, limit = requests.page(requests.table(call.request, "pagination") or call.request)
    pattern = re.compile(translate(wanted if "*" in wanted else f"*{wanted}*"))
    found = [one for one in call.engine.concepts() if pattern.match(one.name.casefold())]
    return answer(OK, concepts=[concept_shape(call, one) for one in found[offset : offset + limit]])


def list_codes(call: Call) -> Answer:  # noqa: ARG001
    """Every status code that this service gives."""
    return answer(OK, statuses=[status(code) for code in TEXTS])


def get_code(call: Call) -> Answer:
    """What one status code means."""
    code = requests.text(call.request, "status_code_id")
    if not (code.isascii() and code.isdigit() and len(code) < 9 and int(code) in TEXTS):
        raise Refused(MISSING, f"{code[:20]!r} is no status code of this service; GET /v2/status_codes lists them")
    return Answer(200, {"status": status(int(code))})

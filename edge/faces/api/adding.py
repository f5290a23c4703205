"""Adding inputs: what was sent is checked, decoded, stored in batches or queued to be fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from edge.engine.pictures import Picture, loaded
from edge.errors import BackboneChanged, InvalidArgument
from edge.faces.api import requests, urls
from edge.faces.api.concepts import identity
from edge.faces.api.fetches import Fetch
from edge.faces.api.requests import Given
from edge.faces.api.shapes import GEO, fetch_shape, input_shape
from edge.faces.api.statuses import (
    BAD_BYTES,
    DUPLICATE,
    INPUT_ARGUMENT,
    OVER_LIMIT,
    SERVER,
    THROTTLED,
    Refused,
    status,
)
from edge.store import NewInput

if TYPE_CHECKING:
    from edge.engine import Engine
    from edge.faces.api.call import Call
    from edge.types import Input

_BATCH = 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """One input of a request, checked: bytes or an address."""

    id: str
    data: bytes | None
    url: str
    annotations: Mapping[str, int]
    metadata: Mapping[str, Any]
    duplicate_url: bool


def add(call: Call, given: Sequence[Given]) -> list[dict[str, Any]]:
    """Store or queue the inputs of a request; their shapes in its order, failed ones with a status that says why."""
    parsed = [_parsed(call, one) for one in given]
    parsed = _without_duplicates(call, parsed)
    names = call.engine.store.inputs.renamed()
    done: dict[int, dict[str, Any]] = {}
    places = [place for place, one in enumerate(parsed) if isinstance(one, Wanted) and one.data is not None]
    for start in range(0, len(places), _BATCH):
        part = places[start : start + _BATCH]
        stored = _store(call, [parsed[place] for place in part])  # type: ignore[misc]
        for place, one in zip(part, stored, strict=True):
            if isinstance(one, Refused):
                parsed[place] = one
            else:
                done[place] = input_shape(call, one, names)
    done |= _queue(call, {p: one for p, one in enumerate(parsed) if isinstance(one, Wanted) and p not in done}, names)
    return [done[place] if place in done else _failed(given[place], one) for place, one in enumerate(parsed)]


def _failed(given: Given, refused: Wanted | Refused) -> dict[str, Any]:
    assert isinstance(refused, Refused)
    shape: dict[str, Any] = {"data": {"concepts": []}, "status": status(refused.code, refused.details)}
    if isinstance(given.get("id"), str):
        shape["id"] = given["id"][:128]
    return shape


# --- reading ---------------------------------------------------------------------------------------------------------


def _parsed(call: Call, given: Given) -> Wanted | Refused:
    try:
        id = requests.name(given, "id", "input", INPUT_ARGUMENT)
        data = requests.table(given, "data", INPUT_ARGUMENT)
        annotations, metadata = said_about(call, data)
        image = requests.table(data, "image", INPUT_ARGUMENT)
        content = requests.picture(image, BAD_BYTES)
        url = requests.text(image, "url", INPUT_ARGUMENT)
        if content is None and not url:
            raise Refused(INPUT_ARGUMENT, "the input has no picture; give data.image.base64 or data.image.url")
        if content is not None and len(content) > call.core.options.max_image:
            raise Refused(OVER_LIMIT, f"the picture is larger than {call.core.options.max_image >> 20} MiB")
        if content is None:
            urls.check(url)
        again = requests.flag(image, "allow_duplicate_url", INPUT_ARGUMENT)
        return Wanted(id, content, url, annotations or {}, metadata, bool(again))
    except Refused as refused:
        return refused


def said_about(call: Call, data: Given) -> tuple[dict[str, int] | None, dict[str, Any]]:
    """Annotations (None: no concepts are given) and metadata, a place among them, of an input's ``data``."""
    limit = call.core.options.max_concepts
    given = requests.tables(data, "concepts", INPUT_ARGUMENT)
    if len(given) > limit:
        raise Refused(OVER_LIMIT, f"the input has {len(given)} concepts; at most {limit} go on one")
    annotations: dict[str, int] = {}
    for one in given:
        concept, value = identity(one, INPUT_ARGUMENT), requests.shown(one, INPUT_ARGUMENT)
        if annotations.setdefault(concept, value) != value:
            raise Refused(INPUT_ARGUMENT, f"concept {concept!r} is both shown and not shown; give it once")
    metadata = dict(requests.metadata(data, "metadata", INPUT_ARGUMENT) or {})
    metadata.pop(GEO, None)
    place = requests.metadata(data, "geo", INPUT_ARGUMENT)
    if place is not None:
        _check_place(place)
        metadata[GEO] = place
    return (annotations if data.get("concepts") is not None else None), metadata


def _check_place(place: Given) -> None:
    point = requests.table(place, "geo_point", INPUT_ARGUMENT)
    for key, most in (("longitude", 180), ("latitude", 90)):
        value = requests.number(point, key, INPUT_ARGUMENT)
        if value is not None and abs(value) > most:
            raise Refused(INPUT_ARGUMENT, f"{key} {value:g} is outside -{most} to {most}")


def _without_duplicates(call: Call, parsed: list[Wanted | Refused]) -> list[Wanted | Refused]:
    """Refuse ids that are taken, and addresses that are known where the client did not allow that."""
    good = [one for one in parsed if isinstance(one, Wanted)]
    ids = [one.id for one in good if one.id]
    taken = {*call.engine.store.inputs.by_id(ids), *call.core.fetches.get(ids)}
    addresses = [one.url for one in good if one.data is None and not one.duplicate_url]
    known = call.engine.store.inputs.known_sources(addresses) | call.core.fetches.urls(addresses)
    found: list[Wanted | Refused] = []
    for one in parsed:
        if isinstance(one, Wanted) and one.id in taken:
            one = Refused(DUPLICATE, f"input {one.id!r} exists already; change it with PATCH, or choose another id")
        elif isinstance(one, Wanted) and one.data is None and one.url in known and not one.duplicate_url:
            one = Refused(DUPLICATE, "this URL is an input already; set allow_duplicate_url to add it again")
        elif isinstance(one, Wanted):
            taken |= {one.id} if one.id else set()
            known |= {one.url} if one.data is None else set()
        found.append(one)
    return found


# --- storing ---------------------------------------------------------------------------------------------------------


def _store(call: Call, wanted: Sequence[Wanted]) -> list[Input | Refused]:
    """Decode and store some pictures in one transaction; if that is refused, each by itself."""

    def load(one: Wanted) -> NewInput | Refused:
        with call.core.working:
            return prepared(call.engine, one)

    new = list(call.core.decoders.map(load, wanted))
    good = [one for one in new if isinstance(one, NewInput)]
    try:
        stored = iter(store(call.engine, good, by=call.caller.name))
        return [one if isinstance(one, Refused) else next(stored) for one in new]
    except InvalidArgument:
        return [one if isinstance(one, Refused) else _alone(call, one) for one in new]


def _alone(call: Call, one: NewInput) -> Input | Refused:
    try:
        return store(call.engine, [one], by=call.caller.name)[0]
    except InvalidArgument as error:
        return Refused(DUPLICATE if "other bytes" in str(error) else INPUT_ARGUMENT, str(error))


def prepared(engine: Engine, one: Wanted) -> NewInput | Refused:
    """A picture with its embedding, ready to be stored."""
    assert one.data is not None
    found = loaded(Picture(one.data, one.url or "api", one.annotations), engine.backbone)
    if not isinstance(found, NewInput):
        return Refused(BAD_BYTES, str(found[1]))
    return replace(found, id=one.id or None, metadata=one.metadata)


def store(engine: Engine, new: Sequence[NewInput], *, by: str) -> list[Input]:
    """Store inputs. One that comes back after it was deleted has only the annotations it came with now."""
    inputs = engine.store.inputs
    try:
        added = inputs.add(new, by=by)
    except BackboneChanged as error:
        raise Refused(SERVER, "the device has just been given another backbone; try again") from error
    found = []
    for (one, created), wanted in zip(added, new, strict=True):
        given = set(inputs.ensure_concepts(wanted.annotations)) if created and one.annotations else set()
        old = {said.concept_id: None for said in one.annotations if created and said.concept_id not in given}
        found.append(inputs.annotate(one.id, old, by=by) if old else one)
    return found


def _queue(call: Call, wanted: Mapping[int, Wanted], names: Mapping[str, str]) -> dict[int, dict[str, Any]]:
    if not wanted:
        return {}
    queued, _ = call.core.fetches.counts()
    if queued + len(wanted) > call.core.options.max_pending:
        raise Refused(THROTTLED, f"{queued} inputs are still to be fetched; try again later")
    now = datetime.now(UTC)
    new = {
        place: Fetch(one.id or uuid4().hex, one.url, one.annotations, one.metadata, call.caller.name, now)
        for place, one in wanted.items()
    }
    call.core.fetches.add(list(new.values()))
    return {place: fetch_shape(call, one, names) for place, one in new.items()}

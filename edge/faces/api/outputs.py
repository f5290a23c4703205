"""Predictions."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from edge.errors import BackboneChanged, BadHead, BadImage, NotFound, NotTrained
from edge.faces.api import requests, urls
from edge.faces.api.models import existing
from edge.faces.api.shapes import UNTRAINED_ID, model_shape, moment, prediction_data
from edge.faces.api.statuses import (
    BAD_BYTES,
    BAD_URL,
    DOWNLOAD_FAILED,
    INPUT_ARGUMENT,
    INPUT_REQUEST,
    MISSING,
    MIXED,
    MODEL_ARGUMENT,
    OK,
    OVER_LIMIT,
    PREDICTION_FAILED,
    UNTRAINED,
    VERSION_CODES,
    Answer,
    Refused,
    answer,
    status,
    together,
)
from edge.types import VersionInfo

if TYPE_CHECKING:
    from edge.engine import Model
    from edge.faces.api.call import Call
    from edge.faces.api.requests import Given

_MOST_CONCEPTS, _CONCEPTS = 200, 20
_KEPT = 8
"""Models that a thread remembers."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """How answers are cut: ``select`` concept ids, empty for all; ``unknown`` were asked for and are not there."""

    min_value: float
    max_concepts: int
    select: tuple[str, ...]
    unknown: tuple[str, ...]


def post(call: Call) -> Answer:
    """What pictures show, in their order, by the newest trained version or the one that is named."""
    answers = _answering(call)
    given = requests.tables(call.request, "inputs", INPUT_REQUEST, call.core.options.max_inputs)
    if not given:
        raise Refused(INPUT_REQUEST, "inputs is missing; give a list of objects with data.image")
    asked = _asked(call, answers.concepts)
    until = time.monotonic() + 3 * call.core.options.fetch_seconds
    outputs = [_output(call, answers, one, asked, until) for one in given]
    found = together(outputs, outputs=outputs)
    if asked.unknown and found.body["status"]["code"] == OK:
        unknown = ", ".join(repr(one[:40]) for one in asked.unknown[:5])
        return answer(MIXED, f"the model has no concept {unknown}", outputs=outputs)
    return found


@dataclass(frozen=True, slots=True)
class _Answering:
    """The version that answers, its concepts, and what every output says about it."""

    model: Model
    version: VersionInfo
    concepts: Collection[str]
    shape: dict[str, Any]


def _answering(call: Call) -> _Answering:
    """Who answers; asked of the stores again only when somebody has changed them. Raises Refused."""
    here, core = call.core.here, call.core
    moment = (*core.engine.store.moment(), *core.database.moment())
    if getattr(here, "moment", None) != moment or len(here.answering) >= _KEPT:
        here.moment, here.answering = moment, {}
    kept: dict[tuple[str, ...], _Answering] = here.answering
    id, version_id = requests.text(call.request, "model_id"), requests.text(call.request, "version_id")
    key = (id, version_id, call.user_id, call.app_id)
    if key not in kept:
        info = existing(call, id)
        model = core.model(info.id)
        version, concepts = _version(call, model)
        kept[key] = _Answering(model, version, concepts, model_shape(call, info, version))
    return kept[key]


def _version(call: Call, model: Model) -> tuple[VersionInfo, Collection[str]]:
    """The version that answers, and its concepts. Raises Refused."""
    id = requests.text(call.request, "version_id")
    try:
        if id == UNTRAINED_ID:
            raise NotTrained(f"{UNTRAINED_ID} is not trained; train the model first")
        info, head = model.head(id or None)
        return info, head.concepts
    except NotTrained as error:
        raise Refused(_state(call, model, id), str(error)) from error
    except BackboneChanged as error:
        raise Refused(UNTRAINED, str(error)) from error
    except BadHead as error:
        raise Refused(PREDICTION_FAILED, str(error)) from error
    except NotFound as error:
        raise Refused(MISSING, str(error)) from error


def _state(call: Call, model: Model, id: str) -> int:
    """Why there is nothing to predict with: the state of the version that was meant."""
    versions = call.engine.store.models.versions(model.name)
    found = next((one for one in versions if not id or one.id == id), None)
    return UNTRAINED if found is None else VERSION_CODES[found.status]


def _asked(call: Call, concepts: Collection[str]) -> _Asked:
    config = requests.at(call.request, "model.output_info.output_config", MODEL_ARGUMENT)
    newer = requests.at(call.request, "model.model_version.output_info.output_config", MODEL_ARGUMENT)
    config = {**newer, **{key: value for key, value in config.items() if value}}
    least = requests.number(config, "min_value", MODEL_ARGUMENT) or 0.0
    if not 0 <= least <= 1:
        raise Refused(MODEL_ARGUMENT, f"min_value {least:g} is outside 0 to 1")
    most = requests.whole(config, "max_concepts", MODEL_ARGUMENT, 0, _MOST_CONCEPTS) or _CONCEPTS
    given = requests.tables(config, "select_concepts", MODEL_ARGUMENT, call.core.options.max_concepts)
    names = {name: id for id, name in call.engine.store.inputs.renamed().items()} if given else {}
    select: list[str] = []
    unknown: list[str] = []
    for one in given:
        id = requests.text(one, "id", MODEL_ARGUMENT) or requests.text(one, "name", MODEL_ARGUMENT)
        id = names.get(id, id)
        (select if id in concepts else unknown).append(id)
    if unknown and not select:
        raise Refused(
            MODEL_ARGUMENT, f"the model has none of the concepts that are selected; it has: {_some(concepts)}"
        )
    return _Asked(least, most, tuple(select), tuple(unknown))


def _some(concepts: Collection[str]) -> str:
    few = list(concepts)[:10]
    return ", ".join(few) + (" ..." if len(concepts) > len(few) else "")


def _output(call: Call, answers: _Answering, given: Given, asked: _Asked, until: float) -> dict[str, Any]:
    """One picture's output, or why there is none."""
    output: dict[str, Any] = {
        "id": uuid4().hex,
        "created_at": moment(datetime.now(UTC)),
        "model": answers.shape,
        "input": {"data": {}},
        "data": {"concepts": []},
    }
    try:
        output["input"]["id"] = requests.text(given, "id", INPUT_ARGUMENT, 128) or uuid4().hex
        data = _picture(call, given, output["input"], until)
        with call.core.working:
            found = answers.model.predict(
                data,
                version=answers.version.id,
                min_value=asked.min_value,
                max_concepts=asked.max_concepts,
                select=asked.select,
            )
    except Refused as refused:
        return {**output, "status": status(refused.code, refused.details)}
    except BadImage as error:
        return {**output, "status": status(BAD_BYTES, str(error))}
    return {**output, "status": status(OK), "data": prediction_data(call, found)}


def _fetched(url: str, call: Call, until: float) -> bytes:
    if time.monotonic() > until:
        raise Refused(DOWNLOAD_FAILED, "the addresses before this one took too long; ask for fewer at once")
    try:
        return urls.fetch(url, call.core.options)
    except Refused as refused:
        raise Refused(BAD_URL if refused.code == BAD_URL else DOWNLOAD_FAILED, refused.details) from refused


def _picture(call: Call, given: Given, echo: dict[str, Any], until: float) -> bytes:
    """The bytes of an input, fetched if need be; its address is echoed. Raises Refused."""
    image = requests.at(given, "data.image", INPUT_ARGUMENT)
    data = requests.picture(image, BAD_BYTES)
    url = requests.text(image, "url", INPUT_ARGUMENT)
    if url:
        echo["data"] = {"image": {"url": url}}
    if data is None:
        if not url:
            raise Refused(INPUT_ARGUMENT, "the input has no picture; give data.image.base64 or data.image.url")
        data = _fetched(url, call, until)
    if len(data) > call.core.options.max_image:
        raise Refused(OVER_LIMIT, f"the picture is larger than {call.core.options.max_image >> 20} MiB")
    return data

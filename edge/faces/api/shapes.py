"""Records as Clarifai's clients read them: plain dicts, numbers for enums, times in UTC with a Z."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edge.engine.learning import inputs_of
from edge.faces.api.fetches import Fetch
from edge.faces.api.statuses import DOWNLOADED, NO_DATA, NO_POSITIVES, ONE_CLASS, VERSION_CODES, status
from edge.types import Concept, Input, ModelInfo, Prediction, VersionInfo, VersionStatus

if TYPE_CHECKING:
    from edge.faces.api.call import Call

UNTRAINED_ID = "v0"
"""Every model's version before it was ever trained."""
MODEL_TYPE = "embedding-classifier"
GEO = "@geo"
"""Where an input's place is kept among its metadata."""
_PRIVATE = {"gettable": 10}


def moment(at: datetime) -> str:
    """RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


# --- inputs and concepts ---------------------------------------------------------------------------------------------


def input_shape(call: Call, one: Input, names: Mapping[str, str]) -> dict[str, Any]:
    """A stored input; ``names`` of the concepts that are not called by their id."""
    image: dict[str, Any] = {"image_info": {"width": one.width, "height": one.height, "format": _format(one)}}
    if one.source.startswith(("http://", "https://")):
        image["url"] = one.source
    values = {said.concept_id: said.value for said in one.annotations}
    data = {"image": image, **_said(call, values, one.metadata, names)}
    latest = max([one.added_at, *(said.at for said in one.annotations)])
    return {
        "id": one.id,
        "data": data,
        "created_at": moment(one.added_at),
        "modified_at": moment(latest),
        "status": status(DOWNLOADED),
    }


def _format(one: Input) -> str:
    return one.media_type.removeprefix("image/").upper()


def fetch_shape(call: Call, one: Fetch, names: Mapping[str, str]) -> dict[str, Any]:
    """An input whose picture is still to be fetched, or could not be."""
    return {
        "id": one.id,
        "data": {"image": {"url": one.url}, **_said(call, one.annotations, one.metadata, names)},
        "created_at": moment(one.created_at),
        "modified_at": moment(one.created_at),
        "status": status(one.state, one.details),
    }


def _said(
    call: Call, values: Mapping[str, int], metadata: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
    said: dict[str, Any] = {
        "concepts": [
            {"id": id, "name": names.get(id, id), "value": value, "app_id": call.app_id} for id, value in values.items()
        ]
    }
    rest = {key: value for key, value in metadata.items() if key != GEO}
    if rest:
        said["metadata"] = rest
    if metadata.get(GEO):
        said["geo"] = metadata[GEO]
    return said


def concept_shape(call: Call, one: Concept) -> dict[str, Any]:
    """A concept."""
    return {
        "id": one.id,
        "name": one.name,
        "value": 1,
        "created_at": moment(one.created_at),
        "language": "en",
        "app_id": call.app_id,
        "user_id": call.user_id,
        "visibility": _PRIVATE,
    }


# --- models ----------------------------------------------------------------------------------------------------------


def model_shape(
    call: Call, info: ModelInfo, version: VersionInfo | None, *, output_info: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A model and one of its versions (None: it was never trained); ``output_info``: its concepts, listed."""
    said = call.core.notes.of(info.id)
    config: dict[str, Any] = {}
    if info.mutually_exclusive:
        config["concepts_mutually_exclusive"] = True
    if info.closed_environment:
        config["closed_environment"] = True
    outputs: dict[str, Any] = {
        "output_config": config,
        "message": "Show output_info with: GET /models/{model_id}/output_info",
        "params": {"max_concepts": 20, "min_value": 0, "select_concepts": []},
    }
    if output_info is not None:
        outputs["data"] = {"concepts": list(output_info)}
        del outputs["message"]
    return {
        "id": info.id,
        "name": said.get("name", info.name),
        "created_at": moment(info.created_at),
        "modified_at": moment(info.created_at if version is None else version.trained_at or version.created_at),
        "app_id": call.app_id,
        "user_id": call.user_id,
        "model_type_id": MODEL_TYPE,
        "visibility": _PRIVATE,
        "metadata": said.get("metadata", {}),
        **{key: said[key] for key in ("notes", "description") if said.get(key)},
        "output_info": outputs,
        "model_version": version_shape(call, version) if version is not None else untrained_shape(call, info),
    }


def version_shape(call: Call, one: VersionInfo) -> dict[str, Any]:
    """A version; its counts are those of the training."""
    shape: dict[str, Any] = {
        "id": one.id,
        "created_at": moment(one.created_at),
        "status": version_status(one),
        "active_concept_count": len(one.counts),
        "total_input_count": inputs_of(one),
        "visibility": _PRIVATE,
        "app_id": call.app_id,
        "user_id": call.user_id,
        "metadata": {},
    }
    if one.trained_at is not None:
        shape["completed_at"] = moment(one.trained_at)
    return shape


def untrained_shape(call: Call, info: ModelInfo) -> dict[str, Any]:
    """The version that a model has before it was ever trained."""
    return {
        "id": UNTRAINED_ID,
        "created_at": moment(info.created_at),
        "status": status(VERSION_CODES[VersionStatus.UNTRAINED]),
        "active_concept_count": len(info.concepts),
        "total_input_count": 0,
        "visibility": _PRIVATE,
        "app_id": call.app_id,
        "user_id": call.user_id,
        "metadata": {},
    }


# what CannotTrain says, in Clarifai's codes; the store keeps the reason of a failure as text only
_FAILURES = (("no picture shows", NO_POSITIVES), ("needs two concepts", ONE_CLASS), ("no concept", NO_DATA))


def version_status(one: VersionInfo) -> dict[str, Any]:
    """Its state, and why it failed."""
    reason = one.reason or ""
    if one.status is VersionStatus.FAILED:
        for words, code in _FAILURES:
            if words in reason:
                return status(code, reason)
    return status(VERSION_CODES[one.status], reason)


# --- predictions -----------------------------------------------------------------------------------------------------


def prediction_data(call: Call, found: Prediction) -> dict[str, Any]:
    """A prediction's ``data``; ``known`` stands among the metadata, where every client accepts it."""
    return {
        "concepts": [
            {"id": one.id, "name": one.name or one.id, "value": one.value, "app_id": call.app_id}
            for one in found.concepts
        ],
        "metadata": {"known": found.known, "is_known": found.is_known},
    }

"""What requests look like, in JSON Schema; as lenient as the service is: unknown fields are ignored, null is absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": ["string", "null"], "maxLength": 4096}
_FLAG: Schema = {"enum": [True, False, 0, 1, None]}
_OBJECT: Schema = {"type": ["object", "null"]}


def _table(**properties: Schema) -> Schema:
    return {"type": ["object", "null"], "properties": properties}


def _body(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _list(items: Schema, most: int | None = None) -> Schema:
    return {"type": ["array", "null"], "items": items, **({} if most is None else {"maxItems": most})}


def _entry(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


SCHEMAS: Mapping[str, Schema] = {
    "Status": {
        "type": "object",
        "required": ["code", "description"],
        "properties": {
            "code": {"type": "integer"},
            "description": {"type": "string"},
            "details": {"type": "string"},
            "req_id": {"type": "string"},
        },
    },
    "Answer": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": _ref("Status"),
            "inputs": {"type": "array", "items": {"type": "object", "required": ["status"]}},
            "outputs": {"type": "array", "items": {"type": "object", "required": ["id", "status", "data"]}},
            "concepts": {"type": "array", "items": {"type": "object", "required": ["id", "name"]}},
            "models": {"type": "array", "items": {"type": "object", "required": ["id", "model_version"]}},
            "model_versions": {"type": "array", "items": {"type": "object", "required": ["id", "status"]}},
            "hits": {"type": "array", "items": {"type": "object", "required": ["score", "input"]}},
            "input": {"type": "object", "required": ["id", "data", "status"]},
            "model": {"type": "object", "required": ["id", "model_version"]},
            "model_version": {"type": "object", "required": ["id", "status"]},
            "concept": {"type": "object", "required": ["id", "name"]},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    },
    "Concept": _entry(id=_TEXT, name=_TEXT, value={"enum": [0, 1, True, False, None]}),
    "Picture": _table(base64={"type": ["string", "null"]}, url=_TEXT),
    "Image": _table(base64={"type": ["string", "null"]}, url=_TEXT, allow_duplicate_url=_FLAG),
    "Data": _table(image=_ref("Image"), concepts=_list(_ref("Concept")), metadata=_OBJECT, geo=_OBJECT),
    "Input": _entry(id=_TEXT, data=_ref("Data")),
    "OutputConfig": _table(
        concepts_mutually_exclusive=_FLAG,
        closed_environment=_FLAG,
        max_concepts={"type": ["integer", "null"], "minimum": 0, "maximum": 200},
        min_value={"type": ["number", "null"], "minimum": 0, "maximum": 1},
        select_concepts=_list(_ref("Concept")),
    ),
    "OutputInfo": _table(data=_table(concepts=_list(_ref("Concept"))), output_config=_ref("OutputConfig")),
    "Model": _table(id=_TEXT, name=_TEXT, notes=_TEXT, metadata=_OBJECT, output_info=_ref("OutputInfo")),
    "Filter": _entry(negate=_FLAG, annotation=_table(data=_table(concepts=_list(_ref("Concept"))))),
    "Rank": _entry(annotation=_table(input_id=_TEXT, data=_table(image=_ref("Picture")))),
    "Query": _table(filters=_list(_ref("Filter"), 100), ranks=_list(_ref("Rank"), 100)),
}
"""What several requests share, by name."""

_MODELS = _list({"type": "object", **{k: v for k, v in SCHEMAS["Model"].items() if k != "type"}})
_PAGES: Schema = _table(
    page={"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1},
    per_page={"type": ["integer", "null"], "minimum": 0, "maximum": 1000},
)
_SEARCH: Schema = _body(searches=_list(_entry(query=_ref("Query")), 1), pagination=_PAGES)

REQUESTS: Mapping[str, Schema] = {
    "PostInputs": _body(inputs=_list(_ref("Input"), 128)),
    "PatchInputs": _body(inputs=_list(_ref("Input"), 128), action={"enum": ["merge", "overwrite", "remove", None]}),
    "DeleteInputs": _body(ids=_list({"type": ["string", "null"]}, 1000)),
    "PostConcepts": _body(concepts=_list(_ref("Concept"), 1000)),
    "PatchConcepts": _body(concepts=_list(_ref("Concept"), 1000), action={"enum": ["merge", "overwrite", None]}),
    "PostModels": _body(model=_ref("Model"), models=_MODELS),
    "PatchModels": _body(models=_MODELS, action={"enum": ["merge", "overwrite", "remove", None]}),
    "DeleteModels": _body(ids=_list({"type": ["string", "null"]}, 1000), delete_all=_FLAG),
    "PostModelVersions": _body(model_versions=_list(_entry(output_info=_ref("OutputInfo")), 1)),
    "PostModelOutputs": _body(
        inputs=_list(_ref("Input"), 128), model=_table(output_info=_table(output_config=_ref("OutputConfig")))
    ),
    "PostModelVersionMetrics": _body(),
    "PostModelVersionEvaluations": _body(),
    "PostInputsSearches": _SEARCH,
    "PostAnnotationsSearches": _SEARCH,
    "PostSearches": _body(query=_ref("Query"), pagination=_PAGES),
    "PostConceptsSearches": _body(
        concept_query=_table(name={"type": ["string", "null"], "maxLength": 256}), pagination=_PAGES
    ),
}
"""The bodies that RPCs take."""

BODILESS = frozenset(
    {
        "PostModelVersions",
        "PostModelVersionMetrics",
        "PostModelVersionEvaluations",
        "PostInputsSearches",
        "PostAnnotationsSearches",
        "PostSearches",
        "PostConceptsSearches",
    }
)
"""Those that mean something without a body too."""

PAGED: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    (
        "ListInputs",
        "ListConcepts",
        "ListModels",
        "ListModelVersions",
        "ListModelTypes",
        "ListModelConcepts",
        "ListModelInputs",
        "ListModelVersionEvaluations",
    ),
    ("page", "per_page"),
)
"""The RPCs that answer a page at a time, and how one is asked for."""

QUERIES: Mapping[str, Mapping[str, Schema]] = {
    "ListModels": {"name": {"type": "string", "maxLength": 4096}, "trained_only": {"type": "boolean"}},
    "ListModelVersions": {"trained_only": {"type": "boolean"}},
}
"""What else stands in addresses."""

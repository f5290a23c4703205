"""What the page asks about pictures and concepts."""

from __future__ import annotations

from typing import Any, cast

from starlette.responses import Response

from edge.engine.pictures import Picture, labels_of, loaded
from edge.engine.review import thumbnail
from edge.errors import BackboneChanged, InvalidArgument, NotFound
from edge.faces.documents import document
from edge.faces.page.asked import MOST_IDS, Asked
from edge.faces.page.downloads import Download, archive
from edge.store import NewInput
from edge.store.browsing import Filter, State
from edge.types import Input

SIDES = (160, 320, 1024)
_MOST_TEXT = 200
_MOST_PAGE = 120


def add(asked: Asked) -> dict[str, Any]:
    """Store a picture with what it shows and does not show; ``from`` "camera", or a file's ``name``."""
    if asked.one("from") == "camera":
        source = "camera"
    else:
        name = (asked.one("name") or "picture").replace("\\", "/").rpartition("/")[2]
        source = "upload/" + "".join(one if one.isprintable() else "_" for one in name)[:_MOST_TEXT]
    labels = labels_of(asked.query.get("show", []), asked.query.get("not", []))
    one, created = _stored(asked, Picture(asked.body, source, labels))
    return {"input": document(one), "created": created}


def _stored(asked: Asked, picture: Picture) -> tuple[Input, bool]:
    while True:
        backbone = asked.engine.backbone
        new = loaded(picture, backbone)
        if not isinstance(new, NewInput):
            raise new[1]
        try:
            return asked.engine.store.inputs.add([new], by=asked.by)[0]
        except BackboneChanged:
            if backbone.card.sha256 == asked.engine.store.setting("backbone_sha256"):
                raise  # else another process has just changed it: embed it again


def browse(asked: Asked) -> dict[str, Any]:
    """Inputs that a filter leaves, the newest first."""
    found, total = asked.engine.store.inputs.browse(
        wanted(asked), after=asked.one("after"), limit=asked.number("limit", 60, _MOST_PAGE)
    )
    return {"inputs": document(found), "total": total}


def wanted(asked: Asked) -> Filter:
    """The filter in a query."""
    state = cast(State, asked.one("state") or "any")  # a filter refuses what is none
    return Filter(asked.one("concept"), state, asked.one("source"), asked.day("since"), asked.day("until"))


def sources(asked: Asked) -> dict[str, Any]:
    """Where pictures came from."""
    return {"sources": [{"source": one, "count": count} for one, count in asked.engine.store.inputs.sources()]}


def picture(asked: Asked) -> Response:
    """A small JPEG of an input, removed ones too; ``side`` is one of ``SIDES``."""
    side = asked.number("side", SIDES[0], SIDES[-1])
    if side not in SIDES:
        raise InvalidArgument(f"side is one of {', '.join(map(str, SIDES))}; give one of them")
    one = asked.engine.store.inputs.get(asked.path["input"], removed=True)
    data = thumbnail(asked.engine, one, side)
    if data is None:
        raise NotFound("this picture cannot be read; its file is damaged or gone")
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})


def annotate(asked: Asked) -> dict[str, Any]:
    """Change what is said of several inputs, together: ``changes`` of {"input", "values": {concept: 1, 0, null}}.

    ``confirm`` true: what is said already was looked at and is right.
    """
    given = asked.body.get("changes")
    if not isinstance(given, list) or not 0 < len(given) <= MOST_IDS:
        raise InvalidArgument(f"'changes' is a list of 1 to {MOST_IDS}; send others in another request")
    changes = [_change(asked, one) for one in given]
    return {
        "inputs": document(asked.engine.store.inputs.annotate_many(changes, by=asked.by, confirm=asked.flag("confirm")))
    }


def _change(asked: Asked, one: Any) -> tuple[str, dict[str, int | None]]:
    id, values = (one.get("input"), one.get("values")) if isinstance(one, dict) else (None, None)
    if not isinstance(id, str) or not isinstance(values, dict):
        raise InvalidArgument("a change has an 'input' and 'values' by concept; give both")
    for name, value in values.items():
        if value is not None and (isinstance(value, bool) or value not in (0, 1)):
            raise InvalidArgument("a value is 1, 0 or null; give one of them")
        if value is None:
            asked.engine.store.inputs.concept_id(name)  # forgetting makes no concept
    return id, {name: None if value is None else int(value) for name, value in values.items()}


def remove(asked: Asked) -> dict[str, Any]:
    """Hide inputs; they can be brought back for 30 days."""
    return {"removed": asked.engine.remove(asked.texts("inputs", MOST_IDS), by=asked.by)}


def restore(asked: Asked) -> dict[str, Any]:
    """Bring removed inputs back."""
    return {"restored": asked.engine.restore(asked.texts("inputs", MOST_IDS), by=asked.by)}


def rename(asked: Asked) -> dict[str, Any]:
    """Call a concept something else."""
    return {"concept": document(asked.engine.rename_concept(asked.text("concept"), asked.text("name")))}


def export(asked: Asked) -> dict[str, Any]:
    """A link to a ZIP of pictures and annotations: of ``inputs``, or of what the filter in the query leaves."""
    engine, some = asked.engine, asked.texts("inputs", MOST_IDS) or None
    filter = wanted(asked)
    filter.where()  # refuse it here, not in the middle of the file
    made = Download("edge-pictures.zip", "application/zip", parts=lambda: archive(engine, filter, some))
    return {"url": asked.tickets.promise(made), "name": made.name}

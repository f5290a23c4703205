"""What the page asks about models: make, train, ask, look back, look after."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from edge import __version__
from edge.engine import Model
from edge.engine.confusions import confusions
from edge.engine.review import review as look
from edge.errors import CannotTrain, NotFound, NotTrained
from edge.faces.documents import document
from edge.faces.page.asked import Asked, Refused
from edge.faces.page.downloads import Download
from edge.faces.page.words import for_page
from edge.types import VersionInfo

_heavy = threading.Lock()  # reviews train in memory: one at a time is what a small board can do
_WAIT = 20.0
_MOST_INPUTS = 24
_MOST_VERSIONS = 50


def state(asked: Asked) -> dict[str, Any]:
    """What every view needs: concepts with their counts, models, how many pictures there are."""
    engine, store = asked.engine, asked.engine.store
    with store.reading():
        counts = store.inputs.concept_counts()
        concepts = [
            {"id": one.id, "name": one.name, "shown": counts[one.id][0], "not_shown": counts[one.id][1]}
            for one in engine.concepts()
        ]
        return {
            "version": __version__,
            "store": store.path.name,
            "backbone": engine.backbone_name,
            "read_only": store.read_only,
            "keyed": asked.keys.needed,
            "caller": asked.caller.name,
            "scopes": sorted(asked.caller.scopes),
            "inputs": store.inputs.count(),
            "max_image": asked.core.options.max_image,
            "concepts": concepts,
            "cameras": list(asked.core.cameras.states()),
            "models": [_short(one) for one in engine.models()],
        }


def _short(model: Model) -> dict[str, Any]:
    """A model with the version in use, without the figures of older ones."""
    versions = model.versions()
    return {
        **document(model.info),
        "in_use": _version(_in_use(model)),
        "newest": _version(versions[0].info if versions else None),
        "trainings": len(versions),
    }


def _in_use(model: Model) -> VersionInfo | None:
    try:
        return model.in_use
    except NotFound:  # deleted a moment ago
        return None


def _version(info: VersionInfo | None) -> dict[str, Any] | None:
    if info is None:
        return None
    found: dict[str, Any] = document(info)
    if info.reason:
        found["reason"] = for_page(info.reason)
    found["finished"] = info.status.finished
    return found


def show(asked: Asked) -> dict[str, Any]:
    """A model with its versions, newest first."""
    model = asked.engine.model(asked.path["model"])
    versions = [_version(one.info) for one in model.versions()[:_MOST_VERSIONS]]
    return {"model": _short(model), "versions": versions}


def create(asked: Asked) -> dict[str, Any]:
    """A new model."""
    model = asked.engine.create_model(
        asked.text("name"),
        asked.texts("concepts"),
        mutually_exclusive=asked.flag("mutually_exclusive"),
        closed_environment=asked.flag("closed_environment"),
    )
    return {"model": _short(model)}


def delete(asked: Asked) -> dict[str, Any]:
    """Forget a model and its versions; pictures and annotations stay."""
    asked.engine.delete_model(asked.path["model"])
    return {}


def change(asked: Asked) -> dict[str, Any]:
    """Concepts a model gets (``add``) and loses (``remove``), and its settings, from the next training on."""
    model = asked.engine.model(asked.path["model"])
    settings = {key: asked.flag(key) for key in ("mutually_exclusive", "closed_environment") if key in asked.body}
    if settings:
        model.set_output(**settings)
    if new := asked.texts("add"):
        model.add_concepts(new)
    if gone := asked.texts("remove"):
        model.remove_concepts(gone)
    return {"model": _short(model)}


def train(asked: Asked) -> dict[str, Any]:
    """Start a training, unless one is under way: then that one."""
    model = asked.core.model(asked.path["model"])
    asked.engine.store.models.recover()
    newest = next(iter(model.versions()), None)
    if newest is not None and not newest.status.finished:
        return {"version": _version(newest.info)}
    return {"version": _version(model.train().info)}


def version(asked: Asked) -> dict[str, Any]:
    """How a training goes on."""
    found = asked.engine.model(asked.path["model"]).version(asked.path["version"])
    if not found.status.finished:
        asked.engine.store.models.recover()  # the process that trains it may have been killed
    return {"version": _version(found.info)}


def rollback(asked: Asked) -> dict[str, Any]:
    """Answer with an older version until the model is trained again."""
    model = asked.engine.model(asked.path["model"])
    model.rollback(asked.text("version"))
    return {"model": _short(model)}


def predict(asked: Asked) -> dict[str, Any]:
    """What a picture shows, and how many milliseconds the device thought about it."""
    started = time.perf_counter()
    model = asked.core.model(asked.path["model"])
    found = document(model.predict(asked.body, version=asked.one("version")))
    return {"prediction": found, "milliseconds": 1000 * (time.perf_counter() - started)}


# --- looking after what is taught ------------------------------------------------------------------------------------


def review(asked: Asked) -> dict[str, Any]:
    """Suspects, remarks, what to do next, and the pictures that would teach most; with the inputs they speak of."""
    model = asked.engine.model(asked.path["model"])
    used = _in_use(model)
    with _alone():
        found = look(asked.engine, model, None if used is None else used.evaluation)
        try:
            unsure = model.uncertain(limit=_MOST_INPUTS)
        except NotTrained:
            unsure = None
    ids = [id for one in found.suspects or () for id in (one.input_id, *one.nearest)]
    ids += [id for one in found.remarks for id in one.inputs[:_MOST_INPUTS]]
    remarks = [
        {
            **document(one),
            "message": for_page(one.message),
            "count": len(one.inputs),
            "inputs": list(one.inputs[:_MOST_INPUTS]),
        }
        for one in found.remarks
    ]
    wanted = {"unlabelled": 0, "inputs": []} if unsure is None else document(unsure)
    steps = [for_page(one) for one in found.next]
    return {**document(found), "next": steps, "remarks": remarks, "uncertain": wanted, "inputs": _records(asked, ids)}


def cells(asked: Asked) -> dict[str, Any]:
    """The pictures behind the confusion matrix; ``missing`` says why there are none."""
    model = asked.engine.model(asked.path["model"])
    try:
        with _alone():
            found = confusions(asked.engine, model, limit=_MOST_INPUTS)
    except CannotTrain as error:
        return {"cells": [], "inputs": {}, "missing": for_page(str(error)), "concepts": list(model.info.concepts)}
    ids = [id for one in found for id in one.inputs]
    return {
        "cells": document(found),
        "inputs": _records(asked, ids),
        "missing": None,
        "concepts": list(model.info.concepts),
        "mutually_exclusive": model.info.mutually_exclusive,
    }


@contextmanager
def _alone() -> Iterator[None]:
    if not _heavy.acquire(timeout=_WAIT):
        raise Refused(503, "busy", "the device is looking at other pictures; try again in a moment")
    try:
        yield
    finally:
        _heavy.release()


def _records(asked: Asked, ids: Iterable[str]) -> dict[str, Any]:
    found = {}
    for id in dict.fromkeys(ids):
        try:
            found[id] = document(asked.engine.input(id))
        except NotFound:  # removed a moment ago
            continue
    return found


def export(asked: Asked) -> dict[str, Any]:
    """Fuse backbone and head, and give a link to the file."""
    model = asked.engine.model(asked.path["model"])
    path = asked.tickets.path()
    with _alone():
        model.export(path, version=asked.body.get("version") or None, full_integer=asked.flag("full_integer"))
    used = _in_use(model)
    name = f"{model.name}-{asked.body.get('version') or (used.id if used else '')}.tflite"
    made = Download(name, "application/octet-stream", path=path)
    return {"url": asked.tickets.promise(made), "name": name, "size": path.stat().st_size}

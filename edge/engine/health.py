"""`edge doctor`: looks at the machine, the backbone and the store, and reports what it finds instead of dying of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge.config import DEFAULT_BACKBONE, DEFAULT_STORE, Config
from edge.errors import EdgeError
from edge.types import BackboneCard, Finding, VersionStatus

if TYPE_CHECKING:
    from edge.engine.engine import Engine

_MINIMUM_COSINE = 0.99
Findings = Iterator[Finding]


def examine(path: str | Path | None, config: Config, *, repair: bool = False) -> Findings:
    """All of ``check`` for a store that may not even open; then the store is one finding and the rest goes on.

    That there is no store is a problem when one was named, and a note when not.
    """
    from edge.engine.engine import Engine
    from edge.errors import NotFound

    try:
        engine = Engine.open(path, create=False, config=config)
    except EdgeError as error:
        yield from _machine(config)
        yield from _guarded("backbone", lambda: _backbone(DEFAULT_BACKBONE, config))
        named = path is not None or config.store != DEFAULT_STORE
        yield Finding("store", "problem" if named or not isinstance(error, NotFound) else "note", str(error))
        return
    with engine:
        yield from check(engine, repair=repair)


def check(engine: Engine, *, repair: bool = False) -> Findings:
    """One finding per check, as it is made.

    ``repair`` mends what can be: leftovers, embeddings, snapshots; versions whose heads are lost become FAILED.
    """
    yield from _machine(engine.config)
    yield from _guarded("backbone", lambda: _backbone(engine.backbone_name, engine.config))
    yield from _guarded("store", lambda: _store(engine, repair))


def _guarded(check: str, look: Callable[[], Findings]) -> Findings:
    """What a check finds; what stops it is a finding too."""
    from edge.store.failures import translated

    try:
        with translated():
            yield from look()
    except EdgeError as error:
        yield Finding(check, "problem", str(error))


# --- the machine -----------------------------------------------------------------------------------------------------


def _machine(config: Config) -> Findings:
    from edge import __version__
    from edge.backbone import runtime as runtimes

    python = f"Python {platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}"
    yield Finding("python", "ok", f"edge-concepts {__version__}, {python}")
    yield from _guarded("runtime", lambda: _runtime(config))
    count = runtimes.thread_count(config.threads)
    yield Finding("threads", "ok", f"{count} of {os.cpu_count()} cores run the network; EDGE_THREADS sets it")


def _runtime(config: Config) -> Findings:
    from edge.backbone import delegate as edgetpu
    from edge.backbone import runtime as runtimes
    from edge.errors import HardwareMissing

    used = runtimes.choose(config.runtime)
    runtimes.module(used)
    others = [runtimes.label(name) for name in runtimes.installed() if name != used]
    also = f"; also installed: {', '.join(others)}" if others else ""
    yield Finding("runtime", "ok", f"{runtimes.label(used)} is used{also}")
    try:
        _, device = edgetpu.load(used)
        yield Finding("edge tpu", "ok", f"an Edge TPU is there and starts ({device.bus})")
    except HardwareMissing as error:
        yield Finding("edge tpu", "problem" if config.delegate == "edgetpu" else "note", str(error))


# --- the backbone ----------------------------------------------------------------------------------------------------


def _backbone(name: str, config: Config) -> Findings:
    from edge.backbone import catalogue

    if name in catalogue.BUILTIN:
        yield Finding("backbone", "ok", f"{name} is built in")
        return
    folder, card = catalogue.find_card(name, config)
    catalogue.read_verified(folder, card)
    yield Finding("backbone", "ok", f"{name} is the file its card describes (sha256 {card.sha256[:12]})")
    yield from _guarded("background", lambda: _background(folder, card))
    yield from _guarded("golden", lambda: _golden(folder, card, config))


def _background(folder: Path, card: BackboneCard) -> Findings:
    from edge.backbone import catalogue

    rows = catalogue.background(folder, card)
    if rows is None:
        yield Finding("background", "note", f"{card.name} has no background; models need pictures of both kinds")
    else:
        yield Finding("background", "ok", f"{len(rows)} background embeddings")


def golden_agreement(folder: Path, card: BackboneCard, config: Config) -> tuple[float, float, str] | None:
    """How well this machine sees what the exporting one saw: least cosine, the least that is allowed, the runtime.

    None for a card without golden embeddings. Raises BadBackbone, RuntimeMissing, HardwareMissing.
    """
    import numpy as np

    from edge.backbone import catalogue
    from edge.backbone.golden import golden_images
    from edge.head.transform import transform

    expected = catalogue.golden(folder, card)
    if expected is None:
        return None
    backbone = catalogue.open_backbone(card.name, config)
    try:
        pictures = golden_images(card.preprocessing.height, card.preprocessing.width)[: len(expected)]
        found = np.stack([backbone.embed(picture) for picture in pictures])
        runtime = backbone.runtime
    finally:
        backbone.close()
    one, two = transform(found, card.embedding), transform(expected[: len(found)], card.embedding)
    cosine = (one * two).sum(axis=1)
    return float(cosine.min()), float(card.facts.get("golden", {}).get("minimum_cosine", _MINIMUM_COSINE)), runtime


def _golden(folder: Path, card: BackboneCard, config: Config) -> Findings:
    agreement = golden_agreement(folder, card, config)
    if agreement is None:
        yield Finding("golden", "note", f"{card.name} has no golden embeddings to compare with")
        return
    least, minimum, runtime = agreement
    text = f"{runtime} gives embeddings of cosine {least:.4f} or more with the expected ones (at least {minimum})"
    if least >= minimum:
        yield Finding("golden", "ok", text)
    else:
        yield Finding("golden", "problem", f"{text}; install the runtime again, or try the other one with EDGE_RUNTIME")


# --- the store -------------------------------------------------------------------------------------------------------


def _store(engine: Engine, repair: bool) -> Findings:
    store = engine.store
    if store.read_only:
        yield Finding("store", "note", f"{store.path} is read-only; predictions work, nothing can be added or trained")
        repair = False
    yield from _guarded("store", lambda: store.check(repair=repair))
    yield from _guarded("embeddings", lambda: _embeddings(engine, repair))
    yield from _guarded("versions", lambda: _versions(engine))
    yield from _guarded("statistics", lambda: _statistics(engine, repair))


def _embeddings(engine: Engine, repair: bool) -> Findings:
    card = engine.card
    missing = engine.store.inputs.missing_embeddings(card.sha256, card.embedding.size, removed=False)
    if not missing:
        yield Finding("embeddings", "ok", f"every picture has its embedding under {card.name}")
    elif repair:
        done = engine.use_backbone(card.name)
        yield Finding("embeddings", "ok", f"{_count(done, 'embedding')} computed that were missing", repaired=True)
    else:
        text = f"{_count(len(missing), 'picture')} without an embedding under {card.name}; run: edge doctor --repair"
        yield Finding("embeddings", "problem", text)


def _versions(engine: Engine) -> Findings:
    """Does every trained head read, and do the models have one for the store's backbone?"""
    from edge.errors import BadHead
    from edge.head.trained import TrainedHead

    bad, stale, count = [], [], 0
    for model in engine.models():
        for version in model.versions():
            if version.status is VersionStatus.TRAINED:
                count += 1
                try:
                    TrainedHead.from_bytes(engine.store.models.head(version.info))
                except BadHead:
                    bad.append(f"{version.model} {version.id}")
        used = model.in_use
        if used is not None and used.backbone_sha256 != engine.store.setting("backbone_sha256"):
            stale.append(model.name)
    if bad:
        yield Finding("versions", "problem", f"heads that cannot be read: {', '.join(bad)}; train again")
    else:
        yield Finding("versions", "ok", f"{_count(count, 'trained version')} can be read")
    if stale:
        yield Finding("versions", "note", f"trained under another backbone: {', '.join(stale)}; train again")


def _statistics(engine: Engine, repair: bool) -> Findings:
    """Snapshots are caches: a bad one costs a rebuild at the next training and nothing else."""
    from edge.errors import BadHead
    from edge.head.statistics import Statistics, snapshot_concepts

    card, inputs, models = engine.card, engine.store.inputs, engine.store.models
    bad = []
    for model in engine.models():
        snapshot, info = models.load_snapshot(model.name), model.info
        if snapshot is None:
            continue
        try:
            empty = Statistics(
                snapshot_concepts(snapshot),  # those of the model may have changed since
                card.embedding,
                mutually_exclusive=info.mutually_exclusive,
                closed_environment=info.closed_environment,
            )
            good = empty.restore(snapshot, backbone_sha256=card.sha256) <= inputs.last_change()
        except (BadHead, ValueError, KeyError, OSError, EOFError):
            good = False
        if not good:
            bad.append(model.name)
            if repair:
                models.drop_snapshot(model.name)
    if not bad:
        yield Finding("statistics", "ok", "no statistics snapshot is out of order")
        return
    text = f"the statistics snapshots of {', '.join(bad)} do not fit; the next training rebuilds them"
    yield Finding("statistics", "ok" if repair else "note", text, repaired=repair)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"

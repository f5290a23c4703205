"""Loops over an engine: its models answer, its store keeps what they see."""

from __future__ import annotations

import platform
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from edge.engine.pictures import Picture, loaded
from edge.errors import BackboneChanged, StoreUnavailable
from edge.store import NewInput
from edge.types import Prediction
from edge.watch.base import Event
from edge.watch.config import WatchConfig
from edge.watch.context import Quota
from edge.watch.runner import Model, Watch

if TYPE_CHECKING:
    from edge.engine.engine import Engine


def watch(engine: Engine, config: WatchConfig, told: Callable[[Event], None] = lambda _: None) -> Watch:
    """Loops of a configuration over an engine, not started yet. Raises InvalidArgument, NotFound."""
    facts = {"id": platform.node() or "edge", "name": f"Edge Concepts on {platform.node() or 'this device'}"}
    return Watch(config, lambda name: model_of(engine, name), Kept(engine), engine.store.path / "watch", facts=facts,
                 told=told)  # fmt: skip


def model_of(engine: Engine, name: str) -> Model:
    """A model as loops ask it; a newer version is used from its first moment. Raises NotFound."""
    model = engine.model(name)

    def names() -> list[tuple[str, str]]:
        renamed = engine.store.inputs.renamed()
        return [(id, renamed.get(id, id)) for id in model.info.concepts]

    return Model(model.predict, names)


class Kept:
    """Captures in the engine's store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, picture: Any, source: str, prediction: Prediction) -> str:
        """As ``edge.watch.context.Keeper``."""
        known = {"known": round(prediction.known, 4), "version": prediction.version, "model": prediction.model}
        values = {one.id: round(one.value, 4) for one in prediction.concepts}
        while True:
            backbone = self._engine.backbone
            new = loaded(Picture(picture, source, {}), backbone)
            if not isinstance(new, NewInput):
                raise new[1]
            new = _with_metadata(new, {"prediction": {**known, "concepts": values}})
            try:
                return self._engine.store.inputs.add([new], by="watch")[0][0].id
            except BackboneChanged:
                if backbone.card.sha256 == self._engine.store.setting("backbone_sha256"):
                    raise

    def tidy(self, source: str, quota: Quota) -> int:
        """As ``edge.watch.context.Keeper``."""
        since = None if quota.age is None else self._engine.store.now() - timedelta(seconds=quota.age)
        try:
            return self._engine.store.discard(source, keep=quota.count, most_bytes=quota.bytes, since=since)
        except StoreUnavailable:
            return 0  # the next capture tries again; the store says what is wrong when it is asked to keep one


def _with_metadata(new: NewInput, metadata: dict[str, Any]) -> NewInput:
    from dataclasses import replace

    return replace(new, metadata={**new.metadata, **metadata})

"""Loops over an engine: its models answer, its store keeps what they see."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from edge import __version__
from edge.engine.pictures import Picture, loaded
from edge.errors import BackboneChanged, StoreUnavailable
from edge.store import NewInput
from edge.sync.device import id_here as device_id
from edge.sync.state import unsent
from edge.types import Prediction
from edge.watch.base import Event
from edge.watch.config import WatchConfig
from edge.watch.context import Quota
from edge.watch.runner import Model, Watch

if TYPE_CHECKING:
    from edge.engine.engine import Engine

_TIDY = 600.0
"""Seconds between looks for what has become too old."""


def watch(engine: Engine, config: WatchConfig, told: Callable[[Event], None] = lambda _: None) -> Watch:
    """Loops of a configuration over an engine, not started yet. Raises InvalidArgument, NotFound."""
    host = platform.node()
    facts = {"id": host or "edge", "name": f"Edge Concepts on {host or 'this device'}", "version": __version__}
    return Watch(config, lambda name: model_of(engine, name), Kept(engine), engine.store.path / "watch", facts=facts,
                 told=told)  # fmt: skip


def model_of(engine: Engine, name: str) -> Model:
    """A model as loops ask it; a newer version is used from its first moment. Raises NotFound."""
    model = engine.model(name)

    def names() -> list[tuple[str, str]]:
        renamed = engine.store.inputs.renamed()
        return [(id, renamed.get(id, id)) for id in model.info.concepts]

    return Model(model.predict, names)


@dataclass(slots=True)
class _Since:
    """What was kept since a source was tidied last, at ``at``."""

    at: datetime
    count: int = 0
    bytes: int = 0


class Kept:
    """Captures in the engine's store.

    Finding what is too much costs a pass over the store, so there is some slack below each bound: a fiftieth.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._since: dict[str, _Since] = {}

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
                id = self._engine.store.inputs.add([new], by="watch")[0][0].id
            except BackboneChanged:
                if backbone.card.sha256 == self._engine.store.setting("backbone_sha256"):
                    raise
            except StoreUnavailable:
                self._since.pop(source, None)  # let the next tidying see what can be done
                raise
            else:
                since = self._since.get(source)
                if since is not None:
                    since.count, since.bytes = since.count + 1, since.bytes + len(new.data)
                return id

    def tidy(self, source: str, quota: Quota) -> int:
        """As ``edge.watch.context.Keeper``."""
        store = self._engine.store
        now, since = store.now(), self._since.get(source)
        slack = Quota(*(None if one is None else one // 50 for one in (quota.count, quota.bytes)))
        if since is not None and not _due(since, slack, quota.age, now):
            return 0
        self._since[source] = _Since(now)
        try:
            return store.discard(
                source,
                keep=None if quota.count is None else quota.count - (slack.count or 0),
                most_bytes=None if quota.bytes is None else quota.bytes - (slack.bytes or 0),
                since=None if quota.age is None else now - timedelta(seconds=quota.age),
                own=device_id(store.path),
                unsent=lambda digests: unsent(store.path, digests),
            )
        except StoreUnavailable:
            self._since.pop(source, None)
            return 0  # the next capture tries again; the store says what is wrong when it is asked to keep one


def _due(since: _Since, slack: Quota, age: float | None, now: datetime) -> bool:
    count = slack.count is not None and since.count > slack.count
    size = slack.bytes is not None and since.bytes > slack.bytes
    passed = abs((now - since.at).total_seconds())  # clocks are set, backwards too
    return count or size or (age is not None and passed >= min(_TIDY, age / 50))


def _with_metadata(new: NewInput, metadata: dict[str, Any]) -> NewInput:
    from dataclasses import replace

    return replace(new, metadata={**new.metadata, **metadata})

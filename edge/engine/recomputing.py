"""All pictures of a store under another backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge.errors import StoreCorrupt
from edge.image import decode
from edge.store import Store
from edge.types import Input

if TYPE_CHECKING:
    from edge.backbone.base import Backbone
    from edge.engine.engine import Progress

_BATCH = 16


def recompute(store: Store, backbone: Backbone, progress: Progress | None = None) -> int:
    """Compute the embeddings that are missing under ``backbone``, then name it in the store; returns how many.

    Interrupted, it goes on where it stopped. Raises StoreCorrupt (a picture is gone).
    """
    card, done = backbone.card, 0
    while True:
        done += fill(store, backbone, progress, done)
        if store.use_backbone(card.name, card.sha256, card.embedding.size):
            return done
        # another process has added some meanwhile


def fill(store: Store, backbone: Backbone, progress: Progress | None = None, before: int = 0) -> int:
    """Compute the embeddings that are missing under ``backbone``, beside those the store uses; returns how many.

    ``before``: how many were computed already, for ``progress``. Raises StoreCorrupt (a picture is gone).
    """
    inputs, card = store.inputs, backbone.card
    missing = inputs.missing_embeddings(card.sha256, card.embedding.size)
    done = 0
    for start in range(0, len(missing), _BATCH):
        part = inputs.by_number(missing[start : start + _BATCH])
        rows = _rows(store, backbone, part)
        inputs.set_embeddings(rows, backbone_sha256=card.sha256)
        done += len(rows)
        if progress:
            progress(before + min(done, len(missing)), before + len(missing))
    return done


def _rows(store: Store, backbone: Backbone, part: Mapping[int, Input]) -> list[tuple[int, bytes]]:
    """Embeddings of inputs by number. A removed input whose picture is gone must not keep the others."""
    rows = []
    for number, one in part.items():
        try:
            picture = decode(store.shelf.view(one), backbone.card.preprocessing)[1]
        except StoreCorrupt:
            if store.inputs.visible(number):
                raise
            continue
        rows.append((number, backbone.embed(picture).tobytes()))
    return rows

"""A store, a clock that can be set, and inputs without pictures behind them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edge.store import NewInput, Store

SHA = "0" * 64


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    with Store.open(tmp_path / "store", clock=clock) as opened:
        yield opened


@pytest.fixture
def new():
    """``new(b"...", {"cat": 1})``: an input to be added; its embedding is eight times its length."""

    def make(data: bytes, annotations: dict[str, int] | None = None, **more: object) -> NewInput:
        facts = {"media_type": "image/png", "width": 2, "height": 3, "source": "a.png", "backbone_sha256": SHA}
        return NewInput(data=data, annotations=annotations or {}, embedding=bytes([len(data)] * 8), **{**facts, **more})

    return make


@pytest.fixture
def labels():
    """``labels(store, id)``: concept -> value of an input."""
    return lambda store, id: {one.concept_id: one.value for one in store.inputs.get(id).annotations}

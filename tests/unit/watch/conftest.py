"""A loop without threads or clocks."""

from __future__ import annotations

import pytest

from tests.unit.watch.doubles import Rig


@pytest.fixture
def rig():
    """``rig(smoothing=3)``: a loop that is asked by hand."""
    return Rig

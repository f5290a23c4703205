"""What hostile tests of formats share."""

from __future__ import annotations

import pytest
from PIL import Image


@pytest.fixture
def secret(tmp_path, blob):
    """A picture outside the folder, and inside it one good picture, good.png."""
    (tmp_path / "given").mkdir()
    Image.fromarray(blob("red", 1)).save(tmp_path / "secret.png")
    Image.fromarray(blob("green", 1)).save(tmp_path / "given" / "good.png")
    return tmp_path / "secret.png"

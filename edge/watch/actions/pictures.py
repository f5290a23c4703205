"""A capture as a small JPEG, for those who are only shown it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from edge.image import decode, facts, prepare
from edge.types import Preprocessing

if TYPE_CHECKING:
    from edge.camera.base import Picture

_SIDE = 640


def small(picture: Picture, side: int = _SIDE) -> bytes:
    """A whole JPEG of at most ``side`` pixels; one that is so already stays as it is. Raises BadImage."""
    if isinstance(picture, bytes):
        found = facts(picture)
        width, height = found.width, found.height
        if found.media_type == "image/jpeg" and max(width, height) <= side:
            return picture
        pixels = decode(picture, _shape(width, height, side))[1]
    else:
        pixels = prepare(picture, _shape(picture.shape[1], picture.shape[0], side))
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=80)
    return out.getvalue()


def whole(picture: Picture) -> bytes:
    """A JPEG of the capture in its own size; one that came as a JPEG stays as it is. Raises BadImage."""
    if isinstance(picture, bytes):
        found = facts(picture)
        return small(picture, max(found.width, found.height))
    return small(picture, max(picture.shape[:2]))


def _shape(width: int, height: int, side: int) -> Preprocessing:
    scale = min(1.0, side / max(width, height))
    return Preprocessing(max(1, round(width * scale)), max(1, round(height * scale)), fit="stretch", crop=1.0)

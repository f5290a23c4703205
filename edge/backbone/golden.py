"""A few generated pictures whose embeddings a card keeps: `edge doctor` recomputes them to see that a device agrees.

Generated, because a photograph would bring a licence and a decoder: these are the same bytes everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNT = 6


def golden_images(height: int, width: int) -> NDArray[np.uint8]:
    """(COUNT, height, width, 3) uint8: ramps, rings, stripes, a chequerboard, blobs and noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = y / height, x / width
    rings = np.sin(40 * np.hypot(x - 0.5, y - 0.4))
    stripes = np.sin(60 * (x + 0.3 * y))
    chequers = np.sign(np.sin(25 * x) * np.sin(25 * y))
    blobs = sum(np.exp(-80 * ((x - cx) ** 2 + (y - cy) ** 2)) for cx, cy in ((0.3, 0.3), (0.7, 0.4), (0.5, 0.75)))
    noise = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (height, width, 3))
    pictures = [
        _rgb(x, y, 1 - x),
        _rgb((rings + 1) / 2, x, y),
        _rgb(y, (stripes + 1) / 2, 0.5 * x),
        _rgb((chequers + 1) / 2, (chequers + 1) / 2, x),
        _rgb(0.2 + 0.8 * blobs, 0.4 * y, 0.1 + 0.5 * blobs),
        noise,
    ]
    return np.stack([np.asarray(picture, dtype=np.uint8) for picture in pictures])


def _rgb(*channels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([(255 * channel).clip(0, 255) for channel in channels], axis=-1)

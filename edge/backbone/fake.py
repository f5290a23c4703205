"""A backbone without a network, for tests and for trying things out where no runtime is installed.

Its embedding is a fixed random projection of the picture's 8 x 8 colour thumbnail, its first part rectified: similar
pictures get similar embeddings, and every machine gets the same ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.errors import InvalidArgument
from edge.types import BackboneCard, EmbeddingPart, EmbeddingSpec, Preprocessing, Quantisation

_CELLS = 8
_SCALE = 0.05

CARD = BackboneCard(
    name="fake",
    sha256="0" * 64,
    source="a fixed random projection of a thumbnail",
    licence="Apache-2.0",
    preprocessing=Preprocessing(width=64, height=64, fit="centre", crop=1.0),
    input=Quantisation("uint8", 1.0, 0),
    embedding=EmbeddingSpec((EmbeddingPart(64, -128, _SCALE), EmbeddingPart(32, 0, _SCALE, "l2", 0.5))),
)


class FakeBackbone:
    """Implements ``Backbone`` in a few lines of numpy; deterministic."""

    runtime = "fake"

    def __init__(self, card: BackboneCard = CARD) -> None:
        self._card = card
        generator = np.random.Generator(np.random.PCG64(7))
        self._projection = generator.standard_normal((_CELLS * _CELLS * 3, card.embedding.size)) / _CELLS

    @property
    def card(self) -> BackboneCard:
        return self._card

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.int8]:
        """(64, 64, 3) uint8 -> (96,) int8. Raises InvalidArgument for another shape."""
        size = self._card.preprocessing.height
        if picture.shape != (size, size, 3) or picture.dtype != np.uint8:
            raise InvalidArgument(f"a picture of {picture.shape} is not uint8 ({size}, {size}, 3); prepare it first")
        step = size // _CELLS
        cells = picture.reshape(_CELLS, step, _CELLS, step, 3).mean(axis=(1, 3)).reshape(-1) / 255 - 0.5
        last, middle = np.split(np.rint(cells @ self._projection / _SCALE), [self._card.embedding.parts[0].size])
        raw = np.concatenate([np.maximum(last, 0) - 128, middle])
        return np.asarray(raw.clip(-128, 127), dtype=np.int8)

    def close(self) -> None:
        """Nothing to give back."""

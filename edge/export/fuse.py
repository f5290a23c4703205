"""A backbone and a trained head as one ``.tflite``, made on the device without TensorFlow or torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import BadBackbone
from edge.export import tflite_metadata as standard
from edge.export.extend import Extension, Tensor
from edge.export.record import CONCEPTS, HEAD, Record
from edge.export.tail import float_tail, integer_tail
from edge.types import BackboneCard, LinearTail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written (``size`` in bytes), and how it compares with ``predict`` on at most 2 000 stored pictures.

    ``agreeing`` of ``compared`` pictures have the same highest concept; where concepts are independent, all values on
    the same side of 0.5. ``agreement``: their share. ``largest_difference``: of any value, in [0, 1]. Both are None
    when nothing is stored.
    """

    path: Path
    model: str
    version: str
    size: int
    full_integer: bool
    compared: int = 0
    agreeing: int = 0
    agreement: float | None = None
    largest_difference: float | None = None

    def __str__(self) -> str:
        kind = "INT8 throughout" if self.full_integer else "INT8 with a head in floats"
        first = f"wrote {self.path}: {self.model} {self.version}, {kind}, {self.size / 1e6:.1f} MB"
        if self.agreement is None or self.largest_difference is None:
            return f"{first}\nno stored pictures to compare it with"
        return (
            f"{first}\nagrees with predict on {self.agreeing} of {self.compared} stored pictures "
            f"({100 * self.agreement:.1f} %), values differ by at most {self.largest_difference:.4f}"
        )


def fuse(
    backbone: bytes, card: BackboneCard, head: LinearTail, record: Record, samples: NDArray[np.int8] | None = None
) -> bytes:
    """The fused file: picture in as the backbone takes it, (1, K) values out, labels, metadata and ``record``.

    ``samples`` (n, d) int8 embeddings, at least one, make the head INT8 too; without, it is float32. Raises BadBackbone
    when the backbone is damaged or does not fit the head.
    """
    graph = Extension(backbone)
    if graph.output.shape[-1:] != (card.embedding.size,) or graph.output.dtype not in ("INT8", "UINT8"):
        raise BadBackbone(f"{card.name} does not give {card.embedding.size} 8-bit numbers; export or adopt it again")
    values = _tail(graph, graph.output, card, head, samples)
    about = standard.About(
        name=record.model,
        version=record.version,
        description=f"{', '.join(head.concepts)}; {card.name} with a head trained by Edge Concepts",
        licence=card.licence,
    )
    graph.metadata(standard.NAME, standard.metadata(about, card.preprocessing))
    graph.metadata(CONCEPTS, record.to_json())
    graph.metadata(HEAD, record.head)
    return standard.with_labels(graph.finish(values, f"Edge Concepts: {record.model} {record.version}"), head.concepts)


def head_alone(card: BackboneCard, head: LinearTail, samples: NDArray[np.int8] | None = None) -> bytes:
    """The same head behind no backbone: (1, d) int8 embedding in, (1, K) values out; to compare it without pictures."""
    spec = card.embedding
    graph = Extension()
    graph.input = graph.tensor("embedding", (1, spec.size), "INT8", scale=spec.scale, zero_point=spec.zero_point)
    return graph.finish(_tail(graph, graph.input, card, head, samples), "head", names=("embedding", "values"))


def _tail(
    graph: Extension, embedding: Tensor, card: BackboneCard, head: LinearTail, samples: NDArray[np.int8] | None
) -> Tensor:
    if samples is None:
        return float_tail(graph, embedding, card.embedding.transform, head)
    return integer_tail(graph, embedding, card.embedding.transform, head, samples)

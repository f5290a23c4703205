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
    if [one.shape[-1] for one in graph.outputs] != [part.size for part in card.embedding.parts]:
        raise BadBackbone(f"{card.name} does not give {card.embedding.size} 8-bit numbers; export or adopt it again")
    values = _tail(graph, graph.outputs, card, head, samples)
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
    """The same head behind no backbone: an int8 input for each part of the embedding, (1, K) values out.

    For comparing it without pictures.
    """
    graph = Extension()
    graph.inputs = tuple(
        graph.tensor(f"embedding_{i}", (1, part.size), "INT8", scale=part.scale, zero_point=part.zero_point)
        for i, part in enumerate(card.embedding.parts)
    )
    return graph.finish(_tail(graph, graph.inputs, card, head, samples), "head", names=("embedding", "values"))


def _tail(
    graph: Extension,
    outputs: tuple[Tensor, ...],
    card: BackboneCard,
    head: LinearTail,
    samples: NDArray[np.int8] | None,
) -> Tensor:
    if samples is None:
        return float_tail(graph, outputs, card.embedding, head)
    return integer_tail(graph, outputs, card.embedding, head, samples)

"""The head as operators behind the backbone: floats by default, 8-bit integers where an Edge TPU is to run it."""

from __future__ import annotations

import numpy as np

from edge.export.extend import Extension, Tensor
from edge.types import LinearTail, Transform


def float_tail(graph: Extension, embedding: Tensor, transform: Transform, head: LinearTail) -> Tensor:
    """DEQUANTIZE, the transform to a unit vector, FULLY_CONNECTED and the activation; (1, K) float32 values.

    The embedding's scale cancels in the unit vector, so the result is ``TrainedHead.predict``'s up to rounding.
    """

    def apply(name: str, *inputs: Tensor, version: int = 1, size: int | None = None) -> Tensor:
        shape = (1, size or embedding.shape[-1])
        return graph.operator(name, version, inputs, graph.tensor(f"head/{name.lower()}", shape, "FLOAT32"))

    def root(x: Tensor) -> Tensor:
        return apply("SQRT", x)

    x = apply("DEQUANTIZE", embedding, version=2 if embedding.dtype == "INT8" else 1)
    if transform == "sqrt":
        lowest = -128 if embedding.dtype == "INT8" else 0
        x = root(x if embedding.zero_point == lowest else apply("RELU", x))
    elif transform == "signed-sqrt":  # the root of the positive part less that of the negative part
        x = apply("SUB", root(apply("RELU", x)), root(apply("RELU", apply("NEG", x))))
    z = apply("L2_NORMALIZATION", x)
    concepts = len(head.concepts)
    weights = np.ascontiguousarray(head.weights, dtype="<f4")
    w = graph.tensor("head/weights", weights.shape, "FLOAT32", data=weights.tobytes())
    b = graph.tensor("head/bias", (concepts,), "FLOAT32", data=np.asarray(head.bias, dtype="<f4").tobytes())
    logits = apply("FULLY_CONNECTED", z, w, b, size=concepts)
    return apply("SOFTMAX" if head.activation == "softmax" else "LOGISTIC", logits, size=concepts)

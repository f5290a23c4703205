"""The head as operators behind the backbone: floats by default, 8-bit integers where an Edge TPU is to run it.

Both give ``softmax`` or ``sigmoid`` of weights z + bias, z the unit vector that ``EmbeddingSpec.transform`` makes of an
embedding x. Operator versions are the lowest that do it, which tflite-runtime 2.14 has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.export.extend import Extension, Tensor
from edge.types import EmbeddingSpec, LinearTail, Transform

Array = NDArray[np.float64]
_SATURATED = 6.0
"""A logit this far from the decision has a value within 1/400 of its end: an 8-bit output cannot tell it from more."""
_MARGIN = 1.05  # new pictures go a little beyond the stored ones


def float_tail(graph: Extension, outputs: Sequence[Tensor], spec: EmbeddingSpec, head: LinearTail) -> Tensor:
    """DEQUANTIZE, the transform, L2_NORMALIZATION and FULLY_CONNECTED for each part of the embedding, their sum, and
    the activation; (1, K) float32 values.

    A part's scale cancels in its unit vector, so the result is ``TrainedHead.predict``'s up to rounding.
    """
    floats, concepts = _Floats(graph), len(head.concepts)
    logits = None
    for output, (columns, part, length) in zip(outputs, spec.shares(), strict=True):
        bias = head.bias if logits is None else np.zeros(concepts)
        partial = floats.connect(floats.unit(output, part.transform), head.weights[:, columns] * length, bias)
        logits = partial if logits is None else floats.apply("ADD", logits, partial, width=concepts)
    assert logits is not None  # a spec has parts
    return floats.apply(_activation(head), logits, width=concepts)


class _Floats:
    """Operators on float32 tensors of shape (1, n)."""

    def __init__(self, graph: Extension) -> None:
        self._graph = graph

    def apply(self, name: str, *inputs: Tensor, width: int, version: int = 1) -> Tensor:
        out = self._graph.tensor(f"head/{name.lower()}", (1, width), "FLOAT32")
        return self._graph.operator(name, version, inputs, out)

    def unit(self, output: Tensor, transform: Transform) -> Tensor:
        """The part of unit length that ``transform`` makes of an 8-bit output."""

        def apply(name: str, *inputs: Tensor, version: int = 1) -> Tensor:
            return self.apply(name, *inputs, width=output.shape[-1], version=version)

        x = apply("DEQUANTIZE", output, version=2 if output.dtype == "INT8" else 1)
        if transform == "sqrt":
            x = apply("SQRT", x if _zero_is_lowest(output) else apply("RELU", x))
        elif transform == "signed-sqrt":  # the root of the positive part less that of the negative part
            x = apply("SUB", apply("SQRT", apply("RELU", x)), apply("SQRT", apply("RELU", apply("NEG", x))))
        return apply("L2_NORMALIZATION", x)

    def connect(self, z: Tensor, weights: NDArray[np.floating], bias: NDArray[np.floating]) -> Tensor:
        """weights z + bias."""
        rows, offset = np.ascontiguousarray(weights, dtype="<f4"), np.asarray(bias, dtype="<f4")
        w = self._graph.tensor(f"head/{z.index}/weights", rows.shape, "FLOAT32", data=rows.tobytes())
        b = self._graph.tensor(f"head/{z.index}/bias", offset.shape, "FLOAT32", data=offset.tobytes())
        return self.apply("FULLY_CONNECTED", z, w, b, width=len(rows))


def integer_tail(
    graph: Extension, outputs: Sequence[Tensor], spec: EmbeddingSpec, head: LinearTail, samples: NDArray[np.int8]
) -> Tensor:
    """The same in 8-bit integers, with operators of the Edge TPU's list; (1, K) int8 values, scale 1/256.

    ``samples`` (n, d) int8 embeddings, at least one, set the ranges. Adding the same to all logits of a softmax changes
    nothing, so weights are taken about their mean: smaller numbers have finer steps.
    """
    parts = _Integers(graph)
    weights, bias = np.asarray(head.weights, dtype=np.float64), np.asarray(head.bias, dtype=np.float64)
    if head.activation == "softmax":
        weights, bias = weights - weights.mean(axis=0), bias - bias.mean()
    signed = any(part.transform != "sqrt" for part in spec.parts)
    units, rows, logits = [], [], bias
    for output, (columns, part, length) in zip(outputs, spec.shares(), strict=True):
        unit, top, reference = _integer_unit(parts, output, part.transform, samples[:, columns], signed=signed)
        units.append(unit)
        rows.append(length * top * weights[:, columns])
        logits = logits + reference @ (length * weights[:, columns]).T
    z = parts.side_by_side(units)
    return parts.activate(_activation(head), parts.connect(z, np.hstack(rows), bias, parts.decided(logits, head)))


def _integer_unit(
    parts: _Integers, output: Tensor, transform: Transform, samples: NDArray[np.int8], *, signed: bool
) -> tuple[Tensor, float, Array]:
    """One part of unit length, divided by its largest number so that all parts have one scale; that number; and
    (n, size) what the part should be for the samples.

    SQRT is not on the list: x rsqrt(|x|) takes its place (0 stays 0, since 0 times any 8-bit number is).
    L2_NORMALIZATION has a fixed scale of 1/128, which leaves a vector of a thousand numbers some twenty levels: the
    length is divided out as y rsqrt(sum y^2) instead.
    """
    x_tensor = parts.signed(output)
    x = (samples.astype(np.float64) - x_tensor.zero_point) * x_tensor.scale
    if transform == "l2":
        y, reference, squares = x_tensor, x, np.square(x)
        size = parts.multiply("square", x_tensor, x_tensor, squares.max(), signed=False)
    elif transform == "sqrt":
        squares = np.maximum(x, 0.0)
        size = parts.rectified(x_tensor)
        y, reference = parts.root(size, size, squares.max(), signed=False), np.sqrt(squares)
    else:
        squares = np.abs(x)
        size = parts.magnitude(x_tensor)
        y, reference = parts.root(x_tensor, size, squares.max(), signed=True), np.sign(x) * np.sqrt(squares)
    reference = reference / _lengths(squares)
    top = float(np.abs(reference).max()) or 1.0
    # the sum is taken top^2 times as large: then its inverse root makes a vector whose largest number is 1
    inverse = parts.rsqrt(
        "inverse_length", parts.total(size, squares, top**2), _MARGIN / (top * float(_lengths(squares).min()))
    )
    return parts.multiply("unit", y, inverse, 1.0, signed=signed), top, reference


class _Integers:
    """Operators on int8 tensors of shape (1, n), and how their numbers are kept in 8 bits."""

    def __init__(self, graph: Extension) -> None:
        self._graph = graph

    def tensor(self, name: str, width: int, scale: float, zero_point: int) -> Tensor:
        return self._graph.tensor(f"head/{name}", (1, width), "INT8", scale=scale, zero_point=zero_point)

    def signed(self, x: Tensor) -> Tensor:
        """x as int8, which a uint8 output of a backbone is not."""
        if x.dtype == "INT8":
            return x
        return self._graph.operator("QUANTIZE", 1, [x], self.tensor("int8", x.shape[-1], x.scale, x.zero_point - 128))

    def ranged(self, name: str, samples: Array) -> Tensor:
        """A tensor for what ``samples`` (n, width) range over, and a little beyond."""
        scale, zero_point = _affine(_MARGIN * float(samples.min()), _MARGIN * float(samples.max()))
        return self.tensor(name, samples.shape[1], scale, zero_point)

    def decided(self, logits: Array, head: LinearTail) -> Tensor:
        """A tensor for logits with the range in which the answer is decided."""
        low, high = float(logits.min()), float(logits.max()) * _MARGIN
        if head.activation == "softmax":
            ordered = np.sort(logits, axis=1)  # the highest two decide
            low = max(low, float(ordered[:, -1].min()) - _SATURATED)
            high = min(high, float(ordered[:, -2].max()) * _MARGIN + _SATURATED)
        else:
            low, high = max(low, -_SATURATED), min(high, _SATURATED)
        scale, zero_point = _affine(low, high)
        return self.tensor("logits", logits.shape[1], scale, zero_point)

    def side_by_side(self, vectors: Sequence[Tensor]) -> Tensor:
        """One vector of several that have one scale."""
        if len(vectors) == 1:
            return vectors[0]
        width = sum(one.shape[-1] for one in vectors)
        joined = self.tensor("units", width, vectors[0].scale, vectors[0].zero_point)
        return self._graph.operator("CONCATENATION", 2, vectors, joined)

    def _positive(self, name: str, width: int, largest: float) -> Tensor:
        """A tensor for 0 ... largest."""
        return self.tensor(name, width, (float(largest) or 1.0) / 255, -128)

    def rectified(self, x: Tensor) -> Tensor:
        """max(x, 0)."""
        if _zero_is_lowest(x):
            return x
        out = self._positive("rectified", x.shape[-1], x.scale * (127 - x.zero_point))
        return self._graph.operator("RELU", 2, [x], out)

    def magnitude(self, x: Tensor) -> Tensor:
        """|x| = max(x, 0) + max(-x, 0)."""
        width = x.shape[-1]
        minus = self._constant("minus_one", np.array([[-127]]), 1 / 127)
        negative = self._graph.operator(
            "MUL", 2, [x, minus], self.tensor("negative", width, x.scale, -1 - x.zero_point)
        )
        largest = x.scale * max(127 - x.zero_point, 128 + x.zero_point)
        out = self._positive("magnitude", width, largest)
        return self._graph.operator("ADD", 2, [self.rectified(x), self.rectified(negative)], out)

    def rsqrt(self, name: str, x: Tensor, largest: float) -> Tensor:
        """1 / sqrt(x), at most ``largest``."""
        return self._graph.operator("RSQRT", 2, [x], self._positive(name, x.shape[-1], largest))

    def multiply(self, name: str, x: Tensor, y: Tensor, largest: float, *, signed: bool) -> Tensor:
        """x y, kept in 0 ... largest or, ``signed``, in -largest ... largest."""
        if signed:
            out = self.tensor(name, x.shape[-1], (float(largest) or 1.0) / 127, 0)
        else:
            out = self._positive(name, x.shape[-1], largest)
        return self._graph.operator("MUL", 2, [x, y], out)

    def root(self, x: Tensor, size: Tensor, largest: float, *, signed: bool) -> Tensor:
        """sign(x) sqrt(|x|) as x rsqrt(|x|), with ``size`` = |x| of at most ``largest``."""
        inverse = self.rsqrt("inverse_root", size, 1 / np.sqrt(size.scale))
        return self.multiply("root", x, inverse, np.sqrt(largest), signed=signed)

    def total(self, x: Tensor, samples: Array, factor: float) -> Tensor:
        """``factor`` times the sum of x, (1, 1); ``samples`` (n, d): what x was for them."""
        largest = _MARGIN * factor * samples.sum(axis=1).max()
        return self.connect(x, np.full((1, x.shape[-1]), factor), np.zeros(1), self._positive("total", 1, largest))

    def connect(self, x: Tensor, weights: Array, bias: Array, out: Tensor) -> Tensor:
        """weights x + bias, weights (n, d) in 8 bits, symmetric."""
        scale = (float(np.abs(weights).max()) or 1.0) / 127
        steps = np.rint(bias / (scale * x.scale)).clip(-(2**31), 2**31 - 1).astype("<i4")
        w = self._constant(f"{out.index}/weights", np.rint(weights / scale), scale)
        b = self._graph.tensor(
            f"head/{out.index}/bias", steps.shape, "INT32", scale=scale * x.scale, data=steps.tobytes()
        )
        return self._graph.operator("FULLY_CONNECTED", 4, [x, w, b], out)

    def activate(self, name: str, logits: Tensor) -> Tensor:
        return self._graph.operator(name, 2, [logits], self.tensor("values", logits.shape[-1], 1 / 256, -128))

    def _constant(self, name: str, steps: Array | NDArray[np.int64], scale: float) -> Tensor:
        data = steps.astype(np.int8).tobytes()
        return self._graph.tensor(f"head/{name}", steps.shape, "INT8", scale=scale, data=data)


def _activation(head: LinearTail) -> str:
    return "SOFTMAX" if head.activation == "softmax" else "LOGISTIC"


def _zero_is_lowest(x: Tensor) -> bool:
    return x.zero_point == (0 if x.dtype == "UINT8" else -128)


def _lengths(squares: Array) -> Array:
    """(n, 1) roots of the rows' sums; a row of zeros counts as the smallest other one."""
    sums = squares.sum(axis=1, keepdims=True)
    smallest = sums[sums > 0].min() if (sums > 0).any() else 1.0
    return np.asarray(np.sqrt(np.maximum(sums, smallest)))


def _affine(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point of int8 for low ... high, widened to hold 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, 1e-6) / 255
    return scale, int(np.clip(np.rint(-128 - low / scale), -128, 127))

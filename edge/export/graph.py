"""What a TFLite file contains: its tensors and operators, read without a runtime."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from edge.errors import BadBackbone

MAX_BYTES = 256 << 20
DAMAGE = (struct.error, IndexError, ValueError, AttributeError, TypeError, OverflowError, MemoryError)
"""What reading a damaged flatbuffer raises."""
_MANY = 1 << 16


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """Name, shape, dtype name ("INT8" ...) and the first quantisation scale and zero point."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """Inputs, outputs and the distinct operators, (name, version) sorted; a custom operator's version is its own."""

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    ops: tuple[tuple[str, int], ...]
    custom_ops: tuple[str, ...]
    static: bool


def open_model(data: bytes) -> Any:
    """The root table. Raises BadBackbone when the bytes are no TFLite file."""
    from tflite.Model import Model

    if len(data) < 16 or len(data) > MAX_BYTES or data[4:8] != b"TFL3":
        raise BadBackbone("not a TFLite file; give a .tflite file")
    model = Model.GetRootAs(data, 0)
    _check_counts(model)
    return model


def _check_counts(model: Any) -> None:
    """A damaged count would have the reader walk through the file for minutes."""
    try:
        counts = [model.SubgraphsLength(), model.OperatorCodesLength(), model.BuffersLength(), model.MetadataLength()]
        if max(counts) < _MANY and model.SubgraphsLength() >= 1:
            graph = model.Subgraphs(0)
            counts += [graph.TensorsLength(), graph.OperatorsLength(), graph.InputsLength(), graph.OutputsLength()]
    except DAMAGE as error:
        raise BadBackbone(f"the file is damaged ({error}); copy it again") from error
    if max(counts) >= _MANY:
        raise BadBackbone("the file is damaged (too many parts); copy it again")


def describe(data: bytes) -> GraphFacts:
    """Facts of the only subgraph. Raises BadBackbone for damage or several subgraphs."""
    try:
        model = open_model(data)
        if model.SubgraphsLength() != 1:
            raise BadBackbone("the file has several subgraphs; export it as one")
        graph = model.Subgraphs(0)
        codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
        static = all(min(_shape(graph.Tensors(i)), default=1) > 0 for i in range(graph.TensorsLength()))
        return GraphFacts(
            inputs=tuple(_tensor(graph.Tensors(graph.Inputs(i))) for i in range(graph.InputsLength())),
            outputs=tuple(_tensor(graph.Tensors(graph.Outputs(i))) for i in range(graph.OutputsLength())),
            ops=tuple(sorted({(_op_name(code), code.Version()) for code in codes})),
            custom_ops=tuple(code.CustomCode().decode() for code in codes if code.CustomCode()),
            static=static,
        )
    except DAMAGE as error:
        if isinstance(error, BadBackbone):
            raise
        raise BadBackbone(f"the file is damaged ({error}); copy it again") from error


def _op_name(code: Any) -> str:
    from tflite.utils import opcode2name

    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    return str(opcode2name(number))


def _shape(tensor: Any) -> tuple[int, ...]:
    signature = [tensor.ShapeSignature(i) for i in range(tensor.ShapeSignatureLength())]
    return tuple(int(n) for n in signature or [tensor.Shape(i) for i in range(tensor.ShapeLength())])


def _tensor(tensor: Any) -> TensorFacts:
    from tflite.TensorType import TensorType

    names = {value: name for name, value in vars(TensorType).items() if name.isupper()}
    q = tensor.Quantization()
    scale = float(q.Scale(0)) if q is not None and q.ScaleLength() else 0.0
    zero = int(q.ZeroPoint(0)) if q is not None and q.ZeroPointLength() else 0
    return TensorFacts(tensor.Name().decode(), _shape(tensor), names[tensor.Type()], scale, zero)

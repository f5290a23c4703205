"""Writing a TFLite file that goes on where another one ends, without touching what that one holds.

A flatbuffer's references only point forward, so the new root, graph and tensors are written in front of the old file,
which stays behind them byte for byte: whatever operators, options or constants it has, known here or not, are kept.
Only constants that the converter stored outside the flatbuffer (``Buffer.offset``) name places in the file and are
moved along.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import flatbuffers
import tflite as schema

from edge.errors import BadBackbone
from edge.export.graph import DAMAGE, open_model

_ALIGNMENT = 16
_OFFSET_SLOT = 6  # Buffer.offset in a Buffer's vtable

Dtype = Literal["FLOAT32", "INT32", "INT8", "UINT8"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the graph being written. real = scale * (q - zero_point) where ``scale`` is not 0."""

    index: int
    shape: tuple[int, ...]
    dtype: Dtype
    scale: float = 0.0
    zero_point: int = 0


class Extension:
    """A graph in writing: the one in ``base``, if any, and what is added to it.

    Raises BadBackbone when ``base`` is damaged or is no graph with one input and at least one output.
    """

    def __init__(self, base: bytes = b"") -> None:
        padded = base + bytes(-len(base) % _ALIGNMENT)
        self._builder = flatbuffers.Builder(len(padded) + (1 << 16))
        self._builder.Prep(_ALIGNMENT, 0)
        if base:
            self._builder.CreateByteVector(padded)
        self._size = len(padded)
        self._codes: list[int] = []
        self._tensors: list[int] = []
        self._operators: list[int] = []
        self._buffers: list[int] = []
        self._metadata: list[tuple[str, int]] = []
        self._known_codes: dict[tuple[str, int], int] = {}
        self._outside: list[int] = []
        self.inputs: tuple[Tensor, ...] = ()
        self.outputs: tuple[Tensor, ...] = ()
        if base:
            try:
                self._adopt(open_model(base))
            except DAMAGE as error:
                if isinstance(error, BadBackbone):
                    raise
                raise BadBackbone(f"the backbone's file is damaged ({error}); copy it again") from error
        else:
            self._buffers.append(self._table("Buffer"))  # buffer 0 is empty by convention

    def _adopt(self, model: Any) -> None:
        """Refer to every table of the old file."""
        if model.SubgraphsLength() != 1:
            raise BadBackbone("the backbone's file has several graphs; export it as one")
        graph = model.Subgraphs(0)
        if graph.InputsLength() != 1 or not graph.OutputsLength():
            raise BadBackbone("a backbone has one input and at least one output; adopt an embedding extractor")
        self._codes = [self._at(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
        self._tensors = [self._at(graph.Tensors(i)) for i in range(graph.TensorsLength())]
        self._operators = [self._at(graph.Operators(i)) for i in range(graph.OperatorsLength())]
        buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
        self._buffers = [self._at(one) for one in buffers]
        fields = {one._tab.Pos + one._tab.Offset(_OFFSET_SLOT) for one in buffers if one.Offset() > 1}
        self._outside = sorted(fields)
        entries = [model.Metadata(i) for i in range(model.MetadataLength())]
        self._metadata = [(one.Name().decode(), one.Buffer()) for one in entries]
        self.inputs = (_read(graph, graph.Inputs(0)),)
        self.outputs = tuple(_read(graph, graph.Outputs(i)) for i in range(graph.OutputsLength()))

    def _at(self, table: Any) -> int:
        """A table of the old file as the builder counts: from the end."""
        return self._size - int(table._tab.Pos)

    # --- adding --------------------------------------------------------------------------------------------------

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: Dtype,
        *,
        scale: float = 0.0,
        zero_point: int = 0,
        data: bytes | None = None,
    ) -> Tensor:
        """A new tensor, constant when it has ``data`` (row order, little-endian)."""
        fields = {
            "Shape": self._numbers(shape, "Int32"),
            "Type": getattr(schema.TensorType, dtype),
            "Buffer": 0 if data is None else self._keep(data),
            "Name": self._builder.CreateString(name),
        }
        if scale:
            fields["Quantization"] = self._table(
                "QuantizationParameters",
                Scale=self._numbers([scale], "Float32"),
                ZeroPoint=self._numbers([zero_point], "Int64"),
            )
        self._tensors.append(self._table("Tensor", **fields))
        return Tensor(len(self._tensors) - 1, tuple(shape), dtype, scale, zero_point)

    def operator(self, name: str, version: int, inputs: Sequence[Tensor], output: Tensor) -> Tensor:
        """A new operator, run after all others; ``name`` is a key of ``_OPTIONS``. Returns ``output``."""
        fields = {
            "OpcodeIndex": self._code(name, version),
            "Inputs": self._numbers([one.index for one in inputs], "Int32"),
            "Outputs": self._numbers([output.index], "Int32"),
        }
        kind = _OPTIONS[name]
        if kind is not None:
            fields["BuiltinOptions"] = self._table(kind, **_SETTINGS.get(name, {}))
            fields["BuiltinOptionsType"] = getattr(schema.BuiltinOptions, kind)
        self._operators.append(self._table("Operator", **fields))
        return output

    def metadata(self, name: str, data: bytes) -> None:
        """A metadata entry; replaces one of the same name."""
        self._metadata = [entry for entry in self._metadata if entry[0] != name]
        self._metadata.append((name, self._keep(data)))

    def finish(self, output: Tensor, description: str, names: tuple[str, str] = ("image", "values")) -> bytes:
        """The file's bytes. ``names``: what the signature calls its input and its output."""
        entries = [
            self._table("Metadata", Name=self._builder.CreateString(name), Buffer=buffer)
            for name, buffer in self._metadata
        ]
        root = self._table(
            "Model",
            Version=3,
            OperatorCodes=self._references(self._codes),
            Subgraphs=self._references([self._graph(output)]),
            Description=self._builder.CreateString(description),
            Buffers=self._references(self._buffers),
            Metadata=self._references(entries),
            SignatureDefs=self._references([self._signature(output, names)]),
        )
        self._builder.Finish(root, b"TFL3")
        return self._moved(self._builder.Output())

    def _moved(self, data: bytearray) -> bytes:
        """Constants outside the old flatbuffer are as much further along as the old file is."""
        shift = len(data) - self._size
        for field in self._outside:
            (offset,) = struct.unpack_from("<Q", data, shift + field)
            struct.pack_into("<Q", data, shift + field, offset + shift)
        return bytes(data)

    # --- tables --------------------------------------------------------------------------------------------------

    def _graph(self, output: Tensor) -> int:
        return self._table(
            "SubGraph",
            Tensors=self._references(self._tensors),
            Inputs=self._numbers([one.index for one in self.inputs], "Int32"),
            Outputs=self._numbers([output.index], "Int32"),
            Operators=self._references(self._operators),
            Name=self._builder.CreateString("main"),
        )

    def _signature(self, output: Tensor, names: tuple[str, str]) -> int:
        given = [names[0]] if len(self.inputs) == 1 else [f"{names[0]}_{i}" for i in range(len(self.inputs))]
        ends = [
            self._table("TensorMap", Name=self._builder.CreateString(name), TensorIndex=tensor.index)
            for tensor, name in zip((*self.inputs, output), (*given, names[1]), strict=True)
        ]
        return self._table(
            "SignatureDef",
            Inputs=self._references(ends[:-1]),
            Outputs=self._references(ends[-1:]),
            SignatureKey=self._builder.CreateString("serving_default"),
        )

    def _code(self, name: str, version: int) -> int:
        if (name, version) not in self._known_codes:
            number = getattr(schema.BuiltinOperator, name)
            self._codes.append(
                self._table("OperatorCode", DeprecatedBuiltinCode=min(number, 127), BuiltinCode=number, Version=version)
            )
            self._known_codes[name, version] = len(self._codes) - 1
        return self._known_codes[name, version]

    def _keep(self, data: bytes) -> int:
        """The number of a new buffer."""
        self._builder.Prep(_ALIGNMENT, len(data))  # runtimes read constants in place
        self._buffers.append(self._table("Buffer", Data=self._builder.CreateByteVector(data)))
        return len(self._buffers) - 1

    def _table(self, kind: str, **fields: float) -> int:
        """Write a table whose parts are written already; where it is, counted from the end."""
        getattr(schema, f"{kind}Start")(self._builder)
        for name, value in fields.items():
            getattr(schema, f"{kind}Add{name}")(self._builder, value)
        return int(getattr(schema, f"{kind}End")(self._builder))

    def _references(self, tables: Sequence[int]) -> int:
        self._builder.StartVector(4, len(tables), 4)
        for offset in reversed(tables):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def _numbers(self, values: Sequence[float], kind: Literal["Int32", "Int64", "Float32"]) -> int:
        width = 8 if kind == "Int64" else 4
        self._builder.StartVector(width, len(values), width)
        for value in reversed(values):
            getattr(self._builder, f"Prepend{kind}")(value)
        return int(self._builder.EndVector())


# operator -> the table of its options
_OPTIONS: dict[str, str | None] = {
    "ADD": "AddOptions",
    "CONCATENATION": "ConcatenationOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "LOGISTIC": None,
    "MUL": "MulOptions",
    "NEG": "NegOptions",
    "QUANTIZE": None,
    "RELU": None,
    "RSQRT": None,
    "SOFTMAX": "SoftmaxOptions",
    "SQRT": None,
    "SUB": "SubOptions",
}


# what differs from zero in them; vectors are (1, n) and are joined along their second axis
_SETTINGS: dict[str, dict[str, float]] = {"SOFTMAX": {"Beta": 1.0}, "CONCATENATION": {"Axis": 1}}


def _read(graph: Any, index: int) -> Tensor:
    kinds: tuple[Dtype, ...] = ("INT8", "UINT8")
    names = {getattr(schema.TensorType, kind): kind for kind in kinds}
    table = graph.Tensors(index)
    shape = tuple(int(table.Shape(i)) for i in range(table.ShapeLength()))
    q = table.Quantization()
    if table.Type() not in names or q is None or q.ScaleLength() != 1 or q.ZeroPointLength() != 1:
        raise BadBackbone("a backbone's input and output are quantised to 8 bits; quantise it again")
    if not math.isfinite(q.Scale(0)) or q.Scale(0) <= 0:
        raise BadBackbone("a backbone's quantisation has a scale that is no positive number; quantise it again")
    return Tensor(index, shape, names[table.Type()], float(q.Scale(0)), int(q.ZeroPoint(0)))

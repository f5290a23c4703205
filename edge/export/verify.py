"""Is a file a whole TFLite flatbuffer? Asked before a runtime opens one that came from elsewhere.

LiteRT checks by itself; tflite-runtime reads wherever a damaged file points, and takes the process with it. The rules
are those of flatbuffers' own verifier (``flatbuffers/verifier.h``), which has no Python edition, for the tables of
TFLite's schema. What a runtime checks by itself, such as the bytes that a shape needs, is left to it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edge.errors import BadBackbone
from edge.export.graph import DAMAGE, open_model

_MOST_TABLES = 1 << 17
"""A small file can have a vector of tables point at one table again and again, for hours of reading."""


@dataclass(frozen=True, slots=True)
class _Field:
    """What a slot holds. ``size``: bytes of a scalar or of a vector's elements; of a union, the slot of its type.

    ``of``: the slots of the tables it leads to; of a union, by type, those of the types that have any to look at.
    """

    kind: Literal["scalar", "vector", "string", "table", "tables", "union"]
    size: int = 0
    of: Any = ()


_Slots = tuple[_Field | None, ...]


def _table(*slots: _Field | None) -> _Field:
    return _Field("table", of=slots)


def _tables(*slots: _Field | None) -> _Field:
    return _Field("tables", of=slots)


def _union(type_slot: int, members: Mapping[int, _Slots]) -> _Field:
    return _Field("union", type_slot, members)


_BYTE, _INT, _LONG = (_Field("scalar", size) for size in (1, 4, 8))
_BYTES, _SHORTS, _INTS, _LONGS = (_Field("vector", size) for size in (1, 2, 4, 8))
_TEXT = _Field("string")

# The slots of each table in order, by tensorflow/lite/schema/schema.fbs. Slots behind the last are newer than any
# runtime that does not check by itself.
_INDICES: Mapping[int, _Slots] = {1: (_INTS,), 2: (_SHORTS,), 3: (_BYTES,)}
_DIMENSION = (_BYTE, _INT, _BYTE, _union(2, _INDICES), _BYTE, _union(4, _INDICES))
_SPARSITY = _table(_INTS, _INTS, _tables(*_DIMENSION))
_QUANTISATION = _table(_INTS, _INTS, _INTS, _LONGS, _BYTE, _union(4, {1: (_BYTES,)}), _INT)
_VARIANTS = _tables(_INTS, _BYTE, _BYTE)
_TENSORS = _tables(_INTS, _BYTE, _INT, _TEXT, _QUANTISATION, _BYTE, _SPARSITY, _INTS, _BYTE, _VARIANTS)
# ConcatEmbeddings, Reshape, Squeeze, VarHandle, Bucketize: the options that hold more than scalars
_OPTIONS = _union(3, {3: (_INT, _INTS, _INTS), 17: (_INTS,), 30: (_INTS,), 111: (_TEXT, _TEXT), 115: (_INTS,)})
_OPERATORS = _tables(_INT, _INTS, _INTS, _BYTE, _OPTIONS, _BYTES, _BYTE, _BYTES, _INTS, _LONG, _LONG)
_NAMED = _tables(_TEXT, _INT)
_MODEL: _Slots = (
    _INT,
    _tables(_BYTE, _TEXT, _INT, _INT),
    _tables(_TENSORS, _INTS, _INTS, _OPERATORS, _TEXT),
    _TEXT,
    _tables(_BYTES, _LONG, _LONG),
    _INTS,
    _NAMED,
    _tables(_NAMED, _NAMED, _TEXT, None, _INT),
)


def check_structure(data: bytes) -> None:
    """Raises BadBackbone unless every offset in a ``.tflite`` file stays inside it, and every number names something.

    Takes some milliseconds: the bytes of weights are not read.
    """
    model = open_model(data)
    try:
        _Walk(data).root()
        _check_references(model, len(data))
    except DAMAGE as error:
        if isinstance(error, BadBackbone):
            raise
        raise BadBackbone(f"the file is damaged ({error}); copy it again") from error


class _Walk:
    """Follows every offset of a file, once checked. Raises BadBackbone or what reading outside of bytes raises."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._tables = 0

    def root(self) -> None:
        self._table(self._follow(0), _MODEL)

    def _table(self, place: int, slots: _Slots) -> None:
        self._tables += 1
        _require(self._tables < _MOST_TABLES, "too many parts")
        self._inside(place, 4, 4)
        above = place - self._number("<i", place)
        self._inside(above, 4, 2)
        size = self._number("<H", above)
        _require(size >= 4 and size % 2 == 0, "a table without fields")
        self._inside(above, size, 2)
        for slot, field in enumerate(slots):
            at = self._slot(place, above, size, slot)
            if field is not None and at is not None:
                self._field(field, at, self._type(place, above, size, field))

    def _slot(self, place: int, above: int, size: int, slot: int) -> int | None:
        """Where a field is, or None where the table leaves it out."""
        entry = 4 + 2 * slot
        offset = self._number("<H", above + entry) if entry + 2 <= size else 0
        return place + offset if offset else None

    def _type(self, place: int, above: int, size: int, field: _Field) -> int:
        """Which member of a union there is."""
        at = self._slot(place, above, size, field.size) if field.kind == "union" else None
        return 0 if at is None else self._number("<B", at)

    def _field(self, field: _Field, at: int, member: int) -> None:
        if field.kind == "scalar":
            self._inside(at, field.size, field.size)
            return
        self._inside(at, 4, 4)
        place = self._follow(at)
        if field.kind == "union":
            self._table(place, field.of.get(member, ()))
        elif field.kind == "table":
            self._table(place, field.of)
        elif field.kind == "tables":
            for number in range(self._vector(place, 4)):
                self._table(self._follow(place + 4 + 4 * number), field.of)
        elif field.kind == "string":
            end = place + 4 + self._vector(place, 1)
            _require(end < len(self._data) and self._data[end] == 0, "a text without its end")
        else:
            self._vector(place, field.size)

    def _vector(self, place: int, size: int) -> int:
        """The length of a vector, all of which is inside."""
        self._inside(place, 4, 4)
        length = self._number("<I", place)
        self._inside(place + 4, length * size, 1)
        return length

    def _follow(self, at: int) -> int:
        return at + self._number("<I", at)

    def _number(self, kind: str, at: int) -> int:
        return int(struct.unpack_from(kind, self._data, at)[0])

    def _inside(self, at: int, size: int, aligned: int) -> None:
        _require(at >= 0 and at + size <= len(self._data), "an offset leaves the file")
        _require(at % aligned == 0, "an offset is not aligned")


def _check_references(model: Any, size: int) -> None:
    """Numbers that name tensors, buffers, operators and graphs name one that is there."""
    buffers, codes, graphs = model.BuffersLength(), model.OperatorCodesLength(), model.SubgraphsLength()
    ends = [model.Buffers(i).Offset() + model.Buffers(i).Size() for i in range(buffers)]
    _require(max(ends, default=0) <= size, "a constant lies outside the file")
    _require(all(model.Metadata(i).Buffer() < buffers for i in range(model.MetadataLength())), "metadata without bytes")
    for graph in (model.Subgraphs(i) for i in range(graphs)):
        tensors = graph.TensorsLength()
        _require(all(graph.Tensors(i).Buffer() < buffers for i in range(tensors)), "a tensor without bytes")
        ends_of_graph = [*_numbers(graph, "Inputs"), *_numbers(graph, "Outputs")]
        _require(all(0 <= one < tensors for one in ends_of_graph), "an input or output that is no tensor")
        for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
            _require(operator.OpcodeIndex() < codes, "an operator of no kind")
            _require(operator.BuiltinOptions2Type() == 0, "StableHLO operators, whose options cannot be checked")
            uses = [*_numbers(operator, "Inputs"), *_numbers(operator, "Intermediates")]
            _require(all(-1 <= one < tensors for one in uses), "an operator reads what is no tensor")
            _require(all(0 <= one < tensors for one in _numbers(operator, "Outputs")), "an operator writes no tensor")
    for signature in (model.SignatureDefs(i) for i in range(model.SignatureDefsLength())):
        _require(signature.SubgraphIndex() < graphs, "a signature without its graph")


def _numbers(owner: Any, what: str) -> list[int]:
    return [getattr(owner, what)(i) for i in range(getattr(owner, f"{what}Length")())]


def _require(good: bool, otherwise: str) -> None:
    if not good:
        raise BadBackbone(f"the file is damaged ({otherwise}); copy it again")

"""TFLite's standard metadata: what goes in, what comes out, and the labels, for tools that know nothing of us.

Written by hand because the packages that hold its schema are far larger than this (tflite-support, mediapipe). The
tables are those of ``metadata_schema.fbs`` 1.0.0 (identifier "M001"; tensorflow/tflite-support); the label file is
packed as a ZIP archive behind the flatbuffer, where Task Library and MediaPipe look for it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import flatbuffers

from edge.types import Preprocessing

NAME = "TFLITE_METADATA"
LABELS = "labels.txt"
_IMAGE_PROPERTIES, _FEATURE_PROPERTIES = 2, 1  # members of the union ContentProperties
_NORMALIZATION = 1  # member of the union ProcessUnitOptions
_RGB = 1
_AXIS_LABELS = 2  # AssociatedFileType.TENSOR_AXIS_LABELS


@dataclass(frozen=True, slots=True)
class About:
    """What people read in a model viewer."""

    name: str
    version: str
    description: str
    licence: str


def metadata(about: About, preprocessing: Preprocessing) -> bytes:
    """The metadata flatbuffer of a graph with one image going in and one value per label coming out.

    ``mean`` and ``std`` are those of real input values: (pixel - mean) / std, quantised afterwards.
    """
    out = _Writer()
    numbers = [(preprocessing.mean - edge) / -preprocessing.std for edge in (0, 255)]
    image = out.table(
        7,
        {
            0: out.text("image"),
            1: out.text(f"RGB picture, {preprocessing.width} x {preprocessing.height}, {_framing(preprocessing)}"),
            3: _content(out, _IMAGE_PROPERTIES, out.table(2, bytes_={0: _RGB})),
            4: out.vector([_normalisation(out, preprocessing)]),
            5: out.table(2, {0: out.floats([max(numbers)]), 1: out.floats([min(numbers)])}),
        },
    )
    labels = out.table(5, {0: out.text(LABELS), 1: out.text("concepts, one a line")}, {2: _AXIS_LABELS})
    values = out.table(
        7,
        {
            0: out.text("values"),
            1: out.text("one value in [0, 1] per concept, in the order of the labels"),
            3: _content(out, _FEATURE_PROPERTIES, out.table(0)),
            5: out.table(2, {0: out.floats([1.0]), 1: out.floats([0.0])}),
            6: out.vector([labels]),
        },
    )
    graph = out.table(7, {0: out.text("main"), 2: out.vector([image]), 3: out.vector([values])})
    root = out.table(
        8,
        {
            0: out.text(about.name),
            1: out.text(about.description),
            2: out.text(about.version),
            3: out.vector([graph]),
            5: out.text(about.licence),
            7: out.text("1.0.0"),
        },
    )
    return out.finish(root)


def with_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """The model with its label file packed behind it; the same input gives the same bytes."""
    buffer = io.BytesIO()
    buffer.write(model)
    # "w" goes on where the buffer is; "a" would look for an archive, find the head's in a small file, and cut it off
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo(LABELS, date_time=(1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, "".join(f"{label}\n" for label in labels))
    return buffer.getvalue()


def _framing(preprocessing: Preprocessing) -> str:
    share = f"{preprocessing.crop:g} of "
    if preprocessing.fit == "centre":
        return f"the central square of {share}the short side"
    return f"the central {share}both sides, stretched"


def _content(out: _Writer, kind: int, properties: int) -> int:
    return out.table(3, {1: properties}, {0: kind})


def _normalisation(out: _Writer, preprocessing: Preprocessing) -> int:
    options = out.table(2, {0: out.floats([preprocessing.mean]), 1: out.floats([preprocessing.std])})
    return out.table(2, {1: options}, {0: _NORMALIZATION})


class _Writer:
    """Tables by slot number, which is the position of a field in its table of the schema (a union takes two)."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1024)

    def text(self, text: str) -> int:
        return int(self._builder.CreateString(text))

    def floats(self, values: Sequence[float]) -> int:
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependFloat32(value)
        return int(self._builder.EndVector())

    def vector(self, tables: Sequence[int]) -> int:
        self._builder.StartVector(4, len(tables), 4)
        for offset in reversed(tables):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def table(self, fields: int, parts: dict[int, int] | None = None, bytes_: dict[int, int] | None = None) -> int:
        """A table of ``fields`` slots; ``parts`` were written before, ``bytes_`` are enumerations."""
        self._builder.StartObject(fields)
        for slot, offset in (parts or {}).items():
            self._builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, value in (bytes_ or {}).items():
            self._builder.PrependUint8Slot(slot, value, 0)
        return int(self._builder.EndObject())

    def finish(self, root: int) -> bytes:
        self._builder.Finish(root, b"M001")
        return bytes(self._builder.Output())

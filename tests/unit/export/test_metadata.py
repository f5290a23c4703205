"""Standard metadata read back by hand, slot by slot, as any reader of metadata_schema.fbs finds it."""

import io
import zipfile

import flatbuffers
import pytest
from flatbuffers import number_types

from edge.export.tflite_metadata import About, metadata, with_labels
from edge.types import Preprocessing


class Table:
    """Just enough of a flatbuffer reader; slots are positions of fields in the schema."""

    def __init__(self, table):
        self._table = table

    @classmethod
    def root(cls, data):
        start = flatbuffers.encode.Get(number_types.UOffsetTFlags.packer_type, data, 0)
        return cls(flatbuffers.table.Table(data, start))

    def _at(self, slot):
        return self._table.Offset(4 + 2 * slot)

    def text(self, slot):
        return self._table.String(self._at(slot) + self._table.Pos).decode()

    def byte(self, slot):
        return self._table.Get(number_types.Uint8Flags, self._at(slot) + self._table.Pos)

    def table(self, slot):
        return Table(flatbuffers.table.Table(self._table.Bytes, self._table.Indirect(self._at(slot) + self._table.Pos)))

    def tables(self, slot):
        start = self._table.Vector(self._at(slot))
        count = self._table.VectorLen(self._at(slot))
        return [
            Table(flatbuffers.table.Table(self._table.Bytes, self._table.Indirect(start + 4 * i))) for i in range(count)
        ]

    def floats(self, slot):
        start, count = self._table.Vector(self._at(slot)), self._table.VectorLen(self._at(slot))
        return [self._table.Get(number_types.Float32Flags, start + 4 * i) for i in range(count)]


ABOUT = About("tomatoes", "v3", "ripe and green", "Apache-2.0")


@pytest.fixture(scope="module")
def root():
    return Table.root(metadata(ABOUT, Preprocessing(224, 200, mean=127.0, std=128.0)))


@pytest.fixture(scope="module")
def graph(root):
    (one,) = root.tables(3)
    return one


def test_the_identifier_is_the_schemas():
    assert metadata(ABOUT, Preprocessing(224, 224))[4:8] == b"M001"


def test_the_model_is_described(root):
    assert [root.text(slot) for slot in (0, 1, 2, 5, 7)] == ["tomatoes", "ripe and green", "v3", "Apache-2.0", "1.0.0"]


def test_the_input_is_an_rgb_image(graph):
    (image,) = graph.tables(2)
    content = image.table(3)
    assert (image.text(0), content.byte(0), content.table(1).byte(0)) == ("image", 2, 1)


def test_the_normalisation_is_that_of_the_card(graph):
    (unit,) = graph.tables(2)[0].tables(4)
    options = unit.table(1)
    assert (unit.byte(0), options.floats(0), options.floats(1)) == (1, [127.0], [128.0])


def test_the_range_of_the_input_is_that_of_normalised_pixels(graph):
    stats = graph.tables(2)[0].table(5)
    assert stats.floats(1) == pytest.approx([-127 / 128])
    assert stats.floats(0) == pytest.approx([1.0])


@pytest.mark.parametrize(("fit", "words"), [("centre", "central square of 0.8 of"), ("stretch", "0.8 of both sides")])
def test_the_framing_is_said_in_words(fit, words):
    one = Table.root(metadata(ABOUT, Preprocessing(224, 224, fit=fit, crop=0.8)))
    assert words in one.tables(3)[0].tables(2)[0].text(1)


def test_the_output_names_its_label_file(graph):
    (values,) = graph.tables(3)
    (labels,) = values.tables(6)
    assert (values.text(0), labels.text(0), labels.byte(2)) == ("values", "labels.txt", 2)


def test_labels_are_a_stored_file_behind_the_model():
    data = with_labels(b"model", ["brick", "Grünkohl"])
    assert data.startswith(b"model")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (entry,) = archive.infolist()
        assert entry.compress_type == zipfile.ZIP_STORED
        assert archive.read("labels.txt").decode() == "brick\nGrünkohl\n"


def test_the_same_labels_give_the_same_bytes():
    assert with_labels(b"model", ["a"]) == with_labels(b"model", ["a"])

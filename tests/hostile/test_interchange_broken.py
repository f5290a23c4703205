"""Files of others that are broken, or made up of anything: refused with a sentence, or read as they are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.engine.interchange import import_data
from edge.engine.interchange.catalogue import FORMATS, format_of, place_of
from edge.engine.interchange.json_stream import elements
from edge.errors import EdgeError, InvalidArgument, NotFound
from tests.interchanged import FILES, WITH_FILE, described

BROKEN = {
    "coco": [
        "{",
        "[]x",
        "nothing",
        '{"images": [{"id": 1}',
        '{"images": [1], "annotations": [], "categories": []}',
        '{"images": [], "annotations": [{}], "categories": []}',
        '{"images": [], "annotations": [], "categories": [{"id": [1], "name": "a"}]}',
        '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}',
        "[" * 100_000,
        '{"images": [' + "9" * 10_000 + "]}",
        '{"images" 1}',
        '{"images": [1,]}',
    ],
    "label-studio": ["{}", '[{"data": 1}]', "[1, 2]", '[{"data": {}}', '{"data": {"image": "x"}}'],
    "csv": [
        "",
        "a,b\n1,2\n",
        "picture,picture\n1,2\n",
        "picture,concept\n1\n",
        'picture,concept\n"1,2\n',
        "picture\n" + "x" * (5 << 20),
    ],
    "huggingface": ["{", "[]\n", "1\n", "\n{}{}\n", "[" * 100_000, "x" * (5 << 20)],
}


@pytest.mark.parametrize(("format", "text"), [(format, text) for format in WITH_FILE for text in BROKEN[format]])
def test_a_file_that_is_none_is_refused_before_anything_is_stored(engine, secret, format, text):
    (secret.parent / "given" / FILES[format]).write_text(text)
    with pytest.raises(InvalidArgument) as raised:
        import_data(engine, secret.parent / "given", format)
    assert len(str(raised.value)) > 30
    assert engine.inputs() == []


@pytest.mark.parametrize("format", WITH_FILE)
def test_a_file_that_is_no_text_is_refused(engine, secret, format):
    (secret.parent / "given" / FILES[format]).write_bytes(b"\xff\xfe" * 1000)
    with pytest.raises(InvalidArgument, match=r"UTF-8|no JSON"):
        import_data(engine, secret.parent / "given", format)


@pytest.mark.parametrize("format", WITH_FILE)
def test_a_file_that_breaks_off_in_the_middle_stores_nothing(engine, secret, format):
    folder = described(secret.parent / "given", format, *["good.png"] * 50)
    whole = (folder / FILES[format]).read_text()
    (folder / FILES[format]).write_text(whole[: -len(whole) // 3 * 1] if format != "csv" else whole[:-9])
    with pytest.raises(InvalidArgument):
        import_data(engine, folder, format)
    assert engine.inputs() == []


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_a_place_that_is_not_there_and_an_empty_one_are_refused(engine, tmp_path, format):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound):
        import_data(engine, tmp_path / "nowhere", format)
    with pytest.raises(InvalidArgument):
        import_data(engine, tmp_path / "empty", format)


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
@settings(max_examples=150)
def test_no_bytes_make_a_reader_fail_in_its_own_way(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("any")
    for format in WITH_FILE:
        path = folder / FILES[format]
        path.write_bytes(data)
        try:
            assert all(one for one in format_of(format).entries(place_of(path), positives_only=False))
        except EdgeError as error:
            assert len(str(error)) > 20


WORDS = (
    *("images", "annotations", "categories", "id", "file_name", "image_id", "category_id", "name", "neg_category_ids"),
    *("data", "image", "result", "type", "value", "choices", "completed_by", "updated_at", "was_cancelled"),
    *("concepts", "label", "edge", "said", "metadata", "concept", "by", "at", "source"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["good.png", "choices", "c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@given(JSON, st.sampled_from(["coco", "label-studio", "huggingface"]))
@settings(max_examples=300)
def test_no_json_of_the_right_words_makes_a_reader_fail_in_its_own_way(tmp_path_factory, value, format):
    path = tmp_path_factory.mktemp("json") / FILES[format]
    path.write_text(json.dumps(value))
    try:
        assert all(one for one in format_of(format).entries(place_of(path), positives_only=False))
    except EdgeError as error:
        assert len(str(error)) > 20


@given(JSON.filter(lambda value: isinstance(value, dict | list)), st.integers(0, 3))
@settings(max_examples=200)
def test_a_stream_gives_what_the_whole_file_holds(tmp_path_factory, value, indent):
    path = tmp_path_factory.mktemp("stream") / "x.json"
    path.write_text(json.dumps(value, indent=indent or None))
    found: dict[str, object] = {}
    listed = [one for _, one in elements(path)] if isinstance(value, list) else None
    if listed is not None:
        assert listed == value
        return
    for key, one in elements(path):
        if isinstance(value[key], list):
            found.setdefault(key, []).append(one)
        else:
            found[key] = one
    assert found == {key: one for key, one in value.items() if one != []}


def test_numbers_at_the_edge_of_a_piece_are_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.engine.interchange.json_stream._CHUNK", 1)
    (tmp_path / "x.json").write_text('{"images": [12345, -1.5e10, true, "a\\"b"], "id": 987}')
    assert [one for _, one in elements(tmp_path / "x.json")] == [12345, -1.5e10, True, 'a"b', 987]

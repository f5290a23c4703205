"""A card is read strictly: the first field that is wrong is named, and nothing leads out of its folder."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.backbone.card import parse_card, read_card, write_card
from edge.backbone.fake import CARD
from edge.errors import BadBackbone, EdgeError, NotFound
from edge.types import EmbeddingPart, EmbeddingSpec, Preprocessing, Quantisation


def table(**changes):
    """A good card's table; ``input__scale=3`` changes that field, ``part__size=3`` the first part's, ``None`` drops."""
    made = {
        "name": "one",
        "sha256": "ab" * 32,
        "source": "somewhere",
        "licence": "MIT",
        "preprocessing": {"width": 224, "height": 160, "fit": "centre", "crop": 0.875, "mean": 127, "std": 128.0},
        "input": {"dtype": "int8", "scale": 0.0078125, "zero_point": -1},
        "embedding": [
            {"size": 1280, "zero_point": -128, "scale": 0.0126, "transform": "sqrt"},
            {"size": 80, "zero_point": 6, "scale": 0.06, "transform": "l2", "weight": 0.5},
        ],
        "background": {"file": "one.background.npy", "held_back": 118},
        "golden": {"file": "one.golden.npy"},
        "parity": {"int8_accuracy": 0.8},
    }
    for path, value in changes.items():
        place, *keys = path.split("__")
        if place == "part":
            made["embedding"][0][keys[0]] = value
            continue
        if not keys:
            made[place] = value
        elif value is None:
            del made[place][keys[0]]
        else:
            made[place][keys[0]] = value
    return {key: value for key, value in made.items() if value is not None}


def test_a_good_card_is_taken_over_field_by_field():
    card = parse_card(table(), "here")
    assert card.preprocessing == Preprocessing(224, 160, "centre", 0.875, 127.0, 128.0)
    assert card.input == Quantisation("int8", 0.0078125, -1)
    assert card.embedding == EmbeddingSpec((EmbeddingPart(1280, -128, 0.0126), EmbeddingPart(80, 6, 0.06, "l2", 0.5)))
    assert (card.background, card.held_back, card.golden) == ("one.background.npy", 118, "one.golden.npy")
    assert card.facts["parity"] == {"int8_accuracy": 0.8}


def test_background_and_golden_embeddings_are_optional():
    card = parse_card(table(background=None, golden=None), "here")
    assert (card.background, card.held_back, card.golden) == (None, 0, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": None}, "name is missing"),
        ({"name": "../one"}, "name is missing or not a plain name"),
        ({"name": "a/b"}, "not a plain name"),
        ({"name": ""}, "not a plain name"),
        ({"name": ".hidden"}, "not a plain name"),
        ({"name": "x" * 129}, "not a plain name"),
        ({"name": "one\n"}, "not a plain name"),
        ({"sha256": "ab"}, "sha256 is not 64"),
        ({"sha256": "AB" * 32}, "sha256 is not 64"),
        ({"sha256": 5}, "sha256 is missing or no str"),
        ({"licence": None}, "licence is missing"),
        ({"preprocessing": None}, r"the table \[preprocessing\] is missing"),
        ({"preprocessing": 3}, r"the table \[preprocessing\] is missing"),
        ({"preprocessing__width": 7}, r"outside 8\.\.2048"),
        ({"preprocessing__height": 2049}, r"outside 8\.\.2048"),
        ({"preprocessing__width": 224.0}, "width is missing or no int"),
        ({"preprocessing__width": True}, "width is missing or no int"),
        ({"preprocessing__fit": "zoom"}, "fit is neither"),
        ({"preprocessing__crop": 0.0}, r"crop is outside \(0, 1\]"),
        ({"preprocessing__crop": 1.01}, "crop is outside"),
        ({"preprocessing__std": 0}, "std is not positive"),
        ({"preprocessing__mean": float("nan")}, "mean is missing or no float"),
        ({"preprocessing__std": float("inf")}, "std is missing or no float"),
        ({"preprocessing__mean": 10**400}, "mean is missing or no float"),
        ({"input__dtype": "float32"}, "dtype is neither"),
        ({"input__scale": -1.0}, "scale is not positive"),
        ({"input__scale": None}, "scale is missing"),
        ({"part__size": 0}, r"size is outside 1\.\.8192"),
        ({"part__size": 8193}, r"size is outside 1\.\.8192"),
        ({"part__zero_point": -129}, "zero_point is outside int8"),
        ({"part__zero_point": 128}, "zero_point is outside int8"),
        ({"part__transform": "log"}, "transform is not one of"),
        ({"background__file": "../../etc/passwd"}, "file is missing or not a plain name"),
        ({"background__held_back": -1}, "held_back is negative"),
        ({"golden__file": "/etc/passwd"}, "file is missing or not a plain name"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named_with_what_to_do(change, said):
    with pytest.raises(BadBackbone, match=said) as caught:
        parse_card(table(**change), "here.toml")
    assert str(caught.value).startswith("here.toml")
    assert str(caught.value).endswith("export or adopt the backbone again")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(table())), inner, max_size=9)
        ),
        max_leaves=8,
    )
)
def test_any_table_is_a_card_or_refused(content):
    made = content if isinstance(content, dict) else {"input": content}
    with pytest.raises(BadBackbone):
        parse_card({**table(), "sha256": "no", **made}, "here")


def test_a_written_card_reads_back(tmp_path):
    card = replace(CARD, name="one", sha256="cd" * 32, background="b.npy", held_back=4, golden="g.npy", source='"q" é')
    facts = {"background": {"file": "b.npy", "held_back": 4}, "golden": {"file": "g.npy"}, "ops": {"list": ["ADD v1"]}}
    path = tmp_path / "one.toml"
    path.write_text(write_card(card, facts), encoding="utf-8")
    found = read_card(path)
    assert replace(found, facts={}) == replace(card, facts={})
    assert found.facts["ops"] == {"list": ["ADD v1"]}


def test_a_card_under_another_name_is_refused(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text(write_card(replace(CARD, name="one"), {}))
    with pytest.raises(BadBackbone, match=r"is the card of 'one'; name it one\.toml"):
        read_card(path)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"name = ", b"a = " + b"[" * 9000, b"a = " + b"9" * 9000, b"\0" * 20],
    ids=["not utf-8", "not toml", "deep", "long number", "zeros"],
)
def test_a_file_that_is_no_card_is_refused(tmp_path, content):
    path = tmp_path / "one.toml"
    path.write_bytes(content)
    with pytest.raises(BadBackbone, match="copy it again"):
        read_card(path)


def test_a_huge_file_is_refused_without_reading_it_all(tmp_path):
    path = tmp_path / "one.toml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadBackbone, match="too large for a card"):
        read_card(path)


def test_a_missing_card_and_a_folder_in_its_place_are_told_apart(tmp_path):
    with pytest.raises(NotFound, match="edge backbone list"):
        read_card(tmp_path / "one.toml")
    (tmp_path / "two.toml").mkdir()
    with pytest.raises(BadBackbone, match="cannot be read"):
        read_card(tmp_path / "two.toml")


def test_a_card_without_permission_is_said(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadBackbone, match="Permission denied"):
        read_card(tmp_path / "one.toml")


def test_json_is_as_good_as_toml():
    assert parse_card(json.loads(json.dumps(table())), "metadata") == parse_card(table(), "metadata")


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[3].glob("models/*-2*.toml")), ids=lambda path: path.stem)
def test_the_cards_that_are_shipped_are_good(path):
    try:
        assert read_card(path).licence
    except EdgeError as error:
        pytest.fail(str(error))

"""The page of edge evaluate --html: everything in one file, nothing in it that does anything."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from edge.faces.evaluation_page import Shown, page, wanted
from edge.types import Annotation, ConceptEvaluation, Confusion, Evaluation, Input, Remark, Review, Suspect

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
RIGHT_TO_LEFT = "זכוכית"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VOID = {"meta", "img", "br"}


class Parsed(HTMLParser):
    """Every tag with its attributes, and that they close in the order they opened."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words, self.balanced = [], [], [], True
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        self.balanced &= bool(self.open) and self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def picture(id, source="a/b.jpg", concept=None):
    said = () if concept is None else (Annotation(id, concept, 1, "user", NOW),)
    return Input(id, id, "image/jpeg", 1, 10, 10, source, NOW, {}, said), b"\xff\xd8jpeg"


def shown(concepts=("a", "b"), **changes):
    a, b = concepts
    suspect = Suspect(
        "id1", a, 1, 0.02, b, 0.93, 5.0, f"looks like {b} (93 %), not {a} (2 %); most like it: 1 {b}", ("id2",)
    )
    review = Review(
        (suspect,),
        1,
        (
            Remark("near-duplicates", "2 pictures are nearly the same and count as one", (), ("id1", "id2")),
            Remark("confused", f"{a} is taken for {b} 2 of 10 times", (a, b)),
        ),
        (f"photograph {a} and {b}",),
    )
    evaluation = Evaluation(
        "leave-one-out", 20, 0, 0.9, (0.8, 0.95), 0.9, None, 0.1, 0.3,
        tuple(ConceptEvaluation(one, 10, 10, 0.9, 0.9, None) for one in concepts),
        Confusion(concepts, ((8, 2), (0, 10))),
    )  # fmt: skip
    given = {"title": "m v1", "made": "20 pictures", "evaluation": evaluation, "review": review, "names": {}}
    given["pictures"] = {"id1": picture("id1", concept=a), "id2": picture("id2", concept=b)}
    return Shown(**{**given, **changes})


def test_it_says_how_good_what_is_suspect_and_what_to_do():
    words = " ".join(Parsed(page(shown())).words)
    for expected in ("90.0 %", "95 % interval: 80.0 % to 95.0 %", "Photograph a and b", "said: ", "Nearly the same"):
        assert expected in words
    assert "edge annotate id1 --concept b --not-concept a" in words


@pytest.mark.parametrize("concepts", [("a", "b"), (HOSTILE, RIGHT_TO_LEFT), ("x" * 200, "&amp;")])
def test_every_tag_that_opens_closes(concepts):
    found = Parsed(page(shown(concepts)))
    assert found.balanced
    assert found.open == []


def test_names_sources_and_titles_are_words_and_never_markup():
    record = picture("id1", source=f"x/{HOSTILE}.jpg")
    given = shown((HOSTILE, "b"), title=HOSTILE, made=HOSTILE, pictures={"id1": record})
    found = Parsed(page(given))
    assert {tag for tag, _ in found.tags} & {"script", "iframe", "object", "link", "form", "a"} == set()
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]
    assert [one["src"][:23] for tag, one in found.tags if tag == "img"] == ["data:image/jpeg;base64,"] * 2
    assert HOSTILE in " ".join(found.words)


def test_nothing_is_fetched_and_nothing_runs():
    text = page(shown())
    assert not re.search(r"https?:|//|url\(|@import|<script|<link|javascript:", text)
    policy = next(one["content"] for tag, one in Parsed(text).tags if one.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_characters_that_turn_the_direction_of_text_are_spelled_out():
    assert "\u202e" not in page(shown(("gpj\u202eexe", "b"), title="\u2066m"))


def test_a_name_that_reads_from_right_to_left_is_isolated_in_a_sentence():
    text = page(shown((RIGHT_TO_LEFT, "b"), names={RIGHT_TO_LEFT: RIGHT_TO_LEFT, "b": "b"}))
    sentence = re.search(r"<li>(.*?taken for.*?)</li>", text)[1]
    assert sentence == f"<bdi>{RIGHT_TO_LEFT}</bdi> is taken for b 2 of 10 times."


def test_it_is_made_for_a_phone_in_the_dark_too():
    text = page(shown())
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "prefers-color-scheme:dark" in text


def test_a_picture_that_is_gone_leaves_its_id():
    assert '<span class="gone">id1</span>' in page(shown(pictures={}))


def test_a_model_without_suspects_or_accuracy_has_a_page():
    nothing = Evaluation("held-out", 0, 0, None, None, None, None, None, None, (), None)
    found = Parsed(page(shown(evaluation=nothing, review=Review((), 0, (), ("photograph something",)))))
    assert "No annotation is contradicted" in " ".join(found.words)
    assert found.balanced


def test_a_page_on_a_folder_does_not_speak_of_suspects():
    assert "Suspects" not in page(shown(review=Review(None, 0, (), ("nothing stands out",))))


def test_more_concepts_than_fit_a_picture_have_no_matrix():
    many = tuple(f"c{number}" for number in range(60))
    confusion = Confusion(many, tuple(tuple(0 for _ in many) for _ in many))
    assert 'class="matrix"' in page(shown())
    one = shown()
    figures = {name: getattr(one.evaluation, name) for name in Evaluation.__slots__}
    large = Evaluation(**{**figures, "confusion": confusion})
    assert 'class="matrix"' not in page(shown(evaluation=large))


def test_the_pictures_it_wants_are_those_it_shows_each_once():
    assert wanted(shown().review) == ["id1", "id2"]


def test_a_table_is_well_formed():
    table = re.search(r"<table class=\"matrix\">.*?</table>", page(shown()), re.S)[0]
    rows = ET.fromstring(table).findall("tbody/tr")
    assert [[cell.text for cell in row.findall("td")] for row in rows] == [["8", "2"], [None, "10"]]

"""What the engine says, as the page says it."""

import re
from pathlib import Path

import pytest

import edge
from edge.faces.page.words import for_page


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("model 'm' has no trained version; run: edge train m", "model 'm' has no trained version; train it again"),
        ("training was interrupted; run edge train again", "training was interrupted; train it again"),
        ("no input 'x'; `edge inputs` lists them", "no input 'x'"),
        ("no picture shows 'red'; add some with --concept red", "no picture shows 'red'; add some that do"),
        (
            "photograph the knowledge edge of a cliff; it is hard",
            "photograph the knowledge edge of a cliff; it is hard",
        ),
        ("run: edge doctor --repair", "the device cannot do this now"),
    ],
)
def test_a_message_says_what_can_be_done_here(said, shown):
    assert for_page(said) == shown


def test_no_sentence_of_the_engine_names_a_command_on_the_page():
    """Every text in the sources that could reach the page."""
    folder = Path(edge.__file__).parent
    texts = [
        text
        for part in ("engine", "head", "store", "backbone", "faces/page")
        for file in (folder / part).glob("*.py")
        for text in re.findall(r'"((?:[^"\\\n]|\\.)*edge [^"\n]*)"', file.read_text(encoding="utf-8"))
        if "import " not in text
    ]
    assert len(texts) > 20
    assert [
        one for one in texts if re.search(r"\bedge (train|doctor|inputs|model|versions|evaluate)\b", for_page(one))
    ] == []

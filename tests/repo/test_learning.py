"""The page about the method and the section about comparing say what is there."""

import re
from pathlib import Path

import click
import pytest
from PIL import Image

from trainer.cli import main

DOCS = Path(__file__).resolve().parents[2] / "docs"
IMAGES = sorted(path for path in (DOCS / "images").glob("*") if not path.name.startswith("page-"))  # photographs of it


def test_the_section_about_comparing_names_every_option_and_no_other():
    section = re.search(r"^## Compare\n(.*?)^## ", (DOCS / "backbones.md").read_text(encoding="utf-8"), re.M | re.S)[1]
    named = set(re.findall(r"(?<![\w-])--[a-z]+", section))
    assert named == {
        name for one in main.commands["compare"].params if isinstance(one, click.Option) for name in one.opts
    }


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_a_plot_is_small_and_wide_enough_for_a_page(path):
    assert path.stat().st_size < 100_000
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width >= 1200


def test_every_plot_is_shown_with_words_for_those_who_cannot_see_it():
    page = (DOCS / "learning.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"!\[([^\]]+)\]\(images/([\w-]+\.png)\)", page))
    assert sorted(shown.values()) == [path.name for path in IMAGES]
    assert all(len(words.split()) > 4 for words in shown)

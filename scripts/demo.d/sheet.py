"""The contact sheet: pictures the device had not seen, with what it said about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

Verdict = Literal["right", "wrong", "abstained"]

INK, MUTED, LINE, PAPER, CARD = "#1f2428", "#6c7278", "#dcd8ce", "#f5f3ee", "#ffffff"
COLOURS: dict[Verdict, str] = {"right": "#2f7d4f", "wrong": "#b3402e", "abstained": "#b7791f"}
LEGEND: dict[Verdict, str] = {
    "right": "right",
    "wrong": "wrong",
    "abstained": "says “none of these” about a taught kind",
}

# Drawn at twice the size and halved at the end: Pillow smooths text, but not rounded corners
_SCALE = 2
_COLUMNS, _CARD, _PAD, _GAP, _MARGIN = 9, 138, 8, 10, 36
_PICTURE = _CARD - 2 * _PAD
_TEXT = 58
_WIDTH = 2 * _MARGIN + _COLUMNS * _CARD + (_COLUMNS - 1) * _GAP


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture: ``answer``, its ``value`` in [0, 1] (the bar) if it has one, a ``note``, and how it was judged."""

    path: Path
    answer: str
    value: float | None
    note: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Section:
    """A row or more of tiles under a heading."""

    title: str
    remark: str
    tiles: tuple[Tile, ...]


def draw(title: str, remark: str, sections: tuple[Section, ...], path: Path) -> None:
    """Write the sheet as a PNG."""
    high = sum(_section_height(section) for section in sections) + 132 + 56
    page = Image.new("RGB", (_WIDTH * _SCALE, high * _SCALE), PAPER)
    pen = _Pen(page)
    pen.text((_MARGIN, 34), title, 30, INK)
    pen.text((_MARGIN, 76), remark, 15, MUTED)
    y = 124
    for section in sections:
        pen.line((_MARGIN, y, _WIDTH - _MARGIN), LINE)
        pen.text((_MARGIN, y + 16), section.title, 19, INK)
        pen.text((_WIDTH - _MARGIN, y + 20), section.remark, 14, MUTED, anchor="ra")
        for place, tile in enumerate(section.tiles):
            row, column = divmod(place, _COLUMNS)
            _card(pen, _MARGIN + column * (_CARD + _GAP), y + 52 + row * (_CARD + _TEXT + _GAP), tile)
        y += _section_height(section)
    _legend(pen, y + 12)
    page.resize((_WIDTH, high), Image.Resampling.LANCZOS).save(path, optimize=True)


def _section_height(section: Section) -> int:
    rows = -(-len(section.tiles) // _COLUMNS)
    return 52 + rows * (_CARD + _TEXT + _GAP) + 14


def _card(pen: _Pen, x: int, y: int, tile: Tile) -> None:
    colour = COLOURS[tile.verdict]
    pen.box((x, y, x + _CARD, y + _CARD + _TEXT), CARD, radius=7, outline=LINE)
    with Image.open(tile.path) as picture:
        pen.picture(picture, x + _PAD, y + _PAD, _PICTURE)
    pen.mark(x + _CARD - _PAD - 15, y + _PAD + 15, tile.verdict)
    below = y + _PAD + _PICTURE + 9
    room = _PICTURE
    if tile.value is not None:
        number, filled = f"{tile.value:.2f}", round(tile.value * _PICTURE)
        room -= pen.width(number, 13) + 6
        pen.text((x + _CARD - _PAD, below), number, 13, INK, anchor="ra")
        pen.box((x + _PAD, below + 21, x + _CARD - _PAD, below + 25), LINE, radius=2)
        if filled >= 2:
            pen.box((x + _PAD, below + 21, x + _PAD + filled, below + 25), colour, radius=2)
    pen.text((x + _PAD, below), pen.fitted(tile.answer, 14, room), 14, colour)
    pen.text((x + _PAD, below + (32 if tile.value is not None else 24)), pen.fitted(tile.note, 11, _PICTURE), 11, MUTED)


def _legend(pen: _Pen, y: int) -> None:
    x = _MARGIN
    for verdict, words in LEGEND.items():
        pen.mark(x + 9, y + 9, verdict, radius=9)
        pen.text((x + 26, y + 1), words, 13, MUTED)
        x += 26 + pen.width(words, 13) + 28
    pen.text(
        (_WIDTH - _MARGIN, y + 1),
        "bar: value of the answer   ·   known: how much it resembles what was taught",
        13,
        MUTED,
        anchor="ra",
    )


class _Pen:
    """Draws in the sheet's units; the page is ``_SCALE`` times larger."""

    def __init__(self, page: Image.Image) -> None:
        self._page = page
        self._draw = ImageDraw.Draw(page)
        self._fonts: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}

    def _font(self, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        if size not in self._fonts:
            self._fonts[size] = ImageFont.load_default(size * _SCALE)
        return self._fonts[size]

    def width(self, words: str, size: int) -> int:
        return round(self._draw.textlength(words, self._font(size)) / _SCALE)

    def fitted(self, words: str, size: int, room: int) -> str:
        """``words``, or their beginning where they are wider than ``room``."""
        if self.width(words, size) <= room:
            return words
        while words and self.width(f"{words}…", size) > room:
            words = words[:-1]
        return f"{words.rstrip()}…"

    def text(self, at: tuple[int, int], words: str, size: int, colour: str, *, anchor: str = "la") -> None:
        self._draw.text((at[0] * _SCALE, at[1] * _SCALE), words, colour, self._font(size), anchor=anchor)

    def line(self, at: tuple[int, int, int], colour: str) -> None:
        left, y, right = (one * _SCALE for one in at)
        self._draw.line((left, y, right, y), colour, _SCALE)

    def box(self, at: tuple[int, int, int, int], colour: str, *, radius: int, outline: str | None = None) -> None:
        edges = tuple(one * _SCALE for one in at)
        self._draw.rounded_rectangle(edges, radius * _SCALE, colour, outline, _SCALE)

    def picture(self, picture: Image.Image, x: int, y: int, side: int) -> None:
        """The central square, with rounded corners; small pictures keep their pixels visible."""
        short = min(picture.size)
        left, top = (picture.width - short) // 2, (picture.height - short) // 2
        square = picture.convert("RGB").crop((left, top, left + short, top + short))
        size = side * _SCALE
        square = square.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
        corners = Image.new("L", (size, size), 0)
        ImageDraw.Draw(corners).rounded_rectangle((0, 0, size - 1, size - 1), 4 * _SCALE, 255)
        self._page.paste(square, (x * _SCALE, y * _SCALE), corners)

    def mark(self, x: int, y: int, verdict: Verdict, *, radius: int = 11) -> None:
        """A tick, a cross or a dash in a disc; not by colour alone."""
        r, s = radius * _SCALE, radius * _SCALE / 11
        x, y = x * _SCALE, y * _SCALE
        self._draw.ellipse((x - r, y - r, x + r, y + r), COLOURS[verdict], CARD, _SCALE)
        strokes = {
            "right": [[(-5, 0), (-1.5, 4), (5, -4)]],
            "wrong": [[(-4, -4), (4, 4)], [(-4, 4), (4, -4)]],
            "abstained": [[(-5, 0), (5, 0)]],
        }[verdict]
        for stroke in strokes:
            self._draw.line([(x + a * s, y + b * s) for a, b in stroke], CARD, round(2.4 * s), joint="curve")

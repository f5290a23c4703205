"""Plain text for people: tables, bars, shares."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime

_BAR = 20
_UNSAFE = ("Cc", "Cs", "Zl", "Zp")
_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # they make text read as what it is not


def safe(text: str) -> str:
    """``text`` without what could command a terminal or cannot be written; escaped, so that it can still be told."""
    if text.isprintable():
        return text
    return "".join(_escaped(one) if _unsafe(one) else one for one in text)


def _unsafe(one: str) -> bool:
    return unicodedata.category(one) in _UNSAFE or one in _DIRECTIONS


def _escaped(one: str) -> str:
    code = ord(one)
    if 0xDC80 <= code <= 0xDCFF:  # how Python carries bytes of file names that are not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def percent(share: float | None) -> str:
    """ "97.5 %", a dash where it is undetermined."""
    return "-" if share is None else f"{100 * share:.1f} %"


def number(value: float | None) -> str:
    """Three decimals, a dash where it is undetermined."""
    return "-" if value is None else f"{value:.3f}"


def bar(value: float) -> str:
    """A value in [0, 1] as a bar."""
    return "█" * round(value * _BAR)


def moment(at: datetime | None) -> str:
    """A time to the second, in UTC."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"


def width(text: str) -> int:
    """Columns that ``text`` takes on a terminal."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(unicodedata.combining(one) > 0 for one in text)


def padded(text: str, columns: int, side: str = "l") -> str:
    """``text`` with spaces up to ``columns``, at the left (side "r") or the right of it."""
    space = " " * (columns - width(text))
    return space + text if side == "r" else text + space


def table(rows: Sequence[Sequence[object]], *, heads: Sequence[str] = (), right: str = "") -> Iterator[str]:
    """Aligned columns. ``right`` has an r for every column that lines up at the right, like "l r r"."""
    cells = [[safe(str(cell)) for cell in row] for row in ([heads] if heads else []) + list(rows)]
    sides = right.split() or ["l"] * max(map(len, cells), default=0)
    widths = [max((width(row[column]) for row in cells), default=0) for column in range(len(sides))]
    for row in cells:
        columns = [padded(cell, widths[column], sides[column]) for column, cell in enumerate(row)]
        yield "  ".join(columns).rstrip()


def plural(count: int, thing: str) -> str:
    """ "1 picture", "2 pictures"."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"

"""``name:rest?option=value``: how triggers and actions are written, on the command line and in ``watch.toml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import parse_qsl

from edge.camera.urls import redacted
from edge.errors import InvalidArgument

_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)?\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kMG]?)B?\Z")
_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True, slots=True)
class Spec:
    """``text`` is the whole, perhaps with secrets; shown without them."""

    text: str
    name: str
    rest: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        return redacted(self.text)

    __repr__ = __str__

    def only(self, *known: str) -> None:
        """Raises InvalidArgument for an option that is not one of ``known``."""
        for option in self.options:
            if option not in known:
                near = get_close_matches(option, known, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; it has: {', '.join(known) or 'none'}"
                raise InvalidArgument(f"{self.name} has no option {option!r}{hint}")

    def seconds(self, option: str, default: float) -> float:
        """An option such as ``2s``, ``500ms``, ``10m``. Raises InvalidArgument."""
        return seconds_of(self.options[option], f"{option} of {self.name}") if option in self.options else default

    def number(self, option: str, default: float, low: float, high: float) -> float:
        """An option as a number. Raises InvalidArgument."""
        if option not in self.options:
            return default
        try:
            value = float(self.options[option])
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise InvalidArgument(
                f"{option}={self.options[option]} of {self.name} is no number from {low:g} to {high:g}"
            )
        return value

    def bytes(self, option: str, default: int) -> int:
        """An option such as ``500MB``. Raises InvalidArgument."""
        if option not in self.options:
            return default
        found = _SIZE.match(self.options[option])
        if found is None:
            raise InvalidArgument(f"{option}={self.options[option]} of {self.name} is no size such as 500MB")
        return int(float(found[1]) * _BYTES[found[2]])


def spec(text: str, *, whole: tuple[str, ...] = ()) -> Spec:
    """Take a spec apart. Names in ``whole`` take the rest as it is, ``?`` and all. Raises InvalidArgument."""
    name = re.split(r"[:?]", text, maxsplit=1)[0].strip()
    rest = text.strip()[len(name) :].removeprefix(":")
    if name in ("mqtt", "mqtts") and rest.startswith("//"):
        name, rest = "mqtt", text
    options: dict[str, str] = {}
    if name not in whole and "?" in rest:
        rest, _, query = rest.partition("?")
        options = dict(parse_qsl(query, keep_blank_values=True))
    if not re.fullmatch(r"[a-z]+", name):
        raise InvalidArgument(f"{redacted(text)!r} is no name, or name:what; see docs/watch.md")
    return Spec(text, name, rest.strip(), options)


def seconds_of(text: str | float, what: str) -> float:
    """``2s``, ``500ms``, ``10m`` or a number of seconds. Raises InvalidArgument."""
    found = _TIME.match(str(text).strip())
    if found is None or float(found[1]) * _SECONDS[found[2]] > 366 * 86400:
        raise InvalidArgument(f"{what} is a time such as 2s, 500ms or 10m, not {text!r}")
    return float(found[1]) * _SECONDS[found[2]]

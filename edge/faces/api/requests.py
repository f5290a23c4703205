"""Reading what strangers send: every value is checked for its type and its size before it is used."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from edge.errors import EdgeError
from edge.faces.api.statuses import INVALID, Refused
from edge.store.given import MOST_METADATA
from edge.store.names import check_name

try:  # forty times as fast; there is not a wheel for every board
    from pybase64 import b64decode
except ImportError:
    from base64 import b64decode

TEXT = 4096
"""Characters a text may have."""
DEEPEST = 16
"""How deep the metadata of an input may be nested."""
PER_PAGE, MOST_PER_PAGE = 128, 1000

Given = Mapping[str, Any]


def table(given: Given, key: str, code: int = INVALID) -> Given:
    """An object, empty when absent or null."""
    value = given.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        refuse(code, f"{key} is an object, not {_kind(value)}")
    return value


def at(given: Given, path: str, code: int = INVALID) -> Given:
    """An object inside objects: ``at(request, "model.output_info.data")``."""
    for key in path.split("."):
        given = table(given, key, code)
    return given


def tables(given: Given, key: str, code: int = INVALID, most: int | None = None) -> list[Given]:
    """A list of objects, empty when absent or null."""
    value = given.get(key)
    if value is None:
        return []
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        refuse(code, f"{key} is a list, not {_kind(value)}")
    if most is not None and len(value) > most:
        refuse(code, f"{key} has {len(value)} entries; at most {most} go in one request")
    for one in value:
        if not isinstance(one, Mapping):
            refuse(code, f"{key} is a list of objects, not of {_kind(one)}")
    return list(value)


def text(given: Given, key: str, code: int = INVALID, most: int = TEXT) -> str:
    """A text, empty when absent or null."""
    value = given.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        refuse(code, f"{key} is a text, not {_kind(value)}")
    if len(value) > most:
        refuse(code, f"{key} has {len(value)} characters; at most {most}")
    if not _unicode(value):
        refuse(code, f"{key} has half a character (a surrogate alone); send Unicode")
    return value


def texts(given: Given, key: str, code: int = INVALID, most: int = MOST_PER_PAGE) -> list[str]:
    """A list of texts, empty when absent or null."""
    value = given.get(key)
    if value is None:
        return []
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        refuse(code, f"{key} is a list of texts, not {_kind(value)}")
    if len(value) > most:
        refuse(code, f"{key} has {len(value)} entries; at most {most} go in one request")
    return [text({key: one}, key, code) for one in value]


def name(given: Given, key: str, what: str, code: int = INVALID) -> str:
    """An id or a name that may name something, empty when absent, null or empty."""
    value = text(given, key, code)
    return checked(value, what, code) if value else ""


def checked(value: str, what: str, code: int = INVALID) -> str:
    """A name that may be used. Raises Refused."""
    try:
        return check_name(value, what)
    except EdgeError as error:
        raise Refused(code, str(error)) from error


def flag(given: Given, key: str, code: int = INVALID) -> bool | None:
    """true or false, None when absent or null; 0 and 1 count too, because old clients send them."""
    value = given.get(key)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if value in ("", "0", "1", "false", "true"):  # from an address
        return value in ("1", "true")
    return refuse(code, f"{key} is true or false, not {_kind(value)}")


def number(given: Given, key: str, code: int = INVALID) -> float | None:
    """A finite number, None when absent or null."""
    value = given.get(key)
    if value is None:
        return None
    if not isinstance(value, int | float):
        refuse(code, f"{key} is a number, not {_kind(value)}")
    try:
        real = float(value)
    except OverflowError:
        real = math.inf
    if not math.isfinite(real):
        refuse(code, f"{key} is no finite number")
    return real


def whole(given: Given, key: str, code: int = INVALID, low: int = 0, high: int = 2**31 - 1) -> int | None:
    """A whole number of a range, None when absent or null; digits as text count, they come from addresses."""
    value = given.get(key)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    elif isinstance(value, str | bool):
        refuse(code, f"{key} is a whole number, not {str(value)[:40]!r}")
    real = number({key: value}, key, code)
    if real is None:
        return None
    if real != int(real) or not low <= real <= high:
        refuse(code, f"{key} is a whole number from {low} to {high}")
    return int(real)


def page(given: Given) -> tuple[int, int]:
    """(offset, limit) from ``page`` (1 first) and ``per_page``; zeros are what gRPC makes of absent."""
    per = whole(given, "per_page") or PER_PAGE
    first = whole(given, "page") or 1
    if per > MOST_PER_PAGE:
        refuse(INVALID, f"per_page is at most {MOST_PER_PAGE}")
    return (first - 1) * per, per


def shown(concept: Given, code: int) -> int:
    """1 or 0 of a concept's ``value``; absent means 1."""
    value = number(concept, "value", code)
    if value not in (None, 0, 1):
        refuse(code, f"the value of a concept is 1 (shown) or 0 (not shown), not {value:g}")
    return 1 if value is None else int(value)


def metadata(given: Given, key: str, code: int) -> Mapping[str, Any] | None:
    """An object of plain values, of limited size; None when absent."""
    if given.get(key) is None:
        return None
    value = table(given, key, code)
    if not _plain(value, DEEPEST):
        refuse(code, f"{key} is an object of texts, finite numbers, lists and objects, at most {DEEPEST} deep")
    size = len(json.dumps(value))
    if size > MOST_METADATA:
        refuse(code, f"{key} has {size} bytes; at most {MOST_METADATA}")
    return value


def _plain(value: Any, deep: int) -> bool:
    """Whether every face can pass a value on: Unicode without halves of characters, numbers that a double holds."""
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, int | float):
        return abs(value) < 2**1023 and value == value
    if deep and isinstance(value, Mapping):
        return all(isinstance(key, str) and _unicode(key) and _plain(one, deep - 1) for key, one in value.items())
    if deep and isinstance(value, list | tuple):
        return all(_plain(one, deep - 1) for one in value)
    return value is None


def _unicode(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value)


def picture(image: Given, code: int) -> bytes | None:
    """Bytes under ``base64``; None when there are none. White space inside is what the shell's base64 leaves."""
    value = image.get("base64")
    if isinstance(value, bytes):
        return value or None
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        refuse(code, f"base64 is a text, not {_kind(value)}")
    try:
        decoded: bytes = b64decode(value, validate=True)
        return decoded
    except (binascii.Error, ValueError):
        pass
    try:  # also what only the standard library takes, such as too much padding
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(code, "base64 is not base64; send the picture's bytes encoded, without a prefix") from error


def refuse(code: int, details: str) -> NoReturn:
    """Raise Refused."""
    raise Refused(code, details)


def _kind(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)

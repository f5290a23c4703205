"""JSON files of any size, element by element: a gigabyte of annotations needs the memory of one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from edge.errors import InvalidArgument

_CHUNK = 1 << 16
_MOST = 4 << 20
_AFTER = tuple(" \t\r\n,:]}")
_DECODE = json.JSONDecoder().raw_decode


def elements(path: Path) -> Iterator[tuple[str, Any]]:
    """(key, element) of a file that is a list (the key is "") or an object, whose lists are taken apart.

    Raises InvalidArgument: no JSON, no UTF-8, something else at the top, an element of more than 4 MiB.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from _Stream(file, path).elements()
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{path} is no UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read ({error.strerror}); check its permissions") from error


class _Stream:
    def __init__(self, file: IO[str], path: Path) -> None:
        self._file, self._path = file, path
        self._text, self._place, self._ended = "", 0, False

    def elements(self) -> Iterator[tuple[str, Any]]:
        first = self._next()
        if first == "[":
            yield from (("", one) for one in self._list())
        elif first == "{":
            yield from self._object()
        else:
            raise self._wrong("it begins with neither [ nor {")
        if self._next():
            raise self._wrong("something follows its end")

    def _object(self) -> Iterator[tuple[str, Any]]:
        self._place += 1
        while self._next() != "}":
            key = self._value()
            if not isinstance(key, str) or self._next() != ":":
                raise self._wrong("a key is missing")
            self._place += 1
            if self._next() == "[":
                yield from ((key, one) for one in self._list())
            else:
                yield key, self._value()
            self._comma("}")
        self._place += 1

    def _list(self) -> Iterator[Any]:
        self._place += 1
        while self._next() != "]":
            yield self._value()
            self._comma("]")
        self._place += 1

    def _comma(self, end: str) -> None:
        found = self._next()
        if found == ",":
            self._place += 1
            if self._next() == end:
                raise self._wrong("a comma has nothing behind it")
        elif found != end:
            raise self._wrong("it is cut off" if not found else f"{found!r} stands where a comma should be")

    def _next(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            while self._place < len(self._text):
                if self._text[self._place] not in " \t\r\n":
                    return self._text[self._place]
                self._place += 1
            if self._ended:
                return ""
            self._fill()

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = _DECODE(self._text, self._place)
                if self._ended or self._text[end : end + 1] in _AFTER:  # else a number might go on
                    self._place = end
                    return value
            except json.JSONDecodeError as error:
                if self._ended:
                    raise self._wrong(error.msg) from error
            except (ValueError, RecursionError) as error:  # a number of a million digits, a thousand brackets
                raise self._wrong(type(error).__name__) from error
            if len(self._text) - self._place > _MOST:
                raise self._wrong(f"it is damaged, or one element has more than {_MOST >> 20} MiB")
            self._fill()

    def _fill(self) -> None:
        rest = self._text[self._place :]
        more = self._file.read(max(_CHUNK, len(rest)))
        self._text, self._place, self._ended = rest + more, 0, not more

    def _wrong(self, why: str) -> InvalidArgument:
        return InvalidArgument(f"{self._path} is no JSON file of this format ({why}); export it again")

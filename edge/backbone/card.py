"""A backbone's card: a TOML file of facts beside the ``.tflite``. Read strictly, written by ``trainer``."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, cast

from edge.errors import BadBackbone, NotFound
from edge.types import BackboneCard, EmbeddingPart, EmbeddingSpec, Fit, Preprocessing, Quantisation, Transform

_T = TypeVar("_T", str, int, float)
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_MAX_BYTES = 1 << 20


def read_card(path: Path) -> BackboneCard:
    """Read and check a card. Raises NotFound, or BadBackbone naming the first field that is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"{path} does not exist; `edge backbone list` shows what is installed") from error
    except OSError as error:
        raise BadBackbone(f"{path} cannot be read ({error.strerror}); copy it again") from error
    if len(data) > _MAX_BYTES:
        raise BadBackbone(f"{path} is too large for a card; export or adopt the backbone again")
    try:
        table = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, a number of thousands of digits
        raise BadBackbone(f"{path} is no TOML ({error}); copy it again") from error
    card = parse_card(table, str(path))
    if card.name != path.stem:
        raise BadBackbone(f"{path} is the card of {card.name!r}; name it {card.name}.toml, like the .tflite beside it")
    return card


def parse_card(table: Mapping[str, Any], where: str) -> BackboneCard:
    """The card in a parsed TOML or JSON table. Raises BadBackbone; ``where`` names the source in messages."""
    field = _Fields(table, where)
    card = BackboneCard(
        name=field.name("name"),
        sha256=field.get("sha256", str),
        source=field.get("source", str),
        licence=field.get("licence", str),
        preprocessing=_preprocessing(field.sub("preprocessing")),
        input=_quantisation(field.sub("input")),
        embedding=EmbeddingSpec(tuple(_part(one) for one in field.tables("embedding"))),
        background=field.sub("background", {}).name("file", None),
        held_back=field.sub("background", {}).get("held_back", int, 0),
        golden=field.sub("golden", {}).name("file", None),
        facts={key: value for key, value in table.items() if key not in _KNOWN},
    )
    field.require(re.fullmatch(r"[0-9a-f]{64}", card.sha256) is not None, "sha256 is not 64 hexadecimal digits")
    field.require(card.held_back >= 0, "background.held_back is negative")
    return card


_KNOWN = frozenset({"name", "sha256", "source", "licence", "preprocessing", "input", "embedding"})


def _preprocessing(field: _Fields) -> Preprocessing:
    fit = field.get("fit", str, "centre")
    field.require(fit in ("centre", "stretch"), "fit is neither centre nor stretch")
    result = Preprocessing(
        width=field.get("width", int),
        height=field.get("height", int),
        fit=cast(Fit, fit),
        crop=field.get("crop", float, 1.0),
        mean=field.get("mean", float),
        std=field.get("std", float),
    )
    field.require(8 <= result.width <= 2048 and 8 <= result.height <= 2048, "width or height is outside 8..2048")
    field.require(0 < result.crop <= 1, "crop is outside (0, 1]")
    field.require(result.std > 0, "std is not positive")
    return result


def _quantisation(field: _Fields) -> Quantisation:
    dtype = field.get("dtype", str)
    field.require(dtype in ("int8", "uint8"), "dtype is neither int8 nor uint8")
    result = Quantisation(cast(Any, dtype), field.get("scale", float), field.get("zero_point", int))
    field.require(result.scale > 0, "scale is not positive")
    return result


def _part(field: _Fields) -> EmbeddingPart:
    transform = field.get("transform", str, "sqrt")
    field.require(transform in ("sqrt", "signed-sqrt", "l2"), "transform is not one of sqrt, signed-sqrt, l2")
    result = EmbeddingPart(
        size=field.get("size", int),
        zero_point=field.get("zero_point", int),
        scale=field.get("scale", float),
        transform=cast(Transform, transform),
        weight=field.get("weight", float, 1.0),
    )
    field.require(1 <= result.size <= 8192, "size is outside 1..8192")
    field.require(-128 <= result.zero_point <= 127, "zero_point is outside int8")
    field.require(0 < result.weight <= 100, "weight is outside (0, 100]")
    return result


class _Fields:
    """Typed access to one table, with the table's place in every complaint."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self._table = table
        self._where = where

    def require(self, good: bool, complaint: str) -> None:
        if not good:
            raise BadBackbone(f"{self._where}: {complaint}; export or adopt the backbone again")

    def sub(self, key: str, default: Mapping[str, Any] | None = None) -> _Fields:
        table = self._table.get(key, default)
        self.require(isinstance(table, Mapping), f"the table [{key}] is missing")
        return _Fields(cast(Mapping[str, Any], table), f"{self._where} [{key}]")

    def tables(self, key: str) -> list[_Fields]:
        """An array of tables."""
        tables = self._table.get(key)
        good = isinstance(tables, list) and 1 <= len(tables) <= 8 and all(isinstance(one, Mapping) for one in tables)
        self.require(good, f"[[{key}]] is missing, or not 1 to 8 tables")
        return [_Fields(one, f"{self._where} [[{key}]]") for one in cast(Any, tables)]

    def get(self, key: str, kind: type[_T], default: _T | None = None) -> _T:
        value = self._table.get(key, default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53:
            value = float(value)
        good = isinstance(value, kind) and not isinstance(value, bool)
        self.require(
            good and (not isinstance(value, float) or isfinite(value)), f"{key} is missing or no {kind.__name__}"
        )
        return cast(_T, value)

    def name(self, key: str, default: Any = ...) -> Any:
        """A plain file or backbone name: nothing that could lead out of the card's folder."""
        value = self._table.get(key, default)
        if value is None:
            return None
        self.require(
            isinstance(value, str) and PLAIN_NAME.match(value) is not None, f"{key} is missing or not a plain name"
        )
        return value


def write_card(card: BackboneCard, facts: Mapping[str, Mapping[str, Any]]) -> str:
    """TOML text of a card. ``facts``: further tables, such as ops, tools and parity, in the order to be written."""
    pre = card.preprocessing
    tables: dict[str, Mapping[str, Any]] = {
        "preprocessing": {
            "width": pre.width,
            "height": pre.height,
            "fit": pre.fit,
            "crop": pre.crop,
            "mean": pre.mean,
            "std": pre.std,
        },
        "input": {"dtype": card.input.dtype, "scale": card.input.scale, "zero_point": card.input.zero_point},
    }
    head = {"name": card.name, "sha256": card.sha256, "source": card.source, "licence": card.licence}
    blocks = [_lines(head)]
    blocks += [f"[{name}]\n{_lines(table)}" for name, table in tables.items()]
    blocks += [f"[[embedding]]\n{_lines(asdict(part))}" for part in card.embedding.parts]
    blocks += [f"[{name}]\n{_lines(table)}" for name, table in facts.items()]
    return "\n".join(blocks)


def _lines(table: Mapping[str, Any]) -> str:
    # JSON's strings, numbers, booleans and arrays are TOML's too
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in table.items())

"""``watch.toml``: loops, read strictly. ``${NAME}`` in a text is the environment's variable of that name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from edge.camera.urls import parse
from edge.errors import InvalidArgument, NotFound
from edge.watch.decision import Rules
from edge.watch.specs import seconds_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MAX_BYTES = 1 << 20
WORKED_THROUGH = ("folder", "file")
"""Cameras of which every picture is looked at, if nothing else is said."""


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """One loop. ``trigger`` and ``then`` are specs, in words; without a trigger it looks every two seconds, or at every
    picture of a folder or a recording. ``max_age``: seconds that a picture may be old when a trigger fires, else the
    next one is waited for. ``concepts``: rules of single concepts, by name or id."""

    name: str
    camera: str
    model: str
    trigger: tuple[str, ...] = ()
    then: tuple[str, ...] = ("log",)
    rules: Rules = field(default_factory=Rules)
    max_age: float = 0.5
    concepts: Mapping[str, Rules] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise InvalidArgument(f"a loop's name has letters, digits, - and _ only, unlike {self.name!r}")
        scheme = parse(self.camera).scheme
        if not self.trigger:
            object.__setattr__(self, "trigger", ("each" if scheme in WORKED_THROUGH else "interval:2s",))


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """All loops of a process. ``mqtt``: the broker that ``mqtt`` triggers and actions without an address mean.
    ``file``: where it was read from, if anywhere."""

    loops: tuple[LoopConfig, ...]
    mqtt: str | None = None
    file: str = ""

    def __post_init__(self) -> None:
        names = [one.name for one in self.loops]
        if len(set(names)) < len(names):
            raise InvalidArgument("two loops have the same name; give each its own")
        if not self.loops:
            raise InvalidArgument("there is no loop; write a [[loop]] with camera and model")

    @classmethod
    def read(cls, path: Path, environ: Mapping[str, str]) -> WatchConfig:
        """From a file. Raises NotFound, InvalidArgument naming the loop and key that is wrong."""
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"{path} does not exist; docs/watch.md shows what stands in it") from error
        except OSError as error:
            raise InvalidArgument(f"{path} cannot be read ({error.strerror})") from error
        if len(data) > _MAX_BYTES:
            raise InvalidArgument(f"{path} is too large to be a watch.toml")
        try:
            table = tomllib.loads(data.decode())
        except (ValueError, RecursionError) as error:
            raise InvalidArgument(f"{path} is no TOML: {error}") from error
        _known(table, ("loop", "mqtt"), str(path))
        loops = table.get("loop", [])
        if not isinstance(loops, list) or not all(isinstance(one, dict) for one in loops):
            raise InvalidArgument(f"{path}: write each loop as [[loop]], with two brackets")
        broker = table.get("mqtt")
        return cls(
            tuple(loop_of(one, f"{path}, loop {number}", environ) for number, one in enumerate(loops, start=1)),
            None if broker is None else _text(broker, "mqtt", str(path), environ),
            str(path.absolute()),
        )


_RULES = {one.name for one in fields(Rules)}


def loop_of(table: Mapping[str, Any], where: str, environ: Mapping[str, str]) -> LoopConfig:
    """A loop from its table. Raises InvalidArgument."""
    _known(table, ("name", "camera", "model", "trigger", "then", "max_age", "concepts", *sorted(_RULES)), where)
    for key in ("camera", "model"):
        if key not in table:
            raise InvalidArgument(f"{where} has no {key}")
    rules = _rules(table, where, Rules())
    each = table.get("concepts", {})
    if not isinstance(each, dict) or not all(isinstance(one, dict) for one in each.values()):
        raise InvalidArgument(f"{where}: write the rules of a concept as [loop.concepts.NAME]")
    given = {key: _texts(table[key], key, where, environ) for key in ("trigger", "then") if key in table}
    if "max_age" in table:
        given["max_age"] = seconds_of(table["max_age"], f"{where}: max_age")  # type: ignore[assignment]
    model = _text(table["model"], "model", where, environ)
    return LoopConfig(
        name=_text(table.get("name", model), "name", where, environ),
        camera=_text(table["camera"], "camera", where, environ),
        model=model,
        rules=rules,
        concepts={name: _concept(one, f"{where}, concept {name}", rules) for name, one in each.items()},
        **given,  # type: ignore[arg-type]
    )


def _concept(table: Mapping[str, Any], where: str, rules: Rules) -> Rules:
    """A concept's own rules; what it does not say is the loop's."""
    _known(table, tuple(sorted(_RULES)), where)
    return _rules(table, where, rules)


def _rules(table: Mapping[str, Any], where: str, others: Rules) -> Rules:
    given: dict[str, Any] = {}
    for key in _RULES & table.keys():
        value = table[key]
        if key == "hold":
            value = seconds_of(value, f"{where}: hold")
        elif isinstance(value, bool) or not isinstance(value, int if key == "smoothing" else int | float):
            raise InvalidArgument(f"{where}: {key} is a number, not {value!r}")
        given[key] = value
    try:
        return replace(others, **given)
    except InvalidArgument as error:
        raise InvalidArgument(f"{where}: {error}") from error


def _known(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise InvalidArgument(f"{where}: there is no {key!r}; {hint}")


def _texts(value: Any, key: str, where: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(_text(one, key, where, environ) for one in values)


def _text(value: Any, key: str, where: str, environ: Mapping[str, str]) -> str:
    if not isinstance(value, str):
        raise InvalidArgument(f"{where}: {key} is a text, not {value!r}")

    def variable(found: re.Match[str]) -> str:
        if found[1] not in environ:
            raise InvalidArgument(f"{where}: {key} needs the environment's variable {found[1]}; set it")
        return environ[found[1]]

    return _VARIABLE.sub(variable, value)

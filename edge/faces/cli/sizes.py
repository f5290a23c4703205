"""Numbers of bytes as people write them."""

from __future__ import annotations

import re

import click

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}


class Bytes(click.ParamType[int]):
    """A number of bytes: 500000, 500k, 50M, 2G."""

    name = "bytes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Fails for what is no number of bytes above 0."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?)b?", str(value).strip().lower())
        size = int(float(found[1]) * _UNITS[found[2]]) if found else 0
        if size < 1 or size > 1 << 60:
            self.fail(f"{value!r} is no number of bytes; give one like 500k, 50M or 2G", param, ctx)
        return size

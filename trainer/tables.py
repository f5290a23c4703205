"""Plain-text tables and intervals for what the benchmarks print."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

# two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom
_T95 = (
    12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def mean_and_half(values: ArrayLike) -> tuple[float, float]:
    """Mean of (n,) values and half of its 95 % interval (Student's t), NaN for a single one."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    quantile = _T95[min(len(values) - 2, len(_T95) - 1)]
    return float(values.mean()), float(quantile * values.std(ddof=1) / np.sqrt(len(values)))


def interval(differences: ArrayLike) -> tuple[str, str]:
    """Mean of paired differences and its 95 % interval (Student's t), as text."""
    mean, half = mean_and_half(differences)
    if np.isnan(half):
        return f"{mean:+.2f}", "one seed"
    return f"{mean:+.2f}", f"{mean - half:+.2f} .. {mean + half:+.2f}"


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """A table with an empty line and its title above: text columns to the left, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    left = [not column or not any(_is_number(row[column]) for row in cells[1:]) for column in range(len(header))]
    print(f"\n{title}" if title else "")
    for row in [cells[0], ["-" * width for width in widths], *cells[1:]]:
        line = (cell.ljust(w) if to_left else cell.rjust(w) for cell, w, to_left in zip(row, widths, left, strict=True))
        print("  ".join(line).rstrip())
    sys.stdout.flush()


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() or cell[:1] in ("-", "+", "<", "±")

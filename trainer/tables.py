"""Plain-text tables and intervals for what the benchmarks print."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

# two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom
_T95 = (
    12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def interval(differences: ArrayLike) -> tuple[str, str]:
    """Mean of paired differences and its 95 % interval (Student's t), as text."""
    values = np.asarray(differences, dtype=np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return f"{mean:+.2f}", "one seed"
    half = _T95[min(len(values) - 2, len(_T95) - 1)] * float(values.std(ddof=1)) / np.sqrt(len(values))
    return f"{mean:+.2f}", f"{mean - half:+.2f} .. {mean + half:+.2f}"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns aligned: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip())

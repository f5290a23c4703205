"""Plots of a comparison: PNG, told apart by colour, line and marker, readable at 600 pixels on white."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainer.compare import LOGISTIC, OURS, PARTS, Comparison, without
from trainer.network import trainer_packages
from trainer.sets import UNEQUAL
from trainer.tables import mean_and_half

WIDTH = 6.0  # inches, of 200 dots: at 600 pixels a letter of 8 points is 11 pixels high
# Okabe & Ito's colours, told apart by all kinds of eyes (2008)
BLUE, ORANGE, GREEN, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
GREY = "#767676"
STYLE = {
    OURS: (BLUE, "-", "o", 2.2),
    LOGISTIC: (RED, "--", "s", 1.4),
    "cosine prototypes": (GREEN, "-.", "^", 1.4),
    "5 nearest neighbours": (PURPLE, ":", "D", 1.6),
}
_RC = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "figure.facecolor": "white",
    "savefig.dpi": 200,
}


def draw(result: Comparison, out: Path) -> list[Path]:
    """Write ``accuracy.png``, ``parts.png`` and ``parts-by-shots.png`` into ``out``; returns their paths.

    A comparison with no part to switch off has the first only, one with a single number of shots no third.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = [out / "accuracy.png"]
    with _drawing() as plt:
        _accuracy(plt, result, written[0])
        if _parts(result):
            written.append(out / "parts.png")
            _bars(plt, result, written[-1])
            if len(result.shots) > 1:
                written.append(out / "parts-by-shots.png")
                _parts_by_shots(plt, result, written[-1])
    return written


@contextmanager
def _drawing() -> Iterator[Any]:
    """pyplot without a screen, in our style, all figures closed at the end."""
    with trainer_packages():
        import matplotlib as mpl

        mpl.use("Agg")
        import matplotlib.pyplot as plt
    with mpl.rc_context(_RC):
        try:
            yield plt
        finally:
            plt.close("all")


def _save(figure: Any, file: Path) -> None:
    """With 128 colours: a third of the size, and no difference to be seen."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(128).save(file, format="PNG", optimize=True)


def _parts(result: Comparison, *, unequal: bool = False) -> list[str]:
    return [part for part in PARTS if without(part) in result.methods(unequal=unequal)]


def _accuracy(plt: Any, result: Comparison, file: Path) -> None:
    """The mean over sets on top, a small panel for each set below."""
    columns = min(4, len(result.sets))
    rows = -(-len(result.sets) // columns) if len(result.sets) > 1 else 0
    figure = plt.figure(figsize=(WIDTH, 3.3 + 1.45 * rows), layout="constrained")
    grid = figure.add_gridspec(1 + rows, columns, height_ratios=[2.3] + [1.0] * rows)
    top = figure.add_subplot(grid[0, :])
    shots, names = result.shared()
    for method, (colour, line, marker, width) in STYLE.items():
        spread = [mean_and_half(result.mean(names, count, method)) for count in shots]
        mean, half = np.array(spread).T
        top.plot(shots, mean, line, color=colour, marker=marker, lw=width, ms=5, label=method, zorder=3)
        top.fill_between(shots, mean - half, mean + half, color=colour, alpha=0.18, lw=0)
    what = names[0] if len(names) == 1 else f"mean of {len(names)} sets"
    top.set_title(f"{what}; bands: 95 % intervals over {result.seeds} draws of pictures", loc="left")
    top.set_ylabel("right answers, %")
    top.legend(frameon=False, loc="lower right")
    _on_shots(top, shots)
    top.set_xlabel("pictures per concept")
    first = None
    for index, name in enumerate(result.sets if rows else []):
        panel = figure.add_subplot(grid[1 + index // columns, index % columns], sharey=first)
        first = first or panel
        counts = [count for count in result.shots if name in result.sets_with([count])]
        for method, (colour, line, marker, width) in STYLE.items():
            values = [result.of(name, count, method).mean() for count in counts]
            panel.plot(counts, values, line, color=colour, marker=marker, lw=0.75 * width, ms=2.6)
        panel.set_title(_short(name), fontsize=8, loc="left", pad=3)
        _on_shots(panel, result.shots)
        panel.tick_params(labelsize=7, labelleft=index % columns == 0)
    _save(figure, file)


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"


def _on_shots(axes: Any, shots: Sequence[int]) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xlim(shots[0] / 1.12, shots[-1] * 1.12)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(shots), [str(count) for count in shots])


def _bars(plt: Any, result: Comparison, file: Path) -> None:
    """Points lost without each part: as many pictures of every concept, and unequal numbers."""
    parts = _parts(result, unequal=True)
    at = result.place
    few = max(1, round(min(UNEQUAL) * at))
    kinds = [
        (False, BLUE, "", f"{at} pictures of every concept"),
        (True, ORANGE, "////", f"unequal, {few} to {at} of a concept"),
    ]
    figure, axes = plt.subplots(figsize=(WIDTH, 1.1 + 0.48 * len(parts)), layout="constrained")
    for place, (unequal, colour, hatch, label) in enumerate(kinds):
        heights = np.arange(len(parts)) + 0.19 * (2 * place - 1)
        have = [i for i, part in enumerate(parts) if without(part) in result.methods(unequal=unequal)]
        spread = [mean_and_half(result.lost(at, without(parts[i]), unequal=unequal)) for i in have]
        mean, half = np.array(spread).reshape(-1, 2).T
        half = np.nan_to_num(half)
        axes.barh(heights[have], mean, 0.36, color=colour, hatch=hatch, edgecolor="white", lw=0, label=label)
        axes.errorbar(mean, heights[have], xerr=half, fmt="none", ecolor="#222222", elinewidth=1, capsize=2.5)
        for y, value, reach in zip(heights[have], mean, half, strict=True):
            axes.annotate(
                f"{value:+.1f}", (max(value + reach, 0), y), (4, 0), textcoords="offset points", va="center", fontsize=8
            )
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_yticks(range(len(parts)), parts)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.margins(x=0.1)
    axes.set_xlabel(f"points of accuracy lost without it, mean of {len(result.sets_with([at]))} sets")
    figure.legend(frameon=False, loc="outside upper left", ncols=2)
    _save(figure, file)


def _parts_by_shots(plt: Any, result: Comparison, file: Path) -> None:
    """Points lost without each part against the number of shots, a panel for each."""
    parts = _parts(result)
    shots, names = result.shared()
    columns = min(3, len(parts))
    rows = -(-len(parts) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(WIDTH, 0.6 + 1.45 * rows), sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    for panel, part in zip(panels.flat, parts, strict=False):
        apart = [result.mean(names, count, OURS) - result.mean(names, count, without(part)) for count in shots]
        mean, half = np.array([mean_and_half(one) for one in apart]).T
        panel.axhline(0, color=GREY, lw=0.8)
        panel.fill_between(shots, mean - half, mean + half, color=BLUE, alpha=0.18, lw=0)
        panel.plot(shots, mean, "-o", color=BLUE, lw=1.8, ms=4)
        panel.set_title(part, loc="left")
        _on_shots(panel, shots)
    for panel in panels.flat[len(parts) :]:
        panel.set_visible(False)
    figure.supxlabel("pictures per concept", fontsize=9)
    figure.supylabel("points lost without it", fontsize=9)
    _save(figure, file)

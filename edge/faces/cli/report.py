"""An evaluation as a page of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge.faces.cli import text

if TYPE_CHECKING:
    from edge.types import Confusion, Evaluation

_HOW = {
    "leave-one-out": "each of its pictures judged as if it had not been taught",
    "held-out": "on pictures kept aside",
}


def page(title: str, found: Evaluation) -> Iterator[str]:
    """Everything an evaluation says."""
    yield text.safe(f"{title}, {text.plural(found.inputs, 'picture')}, {_HOW[found.method]}")
    yield ""
    yield accuracy(found)
    rows = [
        ("mean average precision", text.number(found.mean_average_precision)),
        ("told as known", text.percent(found.known_rate)),
        ("calibration error", text.number(found.calibration_error)),
        ("log loss", text.number(found.log_loss)),
    ]
    yield from text.table([row for row in rows if row[1] != "-"])
    yield ""
    yield from _concepts(found)
    if found.confusion is not None:
        yield ""
        yield from _confusion(found.confusion)
    yield from notes(found)


def accuracy(found: Evaluation) -> str:
    """The accuracy with its interval, or why there is none."""
    if found.accuracy is None:
        return "accuracy cannot be told: that takes pictures that show a concept and pictures that do not"
    between = ""
    if found.accuracy_interval is not None:
        low, high = found.accuracy_interval
        between = f" (95 % interval: {text.percent(low)} to {text.percent(high)})"
    return f"accuracy {text.percent(found.accuracy)}{between}"


def notes(found: Evaluation) -> Iterator[str]:
    """What else is worth knowing."""
    if found.not_evaluable:
        pictures = "1 picture is the only one of its concept and is" if found.not_evaluable == 1 else (
            f"{found.not_evaluable} pictures are the only ones of their concept and are"
        )  # fmt: skip
        yield f"note: {pictures} not judged"
    for note in found.notes:
        yield text.safe(f"note: {note}")


def _concepts(found: Evaluation) -> Iterator[str]:
    alarms = any(one.false_alarm_rate is not None for one in found.concepts)
    rows = [
        (one.id, one.positives, one.negatives, text.percent(one.precision), text.percent(one.recall),
         text.number(one.average_precision), *([text.percent(one.false_alarm_rate)] if alarms else []))
        for one in found.concepts
    ]  # fmt: skip
    heads = ["concept", "shown", "not shown", "precision", "recall", "average precision"]
    heads += ["false alarms"] if alarms else []
    yield from text.table(rows, heads=heads, right="l" + " r" * (len(heads) - 1))


def _confusion(found: Confusion) -> Iterator[str]:
    yield "which concept was given (columns) to pictures of which (rows):"
    rows = [(label, *row) for label, row in zip(found.labels, found.rows, strict=True)]
    yield from text.table(rows, heads=["", *found.labels], right="l" + " r" * len(found.labels))

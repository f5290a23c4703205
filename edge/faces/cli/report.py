"""An evaluation as a page of text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.faces.cli import text

if TYPE_CHECKING:
    from pathlib import Path

    from edge.types import Confusion, Evaluation, Review, Suspect

_SHORT = 12  # characters of an id that people see and may type
_EACH = 5
_WIDE = 80  # columns of a terminal that names may take before numbers stand for them

_HOW = {
    "leave-one-out": "each of its pictures judged as if it had not been taught",
    "five-fold": "each fifth of its pictures judged as if it had not been taught",
    "held-out": "on pictures kept aside",
}


@dataclass(frozen=True, slots=True)
class About:
    """What a page is about; ``names``: concept id -> name."""

    title: str
    evaluation: Evaluation
    review: Review
    names: Mapping[str, str]

    def name(self, concept: str) -> str:
        """What people call a concept."""
        return self.names.get(concept, concept)


def page(about: About, written: Path | None = None) -> Iterator[str]:
    """Everything an evaluation and a review say; ``written``: where the page with pictures is."""
    found = about.evaluation
    yield text.safe(f"{about.title}, {how(found)}")
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
    yield from _concepts(about)
    if found.confusion is not None:
        yield ""
        yield from _confusion(found.confusion, about)
    yield from notes(found)
    yield from _suspects(about)
    yield from _remarks(about.review)
    yield from _next(about.review)
    if written is not None:
        yield ""
        yield text.safe(f"with pictures: {written}")


def how(found: Evaluation) -> str:
    """On how many pictures it was measured, and in what way."""
    return f"{text.plural(found.inputs, 'picture')}, {_HOW[found.method]}"


def accuracy(found: Evaluation) -> str:
    """The accuracy with its interval, or why there is none."""
    if found.accuracy is None:
        return f"accuracy cannot be told: {lacking(found)}"
    between = ""
    if found.accuracy_interval is not None:
        low, high = found.accuracy_interval
        between = f" (95 % interval: {text.percent(low)} to {text.percent(high)})"
    return f"accuracy {text.percent(found.accuracy)}{between}"


def lacking(found: Evaluation) -> str:
    """Why there is no accuracy."""
    if found.not_evaluable:
        return "that takes a second picture of each concept, from another moment"
    return "that takes pictures that show a concept and pictures that do not"


def notes(found: Evaluation) -> Iterator[str]:
    """What else is worth knowing."""
    if found.not_evaluable:
        pictures = "1 picture is" if found.not_evaluable == 1 else f"{found.not_evaluable} pictures are"
        yield f"note: {pictures} not judged, being all there is of a concept, or all of one moment"
    for note in found.notes:
        yield text.safe(f"note: {note}")


def _concepts(about: About) -> Iterator[str]:
    found = about.evaluation
    alarms = any(one.false_alarm_rate is not None for one in found.concepts)
    rows = [
        (about.name(one.id), one.positives, one.negatives, text.percent(one.precision), text.percent(one.recall),
         text.number(one.average_precision), *([text.percent(one.false_alarm_rate)] if alarms else []))
        for one in found.concepts
    ]  # fmt: skip
    heads = ["concept", "shown", "not shown", "precision", "recall", "average precision"]
    heads += ["false alarms"] if alarms else []
    yield from text.table(rows, heads=heads, right="l" + " r" * (len(heads) - 1))


def _confusion(found: Confusion, about: About) -> Iterator[str]:
    yield "which concept was given (columns) to pictures of which (rows):"
    names = [about.name(label) for label in found.labels]
    heads = names
    if sum(text.width(text.safe(name)) + 2 for name in names) > _WIDE:
        heads = [str(number) for number in range(1, len(names) + 1)]
        names = [f"{number} {name}" for number, name in zip(heads, names, strict=True)]
    rows = [(name, *row) for name, row in zip(names, found.rows, strict=True)]
    yield from text.table(rows, heads=["", *heads], right="l" + " r" * len(heads))


def _suspects(about: About) -> Iterator[str]:
    """The annotations that the others contradict, and how to correct one."""
    review = about.review
    if not review.suspect_count:
        return
    yield ""
    shown = review.suspects or ()
    number = f"the {len(shown)} worst of {review.suspect_count}" if len(shown) < review.suspect_count else "worst first"
    yield f"suspects, said of a picture and contradicted by the others ({number}):"
    rows = [
        (f"  {one.input_id[:_SHORT]}", ("" if one.given else "not ") + about.name(one.concept_id), one.reason)
        for one in shown
    ]
    yield from text.table(rows)
    if shown:
        yield text.safe(f"  if the first is wrong: {correction(shown[0], about.names)}")


def correction(one: Suspect, names: Mapping[str, str]) -> str:
    """What to type if an annotation is wrong."""
    said = [("--not-concept" if one.given else "--concept", one.concept_id)]
    if one.given and one.rival is not None:
        said.insert(0, ("--concept", one.rival))
    words = [word for option, id in said for word in (option, names.get(id, id))]
    return shlex.join(["edge", "annotate", one.input_id[:_SHORT], *words])


def _remarks(review: Review) -> Iterator[str]:
    if not review.remarks:
        return
    yield ""
    yield "about the pictures:"
    counts: dict[str, int] = {}
    for one in review.remarks:
        counts[one.kind] = counts.get(one.kind, 0) + 1
        if counts[one.kind] <= _EACH:
            ids = " ".join(id[:_SHORT] for id in one.inputs[:_EACH])
            rest = f" and {len(one.inputs) - _EACH} more" if len(one.inputs) > _EACH else ""
            yield text.safe(f"  {one.message}" + (f": {ids}{rest}" if ids else ""))
    for kind, count in counts.items():
        if count > _EACH:
            yield f"  and {count - _EACH} more like that ({kind})"


def _next(review: Review) -> Iterator[str]:
    if not review.next:
        return
    yield ""
    yield "what to do next:"
    for number, step in enumerate(review.next, start=1):
        yield text.safe(f"  {number}. {step}")

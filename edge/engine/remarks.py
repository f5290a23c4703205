"""What there is to say about the pictures a model is taught with, and what to photograph next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edge.head.statistics import Statistics
from edge.head.training import Rows
from edge.types import NOT_SHOWN, SHOWN, Confusion, Evaluation, Input, Preprocessing, Remark, RemarkKind

ENOUGH = 10
"""Pictures of a concept from which accuracies are worth stating; fewer are too few."""
_UNEVEN = 4  # times as many pictures of one concept as of another
_TINY = 0.5  # of the network's input: at half of it, accuracy on three sets fell by 2 points, at 0.29 by 8
_CONFUSED = 0.1  # share of a concept's pictures taken for another
_WEAK = 0.8  # recall and precision below which a concept needs more pictures
_STEPS = 6


# --- remarks ---------------------------------------------------------------------------------------------------------


def counts(
    statistics: Statistics, moment: NDArray[np.intp] | None, rows: Rows, names: Mapping[str, str]
) -> Iterator[Remark]:
    """Concepts with too few pictures, or far fewer than others. Pictures of one moment count once."""
    shown = _shown(statistics, moment, rows)
    for concept, (pictures, moments) in shown.items():
        if moments < ENOUGH:
            what = _plural(pictures, "picture")
            what += f" of {_plural(moments, 'moment')}" if moments < pictures else ""
            message = f"{names.get(concept, concept)} is shown by {what}; {ENOUGH} are a good start"
            yield Remark("too-few", message, (concept,))
    if len(shown) < 2:
        return
    most, least = max(shown, key=lambda one: shown[one]), min(shown, key=lambda one: shown[one])
    if shown[most][0] >= _UNEVEN * max(shown[least][0], 1):
        message = (
            f"{names.get(most, most)} has {_plural(shown[most][0], 'picture')}, {names.get(least, least)} only "
            f"{shown[least][0]}"
        )
        yield Remark("imbalance", message, (most, least))


def _shown(statistics: Statistics, moment: NDArray[np.intp] | None, rows: Rows) -> dict[str, tuple[int, int]]:
    """Concept -> pictures that show it, and moments; of a sample the moments are those of the sample."""
    found = {}
    for column, concept in enumerate(statistics.concepts):
        showing = rows.labels[:, column] == SHOWN
        total, sampled = int(statistics.counts[column]), int(showing.sum())
        moments = sampled if moment is None else len(np.unique(moment[showing]))
        found[concept] = (max(total, sampled), max(total, sampled) - sampled + moments)
    return found


def near_duplicates(moment: NDArray[np.intp] | None, rows: Rows) -> Iterator[Remark]:
    """Pictures that are nearly the same, the largest groups first; those said to show different things before all."""
    if moment is None or not len(moment):
        return
    order = np.argsort(moment, kind="stable")
    groups = [one for one in np.split(order, np.flatnonzero(np.diff(moment[order])) + 1) if len(one) > 1]
    found = [(_disagree(rows.labels[one]), one) for one in groups]
    for disagree, one in sorted(found, key=lambda pair: (not pair[0], -len(pair[1]))):
        kind: RemarkKind = "disagreeing" if disagree else "near-duplicates"
        what = "were said to show different things" if disagree else "count as one"
        message = f"{len(one)} pictures are nearly the same and {what}"
        yield Remark(kind, message, (), tuple(rows.ids[int(row)] for row in one))


def _disagree(labels: NDArray[np.int8]) -> bool:
    """Whether a concept was said to be shown by one and not by another, or one picture has a concept others lack."""
    shown = labels == SHOWN
    return bool((shown.any(axis=0) & ((labels == NOT_SHOWN).any(axis=0) | ~shown.all(axis=0))).any())


def tiny(inputs: Sequence[Input], preprocessing: Preprocessing) -> Iterator[Remark]:
    """Pictures much smaller than what the network takes in."""
    least = round(_TINY * min(preprocessing.width, preprocessing.height))
    small = [one for one in inputs if min(one.width, one.height) < least]
    if small:
        message = (
            f"{_some(len(small), len(inputs))} less than {least} pixels wide or high; the network looks at "
            f"{preprocessing.width} x {preprocessing.height}"
        )
        yield Remark("tiny", message, (), tuple(one.id for one in small))


def blurred(found: Sequence[Input], looked_at: int) -> Iterator[Remark]:
    """Pictures out of focus, of how many that were looked at."""
    if found:
        message = f"{_some(len(found), looked_at)} blurred or without detail"
        yield Remark("blurred", message, (), tuple(one.id for one in found))


def confused(evaluation: Evaluation, names: Mapping[str, str]) -> Iterator[Remark]:
    """Pairs of concepts of which one is often taken for the other, worst first; concepts that are often missed or
    seen where they are not."""
    if evaluation.confusion is not None:
        yield from _pairs(evaluation.confusion, names)
        return
    for one in evaluation.concepts:
        name = names.get(one.id, one.id)
        if one.recall is not None and one.recall < _WEAK:
            yield Remark("missed", f"{name} is missed in {_percent(1 - one.recall)} of its pictures", (one.id,))
        if one.precision is not None and one.precision < _WEAK:
            message = f"{name} is not there in {_percent(1 - one.precision)} of the pictures it is seen in"
            yield Remark("false-alarms", message, (one.id,))


def _pairs(confusion: Confusion, names: Mapping[str, str]) -> Iterator[Remark]:
    rows = np.array(confusion.rows, dtype=np.int64).reshape(len(confusion.labels), -1)
    wrong = rows - np.diag(np.diag(rows))
    both, totals = wrong + wrong.T, rows.sum(axis=1)
    share = both / np.maximum(totals[:, np.newaxis] + totals[np.newaxis], 1)
    left, right = np.nonzero(np.triu((both >= 2) & (2 * share >= _CONFUSED)))
    for i in np.argsort(-share[left, right], kind="stable"):
        a, b = confusion.labels[left[i]], confusion.labels[right[i]]
        if wrong[left[i], right[i]] < wrong[right[i], left[i]]:
            a, b = b, a
        one, other = names.get(a, a), names.get(b, b)
        place = {label: index for index, label in enumerate(confusion.labels)}
        there, back = int(wrong[place[a], place[b]]), int(wrong[place[b], place[a]])
        message = f"{one} is taken for {other} {there} of {int(totals[place[a]])} times"
        message += f", {other} for {one} {back} of {int(totals[place[b]])}" if back else ""
        yield Remark("confused", message, (a, b))


# --- what next -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Said:
    """What the advice is drawn from; ``statistics`` None: pictures kept aside. ``missing``: why nothing trains."""

    statistics: Statistics | None
    names: Mapping[str, str]
    suspects: int
    remarks: Sequence[Remark]
    missing: str | None


def next_steps(said: Said) -> tuple[str, ...]:
    """What to do and to photograph next, most useful first; at least one sentence."""
    steps = [*_labels(said), *_pictures(said)]
    if not steps:
        steps = ["nothing stands out; keep some pictures aside and measure with: edge evaluate MODEL --folder DIR"]
        if said.statistics is None:
            steps = ["nothing stands out in these pictures; try harder ones: other light, other sides, other places"]
    return tuple(steps[:_STEPS])


def _labels(said: Said) -> Iterator[str]:
    if said.missing is not None:
        yield said.missing
    if said.suspects:
        those = "the suspect" if said.suspects == 1 else f"the {said.suspects} suspects"
        yield f"look at {those} first: one wrong label costs more than a missing picture"
    if any(one.kind == "disagreeing" for one in said.remarks):
        yield "decide what the pictures show that are nearly the same and were said to show different things"


_ASK = {
    "confused": "photograph {} as alike as they get, from other sides and in other light: {}",
    "missed": "photograph more of {}, as it looks when it is missed: {}",
    "false-alarms": "photograph what is mistaken for {}, and add it with --not-concept: {}",
}


def _pictures(said: Said) -> Iterator[str]:
    of = {kind: [one for one in said.remarks if one.kind == kind] for kind in get_args(RemarkKind)}
    for one in of["too-few"][:3]:
        yield f"photograph {_names(one, said)} at other moments and places: {one.message}"
    yield from _nothing_else(said)
    for kind, ask in _ASK.items():
        for one in of[kind][:2]:
            yield ask.format(_names(one, said), one.message)
    for one in of["blurred"]:
        yield f"take blurred pictures again, held still and in focus: {one.message}"
    for one in of["tiny"]:
        yield f"take tiny pictures again, from closer or in a higher resolution: {one.message}"
    for one in of["imbalance"]:
        name = said.names.get(one.concepts[1], one.concepts[1])
        yield f"photograph {name} until it has about as many pictures as the others: {one.message}"
    if of["near-duplicates"]:
        again = _plural(sum(len(one.inputs) - 1 for one in of["near-duplicates"]), "picture")
        yield f"wait, move or turn between pictures: {again} repeat others and teach next to nothing"


def _nothing_else(said: Said) -> Iterator[str]:
    """Concepts of which it was never said what does not show them."""
    if said.statistics is None or said.statistics.mutually_exclusive:
        return
    count = len(said.statistics.concepts)
    alone = [one for k, one in enumerate(said.statistics.concepts) if said.statistics.counts[count + k] == 0]
    if alone:
        names = ", ".join(said.names.get(one, one) for one in alone[:3])
        yield f"photograph what looks like {names} and is not, and add it with --not-concept: nothing else was taught"


def _names(one: Remark, said: Said) -> str:
    return " and ".join(said.names.get(id, id) for id in one.concepts)


def _some(count: int, total: int) -> str:
    return f"{count} of {_plural(total, 'picture')} {'is' if count == 1 else 'are'}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"

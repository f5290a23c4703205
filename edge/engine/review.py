"""What is wrong with what a model is taught: wrong labels, pictures that teach little, and what to do next."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from edge.engine import remarks
from edge.engine.learning import Material
from edge.engine.sharpness import BLURRED, SMALLEST, blur
from edge.errors import BadImage, CannotTrain, StoreCorrupt
from edge.head.suspects import Suspects, suspects
from edge.head.training import Training, train
from edge.head.transform import transform
from edge.image import decode
from edge.types import SHOWN, Evaluation, Input, Preprocessing, Review, Suspect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.engine.engine import Engine, Progress
    from edge.engine.model import Model

LOOKED_AT = 200
"""Pictures that are decoded to see whether they are blurred, the newest: on a small board each takes a moment."""
_NEAREST = 3


def review(
    engine: Engine,
    model: Model,
    evaluation: Evaluation | None = None,
    *,
    limit: int = 20,
    progress: Progress | None = None,
) -> Review:
    """Look at the annotations and pictures a training of ``model`` would learn from now.

    At most ``limit`` suspects. ``evaluation`` of a version adds what it confuses. Trains twice in memory and stores
    nothing; what cannot be trained yet gets the rest. Raises NotFound (deleted), BackboneChanged.
    """
    material = engine.learner.material(model.info)
    names = {one.id: one.name for one in engine.concepts()}
    records = engine.store.inputs.by_number(material.numbers)
    inputs = [records[number] for number in material.numbers if number in records]
    training, found, missing = None, None, None
    try:
        training = train(material.statistics, material.background, material.rows)
        found = suspects(material.statistics, material.background, material.rows, training)
    except CannotTrain as error:
        missing = str(error)
    if found is not None:
        found = _open(engine, material, found)
    worst, count = _suspects(material, training, found, names, limit)
    disputed = _disputed(engine, model, names)
    already = {(one.input_id, one.concept_id) for one in disputed}
    worst = (*disputed, *(one for one in worst if (one.input_id, one.concept_id) not in already))[: max(limit, 0)]
    count += len(disputed)
    about = [
        *remarks.counts(material.statistics, None if training is None else training.moment, material.rows, names),
        *remarks.near_duplicates(None if training is None else training.moment, material.rows),
        *remarks.tiny(inputs, engine.card.preprocessing),
        *remarks.blurred(_blurred(engine, inputs, progress), min(len(inputs), LOOKED_AT)),
        *(remarks.confused(evaluation, names) if evaluation is not None else ()),
    ]
    said = remarks.Said(material.statistics, names, count, about, missing)
    return Review(worst, count, tuple(about), remarks.next_steps(said))


def review_held_out(evaluation: Evaluation, names: Mapping[str, str]) -> Review:
    """What pictures kept aside say about what to photograph next; nobody looks for suspects."""
    about = tuple(remarks.confused(evaluation, names))
    return Review(None, 0, about, remarks.next_steps(remarks.Said(None, names, 0, about, None)))


def _disputed(engine: Engine, model: Model, names: Mapping[str, str]) -> list[Suspect]:
    """What two devices said differently, neither knowing of the other: the later counts, a person has to settle it.

    First among the suspects, with even odds: that one of two is wrong is certain, which one is not.
    """
    found = []
    for one in engine.store.disagreements():
        if one.concept in model.info.concepts:
            words = ("it does not show", "it shows")
            name = names.get(one.concept, one.concept)
            other = f"{one.other_by} on another device said {words[one.other_value]} it"
            reason = f"{one.by} says {words[one.value]} {name}, {other}"
            found.append(Suspect(one.input, one.concept, one.value, 0.5, None, None, 0.0, reason, ()))
    return found


# --- suspects --------------------------------------------------------------------------------------------------------


def _open(engine: Engine, material: Material, found: Suspects) -> Suspects:
    """Without those that somebody has looked at and confirmed."""
    ids, concepts = material.rows.ids, material.statistics.concepts
    chosen = np.flatnonzero(found.suspicious).tolist()
    said = {one: (ids[int(found.rows[one])], concepts[int(found.columns[one])]) for one in chosen}
    confirmed = engine.store.inputs.confirmed(id for id, _ in said.values())
    still = found.suspicious.copy()
    still[[one for one in chosen if said[one] in confirmed]] = False
    return replace(found, suspicious=still)


def _suspects(
    material: Material, training: Training | None, found: Suspects | None, names: Mapping[str, str], limit: int
) -> tuple[tuple[Suspect, ...], int]:
    """The worst ``limit``, and how many there are."""
    if training is None or found is None:
        return (), 0
    chosen = np.flatnonzero(found.suspicious)
    worst = chosen[: max(limit, 0)]
    near = _Nearest.of(material, found.rows[worst])
    writer = _Writer(material, found, near, names)
    return tuple(writer.suspect(place, int(one)) for place, one in enumerate(worst)), len(chosen)


@dataclass(frozen=True, eq=False)
class _Nearest:
    """Rows by how alike they are to each of some rows: (m, n) cosines of z, -inf with itself."""

    cosines: NDArray[np.float64]

    @classmethod
    def of(cls, material: Material, rows: NDArray[np.intp]) -> _Nearest:
        z = transform(material.rows.embeddings, material.statistics.spec)
        cosines = z[rows] @ z.T
        cosines[np.arange(len(rows)), rows] = -np.inf
        return cls(cosines)

    def rows(self, place: int, among: NDArray[np.bool_]) -> list[int]:
        """The nearest few of those ``among`` (n,)."""
        cosines = np.where(among, self.cosines[place], -np.inf)
        order = np.argsort(-cosines, kind="stable")[:_NEAREST]
        return [int(row) for row in order if np.isfinite(cosines[row])]


@dataclass(frozen=True, eq=False)
class _Writer:
    """Turns rows and columns into records and words."""

    material: Material
    found: Suspects
    near: _Nearest
    names: Mapping[str, str]

    def suspect(self, place: int, one: int) -> Suspect:
        rows, statistics, found = self.material.rows, self.material.statistics, self.found
        row, column, rival = int(found.rows[one]), int(found.columns[one]), int(found.rival[one])
        alike = self.near.rows(place, self._told(column))
        given = int(rows.labels[row, column] == SHOWN)
        return Suspect(
            input_id=rows.ids[row],
            concept_id=statistics.concepts[column],
            given=given,
            value=float(found.value[one]),
            rival=statistics.concepts[rival] if rival >= 0 else None,
            rival_value=float(found.values[row, rival]) if rival >= 0 else None,
            score=float(found.score[one]),
            reason=self._reason(one, given) + self._like(alike, column),
            nearest=tuple(rows.ids[other] for other in alike),
        )

    def _told(self, column: int) -> NDArray[np.bool_]:
        """(n,) inputs that say something about an annotation of this concept."""
        labels, statistics = self.material.rows.labels, self.material.statistics
        if statistics.mutually_exclusive:
            return np.asarray(statistics.groups(labels).any(axis=1))
        return np.asarray(labels[:, column] != -1)

    def _reason(self, one: int, given: int) -> str:
        found, rows = self.found, self.material.rows
        row, rival = int(found.rows[one]), int(found.rival[one])
        name = self._name(int(found.columns[one]))
        if found.conflicting[one]:
            both = " and ".join(self._name(int(k)) for k in np.flatnonzero(rows.labels[row] == SHOWN))
            return f"said to show {both}, of which it can only show one"
        if rival >= 0:
            return f"looks like {self._name(rival)} ({_percent(found.values[row, rival])}), not {name} " + (
                f"({_percent(float(found.value[one]))})"
            )
        told = "said to show it" if given else "said not to show it"
        return f"{told}, but {name} gets {_percent(float(found.value[one]))}"

    def _like(self, alike: list[int], column: int) -> str:
        """What the nearest pictures were said to show, in words."""
        if not alike:
            return ""
        said = [self._label(row, column) for row in alike]
        counts = {one: said.count(one) for one in dict.fromkeys(said)}
        return "; most like it: " + ", ".join(f"{count} {one}" for one, count in counts.items())

    def _label(self, row: int, column: int) -> str:
        labels = self.material.rows.labels[row]
        if self.material.statistics.mutually_exclusive:
            shown = np.flatnonzero(labels == SHOWN)
            return self._name(int(shown[0])) if len(shown) else "none of these"
        name = self._name(column)
        return name if labels[column] == SHOWN else f"not {name}"

    def _name(self, column: int) -> str:
        id = self.material.statistics.concepts[column]
        return self.names.get(id, id)


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


# --- pictures --------------------------------------------------------------------------------------------------------


def _blurred(engine: Engine, inputs: list[Input], progress: Progress | None) -> list[Input]:
    """Those of the newest pictures that are blurred; what cannot be read is the doctor's business."""
    preprocessing = engine.card.preprocessing
    if min(preprocessing.width, preprocessing.height) < SMALLEST:
        return []
    newest = sorted(inputs, key=lambda one: one.added_at)[-LOOKED_AT:]
    found = []
    for done, one in enumerate(newest, start=1):
        try:
            if blur(decode(engine.store.shelf.view(one), preprocessing)[1]) > BLURRED:
                found.append(one)
        except (BadImage, StoreCorrupt):
            pass
        if progress:
            progress(done, len(newest))
    return found


def thumbnails(engine: Engine, ids: Iterable[str], side: int = 160) -> dict[str, tuple[Input, bytes]]:
    """Inputs by id with a small JPEG of each, upright and whole, ``side`` pixels long; unreadable ones left out."""
    found = {}
    for id in dict.fromkeys(ids):
        one = engine.input(id)
        data = thumbnail(engine, one, side)
        if data is not None:
            found[id] = (one, data)
    return found


def thumbnail(engine: Engine, one: Input, side: int) -> bytes | None:
    """A JPEG of an input, upright and whole, ``side`` pixels long; None when it cannot be read."""
    longest = max(one.width, one.height)
    size = [max(1, round(side * length / longest)) for length in (one.width, one.height)]
    shape = Preprocessing(size[0], size[1], fit="stretch", crop=1.0)
    try:
        pixels = decode(engine.store.shelf.view(one), shape)[1]
    except (BadImage, StoreCorrupt):
        return None
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=72, optimize=True)
    return buffer.getvalue()

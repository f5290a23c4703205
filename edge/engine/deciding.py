"""What becomes of a model when a release comes: the released head, one trained here under its backbone, or neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.engine.engine import Engine, background_of
from edge.engine.install import check_backbone, head_of, new_version
from edge.engine.judging import Candidate, Comparison, Verdicts, by_head, compare, trained_now
from edge.engine.learning import Learner
from edge.errors import BadRelease, CannotTrain
from edge.export.record import record_from
from edge.sync.releases.manifest import ReleasedModel, input_key
from edge.types import BackboneCard, ModelInfo

Choice = Literal["released", "trained here", "kept"]
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of one model. ``before`` and ``after``: share of annotations got right on ``pictures`` of this
    device, each judged by a head that has not seen it; None where there are none to judge by."""

    model: str
    choice: Choice
    pictures: int
    before: float | None
    after: float | None
    better: bool
    reason: str


class Decider:
    """Judges models under a release's backbone, whose embeddings are there already.

    ``accept_worse``: share in [0, 1] that a model may lose. ``in_use``: what was released before, of the models whose
    version in use came with it.
    """

    def __init__(
        self, engine: Engine, card: BackboneCard, accept_worse: float, in_use: Mapping[str, ReleasedModel]
    ) -> None:
        self._engine = engine
        self._card = card
        self._accept = accept_worse
        self._in_use = in_use
        self._new = Learner(engine.store, card, background_of(card.name, engine.config))
        self._changed = card.sha256 != engine.store.setting("backbone_sha256")

    def decide(
        self, name: str, info: ModelInfo | None, released: ReleasedModel | None
    ) -> tuple[Judgement | None, Candidate | None]:
        """The judgement of one model and the version it gets; None where nothing changes for it. Raises BadRelease."""
        offered = None if released is None else self._released(name, info, released)
        if info is None:
            return (_said(name, "released", "it is new here"), offered) if offered else (None, None)
        if offered is not None and not _fits(offered, info):
            offered = None
        if offered is None and not self._changed:
            kept = _said(name, "kept", "it has concepts here that the released one has not")
            return (kept, None) if released is not None else (None, None)
        before = self._before(info)
        own = _trained(self._new, info) if self._changed and before is not None else None
        if before is None:  # never trained here, or its annotations do not determine a head
            return (_said(name, "released", "nothing here to judge it by"), offered) if offered else (None, None)
        return self._best(name, before, offered, own)

    def _best(
        self, name: str, before: Verdicts, offered: Candidate | None, own: Candidate | None
    ) -> tuple[Judgement, Candidate | None]:
        rated: list[tuple[Choice, Candidate, Comparison]] = []
        for choice, one in (("released", offered), ("trained here", own)):
            if one is not None:
                rated.append((choice, one, compare(before, one.verdicts)))  # type: ignore[arg-type]
        judged = [one for one in rated if one[2].pictures]
        if not judged:
            if rated:
                return _said(name, rated[0][0], "no picture here that it was not trained on"), rated[0][1]
            return Judgement(name, "kept", 0, None, None, False, "it cannot be trained under the new backbone"), None
        choice, candidate, found = max(judged, key=lambda one: one[2].after - one[2].before)  # the first of equals
        better = found.after >= found.before - self._accept - _TIE
        shares = f"{100 * found.after:.1f} % right, {100 * found.before:.1f} % before"
        text = f"{shares}, on {found.pictures} pictures of this device"
        return Judgement(name, choice, found.pictures, found.before, found.after, better, text), candidate

    def _released(self, name: str, info: ModelInfo | None, released: ReleasedModel) -> Candidate:
        record = record_from(released.record, released.head)
        head = head_of(record, "the release")
        check_backbone(record, head, self._card)
        verdicts = {} if info is None else self._fairly(released, by_head(self._engine.store, head, self._card, info))
        return Candidate(new_version(record, head, self._card, name), verdicts)

    @staticmethod
    def _fairly(released: ReleasedModel, direct: Verdicts) -> Verdicts:
        """What the head says of pictures it has not seen, and what the hub left out said of those it has."""
        found = {}
        for id, pair in direct.items():
            key = input_key(id)
            if key in released.verdicts:
                found[id] = released.verdicts[key]
            elif key not in released.seen:
                found[id] = pair
        return found

    def _before(self, info: ModelInfo) -> Verdicts | None:
        """What the model gets right now, with all that it could learn here; None where it answers nothing."""
        model = self._engine.model(info.name)
        used = model.in_use
        if used is None or used.backbone_sha256 != self._engine.card.sha256:
            return None
        earlier = self._in_use.get(info.name)
        if earlier is not None:
            _, head = model.head()
            return self._fairly(earlier, by_head(self._engine.store, head, self._engine.card, info))
        trained = _trained(self._engine.learner, info)
        return None if trained is None else trained.verdicts


def _trained(learner: Learner, info: ModelInfo) -> Candidate | None:
    try:
        return trained_now(learner, info)
    except CannotTrain:
        return None


def _fits(offered: Candidate, info: ModelInfo) -> bool:
    """The same kind of output, and all the concepts that the model has here."""
    version = offered.version
    if version.mutually_exclusive != info.mutually_exclusive:
        raise BadRelease(f"the concepts of {info.name!r} exclude each other here or in the release, and not in both")
    return set(info.concepts) <= set(version.concepts)


def _said(name: str, choice: Choice, reason: str) -> Judgement:
    return Judgement(name, choice, 0, None, None, True, reason)

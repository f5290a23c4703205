"""``Model`` and ``ModelVersion``: teach, ask, look back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import BackboneChanged, CannotTrain, EdgeError, InvalidArgument, NotFound, NotTrained
from edge.head.trained import TrainedHead
from edge.image import prepare
from edge.store.names import check_names
from edge.types import ConceptScore, Evaluation, ModelInfo, Prediction, VersionInfo, VersionStatus

if TYPE_CHECKING:
    from concurrent.futures import Future

    from edge.backbone.base import Backbone
    from edge.engine.choosing import Wanted
    from edge.engine.engine import Engine, Progress
    from edge.export.fuse import Exported

_POLL_SECONDS = 0.05


class ModelVersion:
    """One training of a model. ``status`` is read afresh; ``evaluation`` waits until the training has ended."""

    def __init__(self, engine: Engine, info: VersionInfo, future: Future[VersionInfo] | None = None) -> None:
        self._engine = engine
        self._info = info
        self._future = future

    def __repr__(self) -> str:
        return f"ModelVersion({self.model!r}, {self.id!r}, {self.info.status.value})"

    @property
    def id(self) -> str:
        """ "v1", "v2" ... in the order of training."""
        return self._info.id

    @property
    def model(self) -> str:
        """The model's name."""
        return self._info.model

    @property
    def info(self) -> VersionInfo:
        """What the store says about it now."""
        if not self._info.status.finished:
            self._info = self._engine.store.models.version(self._info.model, self._info.id)
        return self._info

    @property
    def status(self) -> VersionStatus:
        return self.info.status

    @property
    def reason(self) -> str | None:
        """Why it failed, or None."""
        return self.info.reason

    @property
    def evaluation(self) -> Evaluation | None:
        """How good it is, measured by leave-one-out; waits for the training. Raises what made it fail."""
        self.wait()
        if self.status is VersionStatus.FAILED:
            raise self.error or CannotTrain(self.reason or "training failed; run edge train again")
        return self.info.evaluation

    @property
    def error(self) -> EdgeError | None:
        """What made a training of this process fail."""
        if self._future is None or not self._future.done():
            return None
        error = self._future.exception()
        return error if isinstance(error, EdgeError) else None

    def wait(self, timeout: float | None = None) -> ModelVersion:
        """Block until it is TRAINED or FAILED, at most ``timeout`` seconds. Raises TimeoutError."""
        if self._future is not None:
            try:
                with suppress(EdgeError):
                    self._future.result(timeout)
            except TimeoutError:  # concurrent.futures' is the builtin one
                raise TimeoutError(f"{self!r} is not finished after {timeout} s") from None
            if not self.status.finished:  # a full disk kept the failure itself from being written
                self._engine.store.models.recover()
            return self
        until = None if timeout is None else time.monotonic() + timeout
        while not self.status.finished:
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"{self!r} is not finished after {timeout} s")
            self._engine.store.models.recover()  # the process that trains it may have been killed
            time.sleep(_POLL_SECONDS)
        return self


class Model:
    """A named set of concepts. Cheap to make; holds the head it last predicted with."""

    def __init__(self, engine: Engine, info: ModelInfo) -> None:
        self._engine = engine
        self._store = engine.store
        self._info = info
        self._here = threading.local()
        self._heads: dict[tuple[str, str], tuple[VersionInfo, TrainedHead]] = {}

    def __repr__(self) -> str:
        return f"Model({self.name!r})"

    @property
    def name(self) -> str:
        return self._info.name

    @property
    def info(self) -> ModelInfo:
        """What the store says about it now. Raises NotFound when it was deleted."""
        return self._store.models.get(self.name)

    # --- concepts ------------------------------------------------------------------------------------------------

    def add_concepts(self, concepts: str | Iterable[str]) -> ModelInfo:
        """Teach it more concepts from the next training on; versions that are there keep their own.

        All or nothing. Raises NotFound (the model is gone), InvalidArgument, Conflict (it has one of them already).
        """
        return self._store.models.add_concepts(self.name, check_names(concepts, "concept"))

    def remove_concepts(self, concepts: str | Iterable[str]) -> ModelInfo:
        """Leave concepts out from the next training on; their annotations stay, and versions keep their own.

        All or nothing. Raises NotFound (the model has no such concept), InvalidArgument (too few would be left).
        """
        return self._store.models.remove_concepts(self.name, check_names(concepts, "concept"))

    def set_output(
        self, *, mutually_exclusive: bool | None = None, closed_environment: bool | None = None
    ) -> ModelInfo:
        """Change whether its concepts exclude each other, and whether every picture shows one of them (None: as it is).

        From the next training on; versions that are there answer as they were trained. Raises NotFound,
        InvalidArgument (a single concept excludes nothing).
        """
        return self._store.models.set_output(
            self.name, mutually_exclusive=mutually_exclusive, closed_environment=closed_environment
        )

    # --- teach ---------------------------------------------------------------------------------------------------

    def train(self, *, unlabelled: bool = False) -> ModelVersion:
        """Queue a training of a new version, and return it at once; ``wait()`` or ``evaluation`` wait for it.

        ``unlabelled``: let pictures of which nothing is said take part, if that measurably helps this model; the
        evaluation's notes say whether it did. Training again undoes a ``rollback``. Raises NotFound (deleted),
        BackboneChanged, StoreUnavailable, InvalidArgument (``unlabelled``, and the concepts do not exclude each other).
        """
        info, learner = self.info, self._engine.learner
        check_unlabelled(info, unlabelled)
        card = self._engine.card
        with ExitStack() as held:
            held.enter_context(self._store.models.claimed())
            version = self._store.models.create_version(self.name, backbone=card.name, backbone_sha256=card.sha256)
            claim = held.pop_all()

        def job() -> VersionInfo:
            with claim:
                return learner.run(info, version, unlabelled=unlabelled)

        return ModelVersion(self._engine, version, self._engine.trainer.submit(job))

    # --- ask -----------------------------------------------------------------------------------------------------

    def predict(
        self,
        picture: Any,
        *,
        version: str | None = None,
        min_value: float = 0.0,
        max_concepts: int | None = None,
        select: str | Iterable[str] = (),
    ) -> Prediction:
        """What a picture shows: a path, encoded bytes or a uint8 RGB array (h, w, 3).

        Uses the newest trained version, the one ``rollback`` pinned, or ``version``. ``min_value`` in [0, 1] and
        ``max_concepts`` shorten the answer, ``select`` names the concepts wanted. Raises BadImage, NotFound,
        NotTrained, BackboneChanged, InvalidArgument.
        """
        asked = {select} if isinstance(select, str) else set(select)
        info, head = self.check_output(version, min_value, max_concepts, asked)
        names: dict[str, str] = self._here.names
        wanted = {self._id(one) for one in asked}
        backbone = self._backbone()
        embedding = backbone.embed(prepare(picture, backbone.card.preprocessing))
        values, known = head.predict(embedding[np.newaxis])
        scores = [
            ConceptScore(concept, value, names.get(concept, concept))
            for concept, value in zip(head.concepts, values[0].tolist(), strict=True)
            if value >= min_value and (not wanted or concept in wanted)
        ]
        scores.sort(key=lambda score: -score.value)
        return Prediction(
            model=info.model,
            version=info.id,
            concepts=tuple(scores[:max_concepts]),
            known=float(known[0]),
            is_known=bool(known[0] > head.threshold),
            path=str(picture) if isinstance(picture, str | Path) else None,
        )

    def check_output(
        self, version: str | None, min_value: float, max_concepts: int | None, select: Iterable[str]
    ) -> tuple[VersionInfo, TrainedHead]:
        """The version and head that ``predict`` would use, once what is asked of it can be answered."""
        info, head = self._head(version)
        if not 0 <= min_value <= 1:
            raise InvalidArgument(f"min_value {min_value} is outside [0, 1]; give a number between them")
        if max_concepts is not None and max_concepts < 1:
            raise InvalidArgument(f"max_concepts {max_concepts} is no positive number; give at least 1")
        for name in select:
            if self._id(name) not in head.concepts:
                names = [self._here.names.get(one, one) for one in head.concepts]
                raise NotFound(f"{info.model} {info.id} has no concept {name!r}; it has: {', '.join(names)}")
        return info, head

    def _id(self, concept: str) -> str:
        """The id of a concept by its name or id, as ``_head`` last saw them."""
        return next((id for id, name in self._here.names.items() if name == concept), concept)

    def head(self, version: str | None = None) -> tuple[VersionInfo, TrainedHead]:
        """A trained version and its head. Raises NotTrained, NotFound, BadHead, BackboneChanged."""
        info = self._choose(version)
        if info.backbone_sha256 != self._engine.card.sha256:
            raise BackboneChanged(
                f"{info.model} {info.id} was trained under backbone {info.backbone}, the store now uses "
                f"{self._engine.backbone_name}; run: edge train {info.model}"
            )
        key = (info.id, info.created_at.isoformat())
        if key not in self._heads:
            self._heads = {key: (info, TrainedHead.from_bytes(self._store.models.head(info)))}
        return self._heads[key]

    def _head(self, version: str | None) -> tuple[VersionInfo, TrainedHead]:
        """``head``, asked of the store again only when somebody has changed it."""
        moment = (*self._store.moment(), version)
        if getattr(self._here, "moment", None) != moment:
            self._here.found = self.head(version)
            self._here.names = self._store.inputs.renamed()
            self._here.moment = moment
        found: tuple[VersionInfo, TrainedHead] = self._here.found
        return found

    def _backbone(self) -> Backbone:
        """The engine's, which asks the store which it is, asked again only when ``_head`` has seen a change."""
        if getattr(self._here, "opened", None) != self._here.moment:
            self._here.backbone = self._engine.backbone
            self._here.opened = self._here.moment
        opened: Backbone = self._here.backbone
        return opened

    @property
    def in_use(self) -> VersionInfo | None:
        """The version ``predict`` uses: the one ``rollback`` pinned, else the newest trained one, None without any."""
        pinned = self.info.pinned_version
        if pinned is not None:
            return self._store.models.version(self.name, pinned)
        versions = self._store.models.versions(self.name)
        return next((one for one in versions if one.status is VersionStatus.TRAINED), None)

    def _choose(self, version: str | None) -> VersionInfo:
        if version is not None:
            return self._trained(self._store.models.version(self.name, version))
        found = self.in_use
        if found is None:
            versions = self._store.models.versions(self.name)
            state = versions[0] if versions else None
            if state is not None and not state.status.finished:
                raise NotTrained(f"model {self.name!r} is still training its first version; wait for {state.id}")
            why = f" ({state.id} failed: {state.reason})" if state is not None else ""
            raise NotTrained(f"model {self.name!r} has no trained version{why}; run: edge train {self.name}")
        return self._trained(found)

    def _trained(self, version: VersionInfo) -> VersionInfo:
        if version.status is not VersionStatus.TRAINED:
            raise NotTrained(
                f"{self.name} {version.id} is {version.status.value}; `edge versions {self.name}` lists trained ones"
            )
        return version

    def evaluate(self, folder: str | Path | None = None, progress: Progress | None = None) -> Evaluation:
        """The version in use: its leave-one-out evaluation, or measured on a folder with one sub-folder per concept.

        Raises NotTrained, NotFound (no such folder, or none of its sub-folders is a concept of the model).
        """
        info, head = self.head()
        if folder is None:
            if info.evaluation is None:
                raise NotTrained(
                    f"{info.model} {info.id} was installed and has no evaluation of its own; measure it with: "
                    f"edge evaluate {info.model} --folder DIR"
                )
            return info.evaluation
        from edge.engine.heldout import evaluate_folder

        return evaluate_folder(self._engine.backbone, head, Path(folder), self._store.inputs.renamed(), progress)

    def uncertain(self, *, limit: int = 20) -> Wanted:
        """Unlabelled inputs, those it would learn most from first; see ``edge.engine.choosing.uncertain``."""
        from edge.engine.choosing import uncertain

        return uncertain(self._engine, self.name, limit=limit)

    # --- look back -----------------------------------------------------------------------------------------------

    def versions(self) -> list[ModelVersion]:
        """All versions, newest first."""
        return [ModelVersion(self._engine, info) for info in self._store.models.versions(self.name)]

    def version(self, id: str) -> ModelVersion:
        """One version by id. Raises NotFound."""
        return ModelVersion(self._engine, self._store.models.version(self.name, id))

    def rollback(self, version: str) -> ModelVersion:
        """Predict with an older version until the model is trained again. Raises NotFound, NotTrained."""
        info = self._trained(self._store.models.version(self.name, version))
        self._store.models.pin(self.name, info.id)
        return ModelVersion(self._engine, info)

    def export(self, path: str | Path, *, version: str | None = None, full_integer: bool = False) -> Exported:
        """Write backbone and head as one ``.tflite`` that runs on its own.

        ``full_integer`` makes the head INT8 too, with operators an Edge TPU runs. Raises as ``predict`` does, and
        InvalidArgument for a path that cannot be written.
        """
        from edge.engine.exporting import export

        return export(self._engine, self, Path(path), version=version, full_integer=full_integer)


def check_unlabelled(info: ModelInfo, unlabelled: bool) -> None:
    """Raises InvalidArgument where unlabelled pictures are wanted and cannot take part."""
    if unlabelled and not info.mutually_exclusive:
        raise InvalidArgument(
            f"the concepts of {info.name!r} do not exclude each other, so unlabelled pictures cannot help; train "
            "without them"
        )

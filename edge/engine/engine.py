"""``Engine``: one open store and its backbone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edge.backbone import catalogue
from edge.config import DEFAULT_BACKBONE, Config
from edge.engine.model import Model
from edge.engine.pictures import Picture, collect, collect_folders, labels_of, loaded
from edge.engine.released import with_released
from edge.errors import (
    BackboneChanged,
    Conflict,
    EdgeError,
    InvalidArgument,
    StoreUnavailable,
)
from edge.store import NewInput, Store
from edge.store.names import check_names
from edge.types import BackboneCard, Concept, Finding, Input

if TYPE_CHECKING:  # what only training needs is imported there: a cold predict waits for every import
    from concurrent.futures import ThreadPoolExecutor

    from edge.backbone.base import Backbone
    from edge.engine.learning import Learner
    from edge.head.background import Background

Progress = Callable[[int, int], None]
"""Called with (done, total) as a long verb goes on."""

_BATCH = 16


@dataclass(frozen=True, slots=True)
class Added:
    """What ``add`` did: the inputs, how many of them are new, and (source, reason) of what was refused."""

    inputs: tuple[Input, ...]
    created: int
    refused: tuple[tuple[str, str], ...] = ()


class Engine:
    """An open store with its backbone. Use it from one process or several, from any thread.

    Make one with ``Engine.open``; close it, or use it as a context manager.
    """

    def __init__(self, store: Store, config: Config) -> None:
        self.store = store
        self.config = with_released(config, store.path)
        self._backbone: Backbone | None = None
        self._learner: Learner | None = None
        self._trainer: ThreadPoolExecutor | None = None
        self._guard = Lock()
        self._opening = Lock()

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        backbone: str | None = None,
        create: bool = True,
        config: Config | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Engine:
        """Open the store at ``path``, making it if ``create``; a new one uses ``backbone`` or the default.

        ``config`` None reads the environment. Raises NotFound (no store and not ``create``, no such backbone),
        Conflict-kind StoreTooNew, StoreCorrupt, StoreUnavailable, InvalidArgument.
        """
        config = config or Config.from_environment(os.environ)
        folder = Path(path or config.store)
        if create and not (folder / "store.sqlite").exists():
            card_of(backbone or DEFAULT_BACKBONE, config)  # refuse a wrong name before anything is made
        store = Store.open(folder, clock=clock, create=create)
        try:
            if store.setting("backbone") is None and not store.read_only:
                card = card_of(backbone or DEFAULT_BACKBONE, config)
                store.default_settings(backbone=card.name, backbone_sha256=card.sha256)
        except BaseException:
            store.close()
            raise
        return cls(store, config)

    @classmethod
    def init(
        cls, path: str | Path | None = None, *, backbone: str | None = None, config: Config | None = None
    ) -> tuple[Engine, bool]:
        """Make a store, or open the one that is there; the second value says whether it was made.

        Raises as ``open`` does, and Conflict when the store is there and uses another backbone than the one named.
        """
        config = config or Config.from_environment(os.environ)
        made = not (Path(path or config.store) / "store.sqlite").exists()
        engine = cls.open(path, backbone=backbone, config=config)
        used = engine.backbone_name
        if backbone is not None and backbone != used:
            engine.close()
            raise Conflict(f"the store is there and uses {used}; to change that, run: edge backbone use {backbone}")
        return engine, made

    def close(self) -> None:
        """Finish trainings that were started here, then give everything back."""
        if self._trainer is not None:
            self._trainer.shutdown(wait=True)
        if self._backbone is not None:
            self._backbone.close()
        self.store.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the backbone --------------------------------------------------------------------------------------------

    @property
    def backbone_name(self) -> str:
        """The backbone the store names."""
        return self.store.setting("backbone") or DEFAULT_BACKBONE

    @property
    def backbone(self) -> Backbone:
        """The open backbone. Raises BackboneChanged when its file is not the one the store was filled with."""
        with self._opening:  # loops that start together open it once
            if self._backbone is None or self._backbone.card.sha256 != self.store.setting("backbone_sha256"):
                opened = catalogue.open_backbone(self.backbone_name, self.config)
                self._same(opened.card)
                self._backbone, self._learner = opened, None
            return self._backbone

    @property
    def card(self) -> BackboneCard:
        """The backbone's card, without starting a runtime. Raises as ``backbone`` does."""
        if self._backbone is not None:
            return self.backbone.card
        return self._same(card_of(self.backbone_name, self.config))

    def _same(self, card: BackboneCard) -> BackboneCard:
        if card.sha256 != self.store.setting("backbone_sha256"):
            raise BackboneChanged(
                f"the file of backbone {card.name} has changed since the store was filled; run: "
                f"edge backbone use {card.name}"
            )
        return card

    @property
    def learner(self) -> Learner:
        """What trains under the store's backbone."""
        from edge.engine.learning import Learner

        card = self.card
        if self._learner is None or self._learner.card.sha256 != card.sha256:
            self._learner = Learner(self.store, card, background_of(card.name, self.config))
        return self._learner

    def backbones(self) -> list[BackboneCard]:
        """Cards of all backbones that are installed."""
        return [card for _, card in catalogue.cards(self.config)]

    def use_backbone(self, name: str, progress: Progress | None = None) -> int:
        """Compute every picture's embedding under another backbone, then name it in the store.

        Interrupted, it goes on where it stopped. Annotations stay; models must be trained again. Returns how many
        embeddings were computed. Raises NotFound, BadBackbone, StoreCorrupt (a picture is gone).
        """
        from edge.engine.recomputing import recompute

        new = catalogue.open_backbone(name, self.config)
        done = recompute(self.store, new, progress)
        self._backbone, self._learner = new, None
        return done

    # --- inputs --------------------------------------------------------------------------------------------------

    def add(
        self,
        pictures: Any,
        concepts: str | Iterable[str] = (),
        not_concepts: str | Iterable[str] = (),
        *,
        from_folders: bool = False,
        positives_only: bool = False,
        by: str = "user",
        progress: Progress | None = None,
    ) -> Added:
        """Store pictures, compute their embeddings and annotate them.

        ``pictures``: a path, a folder (searched recursively), a glob pattern, encoded bytes, a uint8 array, or an
        iterable of these. They show ``concepts`` and do not show ``not_concepts``. ``from_folders``: each sub-folder
        is a concept; its pictures show it and not its siblings (``positives_only`` leaves that second part out).

        A picture that cannot be read is listed in ``refused`` and the others go in; if there is only one, it raises.
        Durable when it returns. Raises BadImage, NotFound, InvalidArgument, StoreUnavailable.
        """
        labels = labels_of(concepts, not_concepts)
        if from_folders:
            found = collect_folders(pictures, labels, positives_only=positives_only)
        else:
            found = collect(pictures, labels)
        check_names({name for one in found for name in one.annotations}, "concept")
        from concurrent.futures import ThreadPoolExecutor

        inputs: list[Input] = []
        refused: list[tuple[str, str]] = []
        created = 0
        with ThreadPoolExecutor(2, thread_name_prefix="edge-decode") as pool:
            for start in range(0, len(found), _BATCH):
                try:
                    stored, failures = self.add_batch(pool, found[start : start + _BATCH], by)
                except StoreUnavailable as error:
                    if not inputs:
                        raise
                    raise StoreUnavailable(
                        f"{len(inputs)} of {len(found)} pictures are stored, then: {error}"
                    ) from error
                if failures and len(found) == 1:
                    raise failures[0][1]
                refused += [(source, str(error)) for source, error in failures]
                inputs += [one for one, _ in stored]
                created += sum(new for _, new in stored)
                if progress:
                    progress(min(start + _BATCH, len(found)), len(found))
        return Added(tuple(inputs), created, tuple(refused))

    def add_batch(
        self, pool: ThreadPoolExecutor, part: list[Picture], by: str
    ) -> tuple[list[tuple[Input, bool]], list[tuple[str, EdgeError]]]:
        """Load and store some pictures in one transaction: what was stored, and what could not be read."""
        while True:
            backbone = self.backbone
            batch = list(pool.map(lambda one: loaded(one, backbone), part))  # noqa: B023 used up at once
            failures = [one for one in batch if not isinstance(one, NewInput)]
            good = [one for one in batch if isinstance(one, NewInput)]
            try:
                return self.store.inputs.add(good, by=by), failures
            except BackboneChanged:
                if backbone.card.sha256 == self.store.setting("backbone_sha256"):
                    raise  # else another process has just changed it: embed them again

    def annotate(
        self,
        input: str,
        concepts: str | Iterable[str] = (),
        not_concepts: str | Iterable[str] = (),
        *,
        clear: str | Iterable[str] = (),
        confirm: bool = False,
        by: str = "user",
    ) -> Input:
        """Say what a stored input shows and does not show; ``clear`` forgets. Raises NotFound, InvalidArgument.

        ``confirm``: the concepts given, or everything that is said of it, were looked at and are right; no review
        calls them suspects until somebody changes them.
        """
        values: dict[str, int | None] = {**labels_of(concepts, not_concepts)}
        for name in check_names(clear, "concept"):
            if name in values:
                raise InvalidArgument(f"{name!r} is both set and cleared; give it once")
            self.store.inputs.concept_id(name)
            values[name] = None
        if confirm and not values:
            values.update((one.concept_id, one.value) for one in self.input(input).annotations)
            if not values:
                raise InvalidArgument(f"nothing is said of input {input} yet; give --concept or --not-concept")
        if not values:
            raise InvalidArgument("nothing to say; give --concept, --not-concept, --clear or --confirm")
        return self.store.inputs.annotate(input, values, by=by, confirm=confirm)

    def inputs(
        self, *, unlabelled: bool = False, concept: str | None = None, limit: int = -1, offset: int = 0
    ) -> list[Input]:
        """Stored inputs, oldest first: all, those without annotations, or those annotated with ``concept``."""
        return self.store.inputs.page(unlabelled=unlabelled, concept=concept, limit=limit, offset=offset)

    def input(self, id: str) -> Input:
        """One input by its id, or by the beginning of it. Raises NotFound."""
        return self.store.inputs.get(id)

    def concepts(self) -> tuple[Concept, ...]:
        """Every concept that was ever named."""
        return self.store.inputs.concepts()

    def names(self, concepts: Iterable[str]) -> tuple[str, ...]:
        """What people call concepts, by their ids."""
        renamed = self.store.inputs.renamed()
        return tuple(renamed.get(one, one) for one in concepts)

    def rename_concept(self, concept: str, name: str) -> Concept:
        """Call a concept something else: its id, its annotations and all models and versions that have it stay.

        Raises NotFound, InvalidArgument, Conflict (another concept has that name, or had it first).
        """
        return self.store.inputs.rename_concept(concept, name)

    def remove(self, inputs: str | Iterable[str], *, by: str = "user") -> int:
        """Hide inputs at once; ``restore`` brings them back for 30 days. Raises NotFound, changing nothing."""
        count = self.store.inputs.remove([inputs] if isinstance(inputs, str) else inputs, by=by)
        self.store.purge()
        return count

    def restore(self, inputs: str | Iterable[str], *, by: str = "user") -> int:
        """Bring removed inputs back, with their annotations. Raises NotFound, changing nothing."""
        return self.store.inputs.restore([inputs] if isinstance(inputs, str) else inputs, by=by)

    # --- models --------------------------------------------------------------------------------------------------

    def create_model(
        self,
        name: str,
        concepts: str | Iterable[str],
        *,
        mutually_exclusive: bool = False,
        closed_environment: bool = False,
    ) -> Model:
        """A named set of concepts. Raises Conflict (the name is taken), InvalidArgument."""
        info = self.store.models.create(
            name,
            check_names(concepts, "concept"),
            mutually_exclusive=mutually_exclusive,
            closed_environment=closed_environment,
        )
        return Model(self, info)

    def model(self, name: str) -> Model:
        """A model by name. Raises NotFound."""
        return Model(self, self.store.models.get(name))

    def models(self) -> list[Model]:
        """All models, by name."""
        return [Model(self, info) for info in self.store.models.all()]

    def delete_model(self, name: str) -> None:
        """Forget a model and its versions; inputs and annotations stay. Raises NotFound."""
        self.store.models.delete(name)

    def install(self, path: str | Path, name: str | None = None) -> Model:
        """Take the head out of a fused ``.tflite`` as a new version of its model, or of ``name``.

        Raises NotFound, BadHead, BackboneChanged (made for another backbone), Conflict (the model's concepts differ).
        """
        from edge.engine.install import install

        return install(self, Path(path), name)

    # --- health --------------------------------------------------------------------------------------------------

    def doctor(self, *, repair: bool = False) -> Iterator[Finding]:
        """Look at the runtime, the backbone and the store; ``repair`` mends what can be mended."""
        from edge.engine.health import check

        return check(self, repair=repair)

    @property
    def trainer(self) -> ThreadPoolExecutor:
        """The one thread that trains."""
        from concurrent.futures import ThreadPoolExecutor

        with self._guard:
            if self._trainer is None:
                self._trainer = ThreadPoolExecutor(1, thread_name_prefix="edge-train")
            return self._trainer


def card_of(name: str, config: Config) -> BackboneCard:
    """The card of a backbone, a file or a built-in one. Raises NotFound."""
    if name in catalogue.BUILTIN:
        return catalogue.open_backbone(name, config).card
    return catalogue.find_card(name, config)[1]


def background_of(name: str, config: Config) -> Background | None:
    """What a backbone's default negatives look like, or None where it ships none."""
    from edge.head.background import Background

    if name in catalogue.BUILTIN:
        return None
    folder, card = catalogue.find_card(name, config)
    rows = catalogue.background(folder, card)
    return None if rows is None else Background.from_embeddings(rows, card.embedding, card.held_back)

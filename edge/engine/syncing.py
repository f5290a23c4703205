"""The engine's part of a meeting with a remote: which pictures are uncertain, and embeddings for those that arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from edge.backbone import catalogue
from edge.engine.choosing import uncertain
from edge.engine.remotes import Remotes
from edge.errors import BackboneChanged, BadImage, Conflict, EdgeError, RemoteRefused
from edge.image import decode
from edge.store.failures import translated
from edge.store.files import locked, make_folder
from edge.store.shelf import Arrived, Place, Stored
from edge.sync import pictures, retention
from edge.sync.book import LogBook
from edge.sync.contract import Met, Stage
from edge.sync.registry import Known
from edge.sync.session import Meeting
from edge.sync.state import State
from edge.sync.transfer import Limits, Transfer

if TYPE_CHECKING:
    from edge.engine.engine import Engine, Progress

_UNCERTAIN = 500
"""Of each model, the inputs that would teach it most: their pictures go before the rest."""


class Syncing:
    """The remotes of an engine's store, to be met. ``environ`` is where credentials may be; ``transfer`` how to try."""

    def __init__(
        self, engine: Engine, environ: Mapping[str, str], transfer: Callable[..., Transfer] = Transfer
    ) -> None:
        self._engine = engine
        self._store = engine.store
        self._transfer = transfer
        self.remotes = Remotes(engine.store.path, environ)

    def moment(self) -> object:
        """Something that differs once anybody has changed the store."""
        return self._store.moment()

    def sync(
        self,
        name: str | None = None,
        *,
        push: bool = True,
        pull: bool = True,
        limits: Limits | None = None,
        dry_run: bool = False,
        stage: Stage = lambda _: None,
    ) -> Met:
        """Meet a remote; None: the only one. Interrupted, the next meeting goes on.

        Raises NotFound, Conflict (several remotes; another process syncs), RemoteUnavailable, RemoteRefused,
        StoreUnavailable, BackboneChanged.
        """
        known = self._known(name)
        with self._alone(), self._met(known, limits) as transfer:
            meeting = Meeting(
                self._store.path,
                self._store.shelf,
                LogBook(self._store),
                known,
                transfer,
                arrived=self._arrived,
                uncertain=self._uncertain,
                stage=stage,
            )
            try:
                if dry_run:
                    return meeting.rehearse()
                return meeting.run(push=push and known.writable, pull=pull)
            finally:
                meeting.close()

    def thin(
        self,
        name: str | None = None,
        *,
        older_than: timedelta,
        enough: int | None = None,
        limits: Limits | None = None,
        progress: Progress | None = None,
    ) -> retention.Thinned:
        """Let go of originals that a remote gives back whole; a copy, the embedding and all annotations stay.

        Raises as ``sync`` does.
        """
        known = self._known(name)
        cards = (card.preprocessing for _, card in catalogue.cards(self._engine.config))
        side = retention.side_for(iter([*cards, self._engine.card.preprocessing]))
        with self._alone(), closing(State(self._store.path)) as state, self._met(known, limits) as transfer:
            return retention.thin(
                self._store.shelf,
                transfer,
                before=self._store.now() - older_than,
                side=side,
                enough=enough,
                progress=progress,
                unsent=lambda digests: state.missing(known.id, digests),
            )

    def fetch(self, inputs: Iterable[str], name: str | None = None, progress: Progress | None = None) -> int:
        """Get the originals of thinned inputs again, by id; returns how many came.

        Raises NotFound (no such input, or not on that remote), and as ``sync`` does.
        """
        found = self._store.shelf.by_ids(Place.THINNED, [self._engine.input(id).id for id in inputs])
        if not found:
            return 0
        known = self._known(name)
        with self._alone(), self._met(known, None) as transfer:
            for done, one in enumerate(found, start=1):
                file = pictures.fetch(transfer, self._store.path / "sync/incoming", one.sha256, one.size)
                refused = self._arrived([(one, file)])
                if refused:
                    raise RemoteRefused(f"{known.shown} gave no picture for input {one.id}: {refused[0][1]}")
                if progress:
                    progress(done, len(found))
        return len(found)

    # --- parts ---------------------------------------------------------------------------------------------------

    def _known(self, name: str | None) -> Known:
        return self.remotes.registry.only() if name is None else self.remotes.registry.get(name)

    @contextmanager
    def _met(self, known: Known, limits: Limits | None) -> Iterator[Transfer]:
        remote = self.remotes.open(known)
        try:
            yield self._transfer(remote, limits or Limits(), conditions=known.conditions)
        finally:
            remote.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process syncs a store at a time; two would fetch everything twice. Raises Conflict."""
        with ExitStack() as stack:
            with translated():
                make_folder(self._store.path / "sync")
                alone = stack.enter_context(locked(self._store.path / "sync/sync.lock", wait=False))
            if not alone:
                raise Conflict("another process syncs this store now; wait for it to finish")
            yield

    def _uncertain(self) -> Sequence[str]:
        found: dict[str, None] = {}
        for model in self._engine.models():
            with suppress(EdgeError):  # not trained: then nothing is known to be uncertain
                wanted = uncertain(self._engine, model.name, limit=_UNCERTAIN)
                found.update((one.input.id, None) for one in wanted.inputs)
        return list(found)

    def _arrived(self, batch: Sequence[tuple[Stored, Path]]) -> list[tuple[Stored, str]]:
        """Embed what was fetched and make it count; returns what is no picture, and why."""
        while True:
            backbone = self._engine.backbone
            good: list[Arrived] = []
            refused: list[tuple[Stored, str]] = []
            for one, file in batch:
                try:
                    facts, pixels = decode(file.read_bytes(), backbone.card.preprocessing)
                    if (facts.media_type, facts.width, facts.height) != (one.media_type, one.width, one.height):
                        raise BadImage(
                            f"it is no {one.media_type} of {one.width} x {one.height} pixels, as it was said to be"
                        )
                except BadImage as error:
                    refused.append((one, str(error)))
                else:
                    good.append(Arrived(one, file, backbone.embed(pixels).tobytes()))
            try:
                self._store.shelf.arrive(good, backbone_sha256=backbone.card.sha256)
            except BackboneChanged:
                if backbone.card.sha256 == self._store.setting("backbone_sha256"):
                    raise  # else another process has just changed it: embed them again
                continue
            for one, _ in refused:
                self._store.shelf.unusable(one)
            for _, file in batch:
                file.unlink(missing_ok=True)
            return refused

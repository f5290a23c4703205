"""A device takes a signed release, but only one that is at least as good on its own pictures; and goes back.

Everything is prepared beside what is in use, which answers meanwhile: the backbone installed, embeddings computed under
it, heads judged. The switch is one transaction; so is the way back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.backbone import catalogue
from edge.backbone.card import read_card
from edge.engine.deciding import Decider, Judgement
from edge.engine.engine import Engine, Progress
from edge.engine.health import golden_agreement
from edge.engine.judging import Candidate
from edge.engine.recomputing import fill
from edge.engine.released import RELEASED
from edge.errors import BadBackbone, BadRelease, Conflict, EdgeError, InvalidArgument, NotFound
from edge.store.failures import translated
from edge.store.files import locked, make_folder, write_durably
from edge.sync.releases.manifest import Release, ReleasedModel
from edge.sync.releases.trust import Fetch, Trust
from edge.sync.remotes.base import Remote
from edge.types import BackboneCard

Stage = Callable[[str], Progress | None]
"""Asked for a progress callback as each stage begins: "files", "embeddings"."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the hub publishes now. ``bytes``: still to be fetched; ``current``: the release in use here, or None."""

    number: int
    created: datetime
    notes: str
    backbone: str
    models: tuple[str, ...]
    bytes: int
    current: int | None
    refused: str | None

    @property
    def newer(self) -> bool:
        """Whether it is newer than the one in use."""
        return self.current is None or self.number > self.current


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a release; ``reason`` says why, in words."""

    number: int
    applied: bool
    judgements: tuple[Judgement, ...]
    computed: int
    reason: str


class Releases:
    """The releases of one store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store
        self.folder = engine.store.path / "releases"
        self.trust = Trust(self.folder, clock=engine.store.now)

    # --- where they come from ------------------------------------------------------------------------------------

    @property
    def source(self) -> str | None:
        """The remote that releases come from, by its name or URL."""
        return self._store.setting("release_source")

    @source.setter
    def source(self, remote: str) -> None:
        self._store.set_settings(release_source=remote)

    def open_source(self, remote: str | None) -> Remote:
        """Open a remote by its name or URL; None: the one that was used last. Raises InvalidArgument, RemoteRefused."""
        from edge.sync.registry import Registry
        from edge.sync.remotes.catalogue import open_remote, secrets_of

        wanted = remote or self.source
        if wanted is None:
            raise InvalidArgument("no remote is named; give one with --from")
        url = {one.name: one.url for one in Registry(self._store.path).all()}.get(wanted, wanted)
        return open_remote(url, secrets_of(self._store.path, wanted))

    # --- looking -------------------------------------------------------------------------------------------------

    @property
    def current(self) -> int | None:
        """The number of the release in use, or None."""
        number = self._setting("release").get("number")
        return number if isinstance(number, int) else None

    def check(self, fetch: Fetch) -> Published:
        """What is published. Raises BadRelease, NotFound, StoreUnavailable, InvalidArgument (no root of trust yet)."""
        session = self.trust.open(fetch)
        release = session.release()
        return Published(
            release.number,
            release.created,
            release.notes,
            release.backbone,
            tuple(release.models),
            session.size(release),
            self.current,
            self._refusal(release),
        )

    def _refusal(self, release: Release) -> str | None:
        refused = self._setting("release_refused")
        return str(refused.get("reason")) if refused.get("number") == release.number else None

    def worth_trying(self, published: Published) -> bool:
        """Newer than what is in use, and not refused here on the very annotations there are now."""
        refused = self._setting("release_refused")
        same = refused.get("number") == published.number
        return published.newer and not (same and refused.get("change") == self._store.inputs.last_change())

    # --- taking --------------------------------------------------------------------------------------------------

    def apply(self, fetch: Fetch, *, accept_worse: float = 0.0, stage: Stage = lambda _: None) -> Outcome:
        """Fetch, verify and judge what is published, and use it if no model gets worse here.

        ``accept_worse``: share in [0, 1] that a model may lose all the same. Interrupted, it goes on where it stopped.
        Raises BadRelease, BadBackbone, NotFound, Conflict (it is in use already; somebody else is applying one),
        StoreUnavailable.
        """
        with self._alone():
            session = self.trust.open(fetch)
            release = session.release()
            if self.current is not None and release.number <= self.current:
                raise Conflict(f"release {release.number} is in use already; wait for a newer one to be published")
            files = session.fetch(release, stage("files"))
            card = self._install(release, files)
            models = {
                name: ReleasedModel.from_bytes(files[sha256].read_bytes()) for name, sha256 in release.models.items()
            }
            computed = self._embed(card, stage("embeddings"))
            outcome, chosen = self._judge(release, card, models, accept_worse, computed)
            if not outcome.applied:
                self._refuse(outcome)
            elif not self._switch(release, card, chosen):
                raise Conflict("pictures were added meanwhile; run: edge release apply")
            session.tidy(release.models.values() if outcome.applied else self._models_in_use().values())
            return outcome

    def _install(self, release: Release, files: Mapping[str, Path]) -> BackboneCard:
        """The release's backbone among those that can be used, its golden embeddings compared."""
        config = self._engine.config
        with suppress(NotFound):
            card = catalogue.find_card(release.backbone, config)[1]
            if card.sha256 != release.backbone_sha256:
                raise BadRelease(
                    f"a backbone {release.backbone} is here already and is another one; ask for it to be published "
                    "under another name"
                )
            return card
        folder = self._store.path / RELEASED
        arriving = folder / f".{release.backbone}"
        shutil.rmtree(arriving, ignore_errors=True)
        make_folder(arriving)
        for ending, digest in release.backbone_files.items():
            write_durably(arriving / f"{release.backbone}.{ending}", files[digest].read_bytes())
        try:
            card = read_card(arriving / f"{release.backbone}.toml")
            self._check(release, arriving, card)
            # the card last: a backbone is there when its card is
            for ending in sorted(release.backbone_files, key=lambda ending: ending == "toml"):
                name = f"{release.backbone}.{ending}"
                write_durably(folder / name, (arriving / name).read_bytes())
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
        return card

    def _check(self, release: Release, folder: Path, card: BackboneCard) -> None:
        if card.sha256 != release.backbone_sha256:
            raise BadRelease("the release's card is of another backbone; ask for it to be published again")
        config = self._engine.config
        there = replace(config, backbones=str(folder))
        agreement = golden_agreement(folder, card, there)
        if agreement is not None and agreement[0] < agreement[1]:
            raise BadBackbone(
                f"backbone {card.name} gives other embeddings here than where it was made (cosine {agreement[0]:.3f}, "
                f"at least {agreement[1]:.3f} is needed); this machine's runtime {agreement[2]} cannot use it"
            )
        catalogue.background(folder, card)

    def _embed(self, card: BackboneCard, progress: Progress | None) -> int:
        if card.sha256 == self._store.setting("backbone_sha256"):
            return 0
        backbone = catalogue.open_backbone(card.name, self._engine.config)
        try:
            return fill(self._store, backbone, progress)
        finally:
            backbone.close()

    # --- judging -------------------------------------------------------------------------------------------------

    def _judge(
        self,
        release: Release,
        card: BackboneCard,
        released: Mapping[str, ReleasedModel],
        accept_worse: float,
        computed: int,
    ) -> tuple[Outcome, list[Candidate]]:
        here = {model.name: model.info for model in self._engine.models()}
        judgements, chosen = [], []
        decider = Decider(self._engine, card, accept_worse, self._released_before())
        for name in sorted({*here, *released}):
            judgement, candidate = decider.decide(name, here.get(name), released.get(name))
            if judgement is not None:
                judgements.append(judgement)
            if candidate is not None:
                chosen.append(candidate)
        worse = [one for one in judgements if not one.better]
        if worse:
            reason = f"release {release.number} stays out: " + "; ".join(f"{one.model}: {one.reason}" for one in worse)
        else:
            reason = f"release {release.number} is in use"
        return Outcome(release.number, not worse, tuple(judgements), computed, reason), chosen

    def _released_before(self) -> dict[str, ReleasedModel]:
        """What the release in use brought, of the models that still use it."""
        found = {}
        for name, digest in self._models_in_use().items():
            with suppress(EdgeError, OSError):  # then it is judged by what could be trained here
                released = ReleasedModel.from_bytes((self.folder / "files" / digest).read_bytes())
                used = self._engine.model(name).in_use
                if used is not None and self._store.models.head(used) == released.head:
                    found[name] = released
        return found

    def _models_in_use(self) -> dict[str, str]:
        """Model -> sha256 of its file, as the release in use has them."""
        models = self._setting("release").get("models")
        return {str(name): str(digest) for name, digest in models.items()} if isinstance(models, dict) else {}

    def _refuse(self, outcome: Outcome) -> None:
        refused = {"number": outcome.number, "reason": outcome.reason, "change": self._store.inputs.last_change()}
        self._store.set_settings(release_refused=json.dumps(refused))

    def _switch(self, release: Release, card: BackboneCard, chosen: list[Candidate]) -> bool:
        used = {model.name: model.in_use for model in self._engine.models()}
        before = {
            "number": self.current,
            "backbone": self._engine.backbone_name,
            "backbone_sha256": self._store.setting("backbone_sha256"),
            "versions": {name: version.id for name, version in used.items() if version is not None},
        }
        now = {"number": release.number, "backbone": card.name, "models": dict(release.models)}
        return self._store.switch(
            (card.name, card.sha256, card.embedding.size),
            [one.version for one in chosen],
            settings={"release": json.dumps(now), "release_before": json.dumps(before), "release_refused": "{}"},
        )

    # --- and back ------------------------------------------------------------------------------------------------

    def rollback(self, *, stage: Stage = lambda _: None) -> int | None:
        """Use what was in use before the last release; returns its number, None for what was there before any.

        The release is refused from then on until annotations change. Raises Conflict (there is nothing to go back to),
        NotFound (the backbone is gone).
        """
        with self._alone():
            before, now = self._setting("release_before"), self._setting("release")
            if "backbone" not in before:
                raise Conflict("no release was applied here, so there is nothing to go back to")
            _, card = _card(before["backbone"], self._engine)
            if card.sha256 != before.get("backbone_sha256"):
                raise NotFound(f"backbone {card.name} is no longer the one that was in use; install it again")
            number = before.get("number")
            refused = {
                "number": now.get("number"),
                "reason": "it was rolled back",
                "change": self._store.inputs.last_change(),
            }
            settings = {
                "release": json.dumps({"number": number, "backbone": card.name} if number else {}),
                "release_before": "{}",
                "release_refused": json.dumps(refused),
            }
            while True:
                self._embed(card, stage("embeddings"))
                back = (card.name, card.sha256, card.embedding.size)
                if self._store.switch(back, pins=before["versions"], settings=settings):
                    return number if isinstance(number, int) else None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with translated():
            make_folder(self.folder)
            with locked(self.folder / "lock", wait=False) as free:
                if not free:
                    raise Conflict("a release is being applied at this moment; wait for that to end")
                yield

    def _setting(self, key: str) -> dict[str, Any]:
        try:
            value = json.loads(self._store.setting(key) or "{}")
        except ValueError:
            value = None
        return value if isinstance(value, dict) else {}


def _card(name: str, engine: Engine) -> tuple[Path | None, BackboneCard]:
    if name in catalogue.BUILTIN:
        return None, catalogue.open_backbone(name, engine.config).card
    return catalogue.find_card(name, engine.config)

"""A store's backbone and trained models as the next release of a repository."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.backbone import catalogue
from edge.engine.engine import Engine
from edge.engine.exporting import record_of
from edge.engine.judging import trained_now
from edge.engine.model import Model
from edge.errors import CannotTrain, Conflict, InvalidArgument, NotFound, NotTrained
from edge.sync.releases.manifest import BACKBONE_FILES, MANIFEST, Release, ReleasedModel, input_key
from edge.sync.releases.trust import PREFIX
from trainer.releases.repository import Repository

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

Put = Callable[[str, Path], None]
"""Copies a file to a key of a remote, replacing what is there."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was released: its number, the backbone, and of each model the hub's accuracy in [0, 1], or None."""

    number: int
    backbone: str
    models: Mapping[str, float | None]


def make_release(
    engine: Engine,
    repository: Repository,
    keys: Mapping[str, Sequence[CryptoSigner]],
    *,
    models: Iterable[str] = (),
    notes: str = "",
    as_is: bool = False,
) -> Published:
    """Sign the store's backbone and the versions in use of ``models`` (all trained ones) as the next release.

    ``as_is``: also what was annotated after a version was trained counts as seen by it. Raises NotFound, NotTrained,
    Conflict (annotations have changed since; the backbone's name stands for another one in the repository),
    InvalidArgument (keys are missing, nothing to release).
    """
    chosen = [engine.model(name) for name in models] or [model for model in engine.models() if model.in_use]
    if not chosen:
        raise InvalidArgument("no model is trained, so there is nothing to release; train one first")
    backbone = _backbone(engine)
    released = {model.name: _released(engine, model, as_is=as_is) for model in chosen}
    files = {**backbone, **{name: one.to_bytes() for name, one in released.items()}}
    digests = {name: _sha256(data) for name, data in files.items()}
    number = _check_previous(repository, engine.card.name, engine.card.sha256)
    release = Release(
        number,
        engine.store.now(),
        notes,
        engine.card.name,
        engine.card.sha256,
        {name.removeprefix(_BACKBONE): digest for name, digest in digests.items() if name in backbone},
        {name: digests[name] for name in released},
    )
    targets = {f"files/{digests[name]}": data for name, data in files.items()}
    repository.release({MANIFEST: release.to_bytes(), **targets}, keys)
    return Published(number, release.backbone, {model.name: _accuracy(model) for model in chosen})


def upload(repository: Repository, put: Put, progress: Callable[[int, int], None] | None = None) -> int:
    """Copy a repository to a remote, the timestamp last; returns how many files."""
    paths = repository.uploads()
    for done, path in enumerate(paths, start=1):
        put(PREFIX + path, repository.folder / path)
        if progress:
            progress(done, len(paths))
    return len(paths)


_BACKBONE = "backbone/"  # no model has a name with a slash


def _backbone(engine: Engine) -> dict[str, bytes]:
    if engine.backbone_name in catalogue.BUILTIN:
        raise InvalidArgument(f"backbone {engine.backbone_name} is code and cannot be released; use another one")
    folder, card = catalogue.find_card(engine.backbone_name, engine.config)
    names = {"tflite": f"{card.name}.tflite", "toml": f"{card.name}.toml"}
    names |= {"background.npy": card.background or "", "golden.npy": card.golden or ""}
    for ending in ("background.npy", "golden.npy"):
        if names[ending] not in ("", f"{card.name}.{ending}"):
            raise InvalidArgument(f"the card of {card.name} names {names[ending]}; adopt the backbone again")
    catalogue.read_verified(folder, card)
    return {
        _BACKBONE + ending: (folder / names[ending]).read_bytes()
        for ending in BACKBONE_FILES
        if names[ending] and (folder / names[ending]).is_file()
    }


def _released(engine: Engine, model: Model, *, as_is: bool) -> ReleasedModel:
    info, head = model.head()
    record = record_of(model, info, head, engine.card, full_integer=False)
    ids = engine.store.inputs.labels(head.concepts)[1]
    verdicts: Mapping[str, tuple[int, int]] = {}
    with suppress(CannotTrain):
        now = trained_now(engine.learner, model.info)
        if dict(now.version.counts) != dict(info.counts) and not as_is:
            raise Conflict(
                f"annotations have changed since {model.name} {info.id} was trained; train it again, or release it "
                "with --as-is"
            )
        verdicts = now.verdicts
    return ReleasedModel(
        record.to_json(),
        record.head,
        frozenset(input_key(id) for id in ids),
        {input_key(id): pair for id, pair in verdicts.items()},
    )


def _check_previous(repository: Repository, backbone: str, sha256: str) -> int:
    """The next number. Raises Conflict when devices could have another backbone under this name."""
    try:
        before = Release.from_bytes(repository.read(MANIFEST))
    except NotFound:
        return 1
    if before.backbone == backbone and before.backbone_sha256 != sha256:
        raise Conflict(
            f"release {before.number} holds another backbone called {backbone}; export this one under a name of its own"
        )
    return before.number + 1


def _accuracy(model: Model) -> float | None:
    used = model.in_use
    if used is None:
        raise NotTrained(f"model {model.name!r} has no trained version; train it first")
    return None if used.evaluation is None else used.evaluation.accuracy


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()

"""Training in a process of its own, which goes on when the one that asked for it has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.engine.model import ModelVersion, check_unlabelled
from edge.errors import EdgeError, StoreUnavailable
from edge.types import VersionStatus

if TYPE_CHECKING:
    from edge.engine.engine import Engine
    from edge.engine.model import Model

_UNLABELLED = "--unlabelled"


def train(engine: Engine, model: Model, *, unlabelled: bool = False) -> ModelVersion:
    """Queue a training of a new version and hand it to a process that outlives this one; returns at once.

    The claim on unfinished versions is a lock on a file, and the new process inherits it: from before the version is
    queued until the training has ended somebody holds it, so nobody takes the version for abandoned. When the new
    process dies, the kernel frees the lock and the next one that opens the store fails the version.
    Raises as ``Model.train`` does, and StoreUnavailable when no process can be started.
    """
    check_unlabelled(model.info, unlabelled)
    card, models = engine.card, engine.store.models
    claim = models.claim()
    try:
        version = models.create_version(model.name, backbone=card.name, backbone_sha256=card.sha256)
        try:
            _spawn(engine, version.model, version.id, [_UNLABELLED] if unlabelled else [], claim)
        except OSError as error:
            reason = f"no process could be started for the training ({error}); free some memory and train again"
            models.update_version(version, VersionStatus.FAILED, reason=reason)
            raise StoreUnavailable(reason) from error
    finally:
        os.close(claim)
    return ModelVersion(engine, version)


def _spawn(engine: Engine, model: str, version: str, options: list[str], claim: int) -> None:
    environment = {**os.environ, "EDGE_BACKBONES": engine.config.backbones or ""}
    subprocess.Popen(  # nobody waits for it
        # -P: a file in the working folder must not shadow a module
        [
            sys.executable,
            "-P",
            "-m",
            "edge.engine.detached",
            str(engine.store.path.absolute()),
            model,
            version,
            *options,
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(claim,),
        start_new_session=True,
    )


def main(store: str, model: str, version: str, *options: str) -> None:
    """What the new process does. Nobody reads its output: a failure is the version's reason."""
    from edge.engine.engine import Engine

    with Engine.open(Path(store), create=False) as engine:
        info = engine.store.models.version(model, version)
        try:
            learner = engine.learner
        except EdgeError as error:
            engine.store.models.update_version(info, VersionStatus.FAILED, reason=str(error))
            raise
        learner.run(engine.model(model).info, info, unlabelled=_UNLABELLED in options)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Models and their versions: rows for what is said about them, one immutable file per trained head."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.errors import BadHead, Conflict, InvalidArgument, NotFound
from edge.store.database import Database, translated
from edge.store.files import hold_shared, locked, make_folder, write_durably
from edge.store.names import check_name
from edge.types import ConceptEvaluation, Confusion, Evaluation, ModelInfo, VersionInfo, VersionStatus

_ALLOWED = {
    VersionStatus.QUEUED: (VersionStatus.TRAINING, VersionStatus.FAILED),
    VersionStatus.TRAINING: (VersionStatus.TRAINED, VersionStatus.FAILED),
}
INTERRUPTED = "training was interrupted; run edge train again"
_VERSIONS = (
    "SELECT m.name, v.number, v.status, v.reason, v.backbone, v.backbone_sha256, v.counts, v.created_at, v.trained_at, "
    "v.evaluation FROM versions v JOIN models m ON m.number = v.model "
)


class Models:
    """The part of the store that holds models, versions and snapshots of their statistics."""

    def __init__(self, database: Database, folder: Path, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock

    def create(
        self, name: str, concepts: Sequence[str], *, mutually_exclusive: bool, closed_environment: bool
    ) -> ModelInfo:
        """A new model. Raises Conflict when the name is taken, InvalidArgument for no concepts."""
        check_name(name, "model")
        if not concepts:
            raise InvalidArgument("a model needs at least one concept; give --concept NAME")
        with self._database.write() as connection:
            try:
                connection.execute(
                    "INSERT INTO models (name, concepts, exclusive, closed, created_at) VALUES (?, ?, ?, ?, ?)",
                    (name, json.dumps(list(concepts)), mutually_exclusive, closed_environment, self._now()),
                )
            except sqlite3.IntegrityError as error:
                raise Conflict(f"model {name!r} exists; delete it first or choose another name") from error
        return self.get(name)

    def get(self, name: str) -> ModelInfo:
        """One model. Raises NotFound, listing the models there are."""
        found = next((model for model in self.all() if model.name == name), None)
        if found is None:
            names = ", ".join(model.name for model in self.all()) or "none yet; make one with edge model create"
            raise NotFound(f"no model {name!r}; there are: {names}")
        return found

    def all(self) -> list[ModelInfo]:
        """Models by name."""
        rows = self._database.connection.execute(
            "SELECT name, concepts, exclusive, closed, created_at, pinned FROM models ORDER BY name"
        )
        return [
            ModelInfo(name, name, tuple(json.loads(concepts)), bool(exclusive), bool(closed),
                      datetime.fromisoformat(at), pinned)
            for name, concepts, exclusive, closed, at, pinned in rows
        ]  # fmt: skip

    def delete(self, name: str) -> None:
        """Delete a model with its versions; inputs and annotations stay."""
        heads = [self._head_path(version) for version in self.versions(name)]
        with self._database.write() as connection:
            connection.execute("DELETE FROM models WHERE name = ?", (name,))
        with translated():
            for path in [*heads, self._snapshot_path(name)]:
                path.unlink(missing_ok=True)

    def pin(self, name: str, version: str | None) -> None:
        """Make predict use one version (None: the newest trained one)."""
        with self._database.write() as connection:
            connection.execute("UPDATE models SET pinned = ? WHERE name = ?", (version, name))

    # --- versions ------------------------------------------------------------------------------------------------

    def create_version(self, model: str, *, backbone: str, backbone_sha256: str) -> VersionInfo:
        """A queued version with the model's next number; its id is "v" and the number."""
        self.get(model)
        with self._database.write() as connection:
            key, number = connection.execute(
                "UPDATE models SET trainings = trainings + 1 WHERE name = ? RETURNING number, trainings", (model,)
            ).fetchone()
            connection.execute(
                "INSERT INTO versions (model, number, status, backbone, backbone_sha256, counts, created_at) "
                "VALUES (?, ?, ?, ?, ?, '{}', ?)",
                (key, number, VersionStatus.QUEUED.value, backbone, backbone_sha256, self._now()),
            )
        return self.version(model, f"v{number}")

    def update_version(
        self,
        version: VersionInfo,
        status: VersionStatus,
        *,
        reason: str | None = None,
        counts: Mapping[str, tuple[int, int]] | None = None,
        evaluation: Evaluation | None = None,
        head: bytes | None = None,
    ) -> VersionInfo:
        """Take a version one step further; its head is durable on disk before the row says so. Raises Conflict."""
        digest = None
        if head is not None:
            digest = hashlib.sha256(head).hexdigest()
            with translated():
                write_durably(self._head_path(version), head)
        with self._database.write() as connection:
            key = (version.model, version.number)
            row = connection.execute(_VERSIONS + "WHERE m.name = ? AND v.number = ?", key).fetchone()
            if row is None or status not in _ALLOWED.get(VersionStatus(row[2]), ()):
                raise Conflict(f"version {version.id} of {version.model!r} is finished or gone; train again")
            connection.execute(
                "UPDATE versions SET status = ?, reason = ?, counts = coalesce(?, counts), evaluation = ?, head = ?, "
                "trained_at = ? WHERE model = (SELECT number FROM models WHERE name = ?) AND number = ?",
                (
                    status.value,
                    reason,
                    None if counts is None else json.dumps({k: list(v) for k, v in counts.items()}),
                    None if evaluation is None else json.dumps(asdict(evaluation)),
                    digest,
                    self._now() if status is VersionStatus.TRAINED else None,
                    *key,
                ),
            )
            if status is VersionStatus.TRAINED:
                connection.execute("UPDATE models SET pinned = NULL WHERE name = ?", (version.model,))
        return self.version(version.model, version.id)

    def version(self, model: str, id: str) -> VersionInfo:
        """One version by id ("v3" or "3"). Raises NotFound."""
        found = next((one for one in self.versions(model) if one.id == id or str(one.number) == id), None)
        if found is None:
            raise NotFound(f"model {model!r} has no version {id!r}; `edge versions {model}` lists them")
        return found

    def versions(self, model: str) -> list[VersionInfo]:
        """Newest first."""
        self.get(model)
        rows = self._database.connection.execute(_VERSIONS + "WHERE m.name = ? ORDER BY v.number DESC", (model,))
        return [_version(row) for row in rows]

    def head(self, version: VersionInfo) -> bytes:
        """A trained version's head. Raises BadHead when its file is gone or not what was written."""
        row = self._database.connection.execute(
            "SELECT head FROM versions WHERE model = (SELECT number FROM models WHERE name = ?) AND number = ?",
            (version.model, version.number),
        ).fetchone()
        try:
            data = self._head_path(version).read_bytes()
        except FileNotFoundError as error:
            raise BadHead(f"the head of {version.model} {version.id} is missing; train the model again") from error
        if row is None or hashlib.sha256(data).hexdigest() != row[0]:
            raise BadHead(f"the head of {version.model} {version.id} is damaged; train the model again")
        return data

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Held from before a version is queued until it is finished: while anybody does, no version is given up."""
        with translated(), locked(self._lock_path("claims"), wait=True, shared=True):
            yield

    def claim(self) -> int:
        """``claimed`` as a file descriptor to hand to another process: held until every copy of it is closed."""
        with translated():
            return hold_shared(self._lock_path("claims"))

    @contextmanager
    def training(self) -> Iterator[None]:
        """Held while a version trains: one at a time in a store, whatever process it is in."""
        with translated(), locked(self._lock_path("training"), wait=True):
            yield

    def recover(self) -> int:
        """Fail versions whose training process died; returns how many."""
        if not self._unfinished():
            return 0
        with translated(), locked(self._lock_path("claims"), wait=False) as free:
            dead = self._unfinished() if free else []
            for version in dead:
                self.update_version(version, VersionStatus.FAILED, reason=INTERRUPTED)
            return len(dead)

    def _lock_path(self, name: str) -> Path:
        make_folder(self._folder / "versions")
        return self._folder / "versions" / f"{name}.lock"

    def _unfinished(self) -> list[VersionInfo]:
        rows = self._database.connection.execute(
            _VERSIONS + "WHERE v.status IN (?, ?)", (VersionStatus.QUEUED.value, VersionStatus.TRAINING.value)
        )
        return [_version(row) for row in rows]

    def _head_path(self, version: VersionInfo) -> Path:
        digest = hashlib.sha256(version.model.encode()).hexdigest()[:16]
        return self._folder / "versions" / f"{digest}-{version.number}.head"

    # --- snapshots -----------------------------------------------------------------------------------------------

    def save_snapshot(self, model: str, data: bytes) -> None:
        """Keep a model's statistics; a cache, so the newest writer wins."""
        with translated():
            write_durably(self._snapshot_path(model), data)

    def load_snapshot(self, model: str) -> bytes | None:
        """The last snapshot, or None."""
        try:
            return self._snapshot_path(model).read_bytes()
        except OSError:
            return None

    def drop_snapshot(self, model: str) -> None:
        """Forget a snapshot; the next training computes the statistics again."""
        with translated():
            self._snapshot_path(model).unlink(missing_ok=True)

    def _snapshot_path(self, model: str) -> Path:
        return self._folder / "versions" / f"{hashlib.sha256(model.encode()).hexdigest()[:16]}.statistics"

    def _now(self) -> str:
        return self._clock().isoformat()


def _version(row: tuple[Any, ...]) -> VersionInfo:
    return VersionInfo(
        id=f"v{row[1]}",
        model=row[0],
        number=row[1],
        status=VersionStatus(row[2]),
        reason=row[3],
        backbone=row[4],
        backbone_sha256=row[5],
        counts={concept: (pair[0], pair[1]) for concept, pair in json.loads(row[6]).items()},
        created_at=datetime.fromisoformat(row[7]),
        trained_at=None if row[8] is None else datetime.fromisoformat(row[8]),
        evaluation=None if row[9] is None else evaluation_from(json.loads(row[9])),
    )


def evaluation_from(table: Mapping[str, Any]) -> Evaluation:
    """The record in a row's JSON."""
    confusion = table.get("confusion")
    interval = table.get("accuracy_interval")
    return Evaluation(
        **{
            **table,
            "accuracy_interval": None if interval is None else (interval[0], interval[1]),
            "concepts": tuple(ConceptEvaluation(**one) for one in table["concepts"]),
            "confusion": None
            if confusion is None
            else Confusion(tuple(confusion["labels"]), tuple(tuple(row) for row in confusion["rows"])),
            "notes": tuple(table["notes"]),
        }
    )

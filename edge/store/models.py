"""Models and their versions: rows for what is said about them, one immutable file per trained head."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC
from pathlib import Path

from edge.errors import BadHead, Conflict, InvalidArgument, NotFound
from edge.store.concepts import FIND, ensure, stamp
from edge.store.failures import translated
from edge.store.files import locked, write_durably
from edge.store.names import check_count, check_most, check_name, check_names
from edge.store.records import MODELS, VERSIONS, NewVersion, model_of, version_of
from edge.store.snapshots import Snapshots
from edge.store.stamps import keep, next_stamp
from edge.types import Evaluation, ModelInfo, VersionInfo, VersionStatus

_ALLOWED = {
    VersionStatus.QUEUED: (VersionStatus.TRAINING, VersionStatus.FAILED),
    VersionStatus.TRAINING: (VersionStatus.TRAINED, VersionStatus.FAILED),
}
_NOTHING = "no concept is named; give at least one"
INTERRUPTED = "training was interrupted; run edge train again"


class Models(Snapshots):
    """The part of the store that holds models, versions and snapshots of their statistics."""

    def create(
        self,
        name: str,
        concepts: Sequence[str],
        *,
        mutually_exclusive: bool,
        closed_environment: bool,
        may_be_empty: bool = False,
    ) -> ModelInfo:
        """A new model, and those of its concepts that are new. Raises Conflict (the name is taken), InvalidArgument.

        ``may_be_empty``: its concepts may come later, with ``replace_concepts``.
        """
        check_name(name, "model")
        wanted = check_names(concepts, "concept")
        now = stamp(self._clock)
        with self._database.write() as connection:
            ids = ensure(connection, wanted, now)
            if ids or not may_be_empty:
                check_count(ids, mutually_exclusive)
            check_most(ids)
            try:
                connection.execute(
                    "INSERT INTO models (name, concepts, exclusive, closed, created_at) VALUES (?, ?, ?, ?, ?)",
                    (name, json.dumps(ids), mutually_exclusive, closed_environment, now),
                )
                self._defined(connection, name)
            except sqlite3.IntegrityError as error:
                raise Conflict(f"model {name!r} exists; delete it first or choose another name") from error
            return self.get(name)

    def get(self, name: str) -> ModelInfo:
        """One model. Raises NotFound, listing the models there are."""
        row = self._database.row(MODELS + "WHERE name = ?", (name,))
        if row is None:
            names = ", ".join(model.name for model in self.all()) or "none yet; make one with edge model create"
            raise NotFound(f"no model {name!r}; there are: {names}")
        return model_of(row)

    def all(self) -> list[ModelInfo]:
        """Models by name."""
        return [model_of(row) for row in self._database.rows(MODELS + "ORDER BY name")]

    def add_concepts(self, name: str, concepts: Iterable[str]) -> ModelInfo:
        """Append concepts to a model's; its versions keep their own. All or nothing.

        Raises NotFound, InvalidArgument, Conflict (the model has one of them already).
        """
        wanted = check_names(concepts, "concept")
        with self._database.write() as connection:
            had = self.get(name).concepts
            ids = ensure(connection, wanted, stamp(self._clock))
            again = [one for one in ids if one in had]
            if not ids:
                raise InvalidArgument(_NOTHING)
            if again:
                raise Conflict(f"model {name!r} has {again[0]!r} already; leave that one out")
            return self._set_concepts(connection, name, (*had, *ids))

    def remove_concepts(self, name: str, concepts: Iterable[str]) -> ModelInfo:
        """Take concepts out of a model; annotations stay, and versions keep their own. All or nothing.

        Raises NotFound (no such model, or it has no such concept), InvalidArgument (too few would be left).
        """
        wanted = check_names(concepts, "concept")
        with self._database.write() as connection:
            model = self.get(name)
            ids = {self._concept_of(connection, model, one) for one in wanted}
            if not ids:
                raise InvalidArgument(_NOTHING)
            left = tuple(one for one in model.concepts if one not in ids)
            check_count(left, model.mutually_exclusive)
            return self._set_concepts(connection, name, left)

    def replace_concepts(self, name: str, concepts: Iterable[str]) -> ModelInfo:
        """Give a model these concepts instead of its own; versions keep theirs. Raises NotFound, InvalidArgument."""
        wanted = check_names(concepts, "concept")
        with self._database.write() as connection:
            model = self.get(name)
            ids = ensure(connection, wanted, stamp(self._clock))
            check_count(ids, model.mutually_exclusive)
            return model if ids == model.concepts else self._set_concepts(connection, name, ids)

    def set_output(
        self, name: str, *, mutually_exclusive: bool | None = None, closed_environment: bool | None = None
    ) -> ModelInfo:
        """Change a model's output settings (None: as it is) from the next training on; versions keep their own.

        Raises NotFound, InvalidArgument (too few concepts to exclude each other).
        """
        with self._database.write() as connection:
            model = self.get(name)
            exclusive = model.mutually_exclusive if mutually_exclusive is None else mutually_exclusive
            closed = model.closed_environment if closed_environment is None else closed_environment
            if (exclusive, closed) == (model.mutually_exclusive, model.closed_environment):
                return model
            if model.concepts:
                check_count(model.concepts, exclusive)
            # without its snapshot, so that nobody goes on with statistics of the other kind
            connection.execute(
                "UPDATE models SET exclusive = ?, closed = ?, snapshot = NULL WHERE name = ?", (exclusive, closed, name)
            )
            self._defined(connection, name)
            return self.get(name)

    def _set_concepts(self, connection: sqlite3.Connection, name: str, ids: Sequence[str]) -> ModelInfo:
        check_most(ids)
        connection.execute("UPDATE models SET concepts = ? WHERE name = ?", (json.dumps(ids), name))
        self._defined(connection, name)
        return self.get(name)

    def _defined(self, connection: sqlite3.Connection, name: str, *, gone: bool = False) -> None:
        """A model was made, changed or deleted here."""
        known = "SELECT stamp FROM models WHERE name = ?1 UNION SELECT stamp FROM models_gone WHERE name = ?1"
        before = max((row[0] for row in connection.execute(known, (name,))), default=0)
        given = next_stamp(connection, self._clock(), before)
        connection.execute("UPDATE models SET stamp = ?, device = 0 WHERE name = ?", (given, name))
        connection.execute("DELETE FROM models_gone WHERE name = ?", (name,))
        if gone:
            connection.execute("INSERT INTO models_gone VALUES (?, ?, 0)", (name, given))
        keep(connection, self._clock())

    @staticmethod
    def _concept_of(connection: sqlite3.Connection, model: ModelInfo, concept: str) -> str:
        row = connection.execute(FIND, (concept,)).fetchone()
        if row is None or row[1] not in model.concepts:
            names = dict(connection.execute("SELECT id, name FROM concepts"))
            has = ", ".join(names.get(one, one) for one in model.concepts)
            raise NotFound(f"model {model.name!r} has no concept {concept!r}; it has: {has}")
        return str(row[1])

    def delete(self, name: str) -> None:
        """Delete a model with its versions; inputs and annotations stay."""
        with translated(), self.changing_heads():
            before = self.heads()
            with self._database.write() as connection:
                self.get(name)
                self._defined(connection, name, gone=True)
                connection.execute("DELETE FROM models WHERE name = ?", (name,))
            for digest in before - self.heads():
                self._head_path(digest).unlink(missing_ok=True)
            self._snapshot_path(name).unlink(missing_ok=True)

    def pin(self, name: str, version: str | None) -> None:
        """Make predict use one version (None: the newest trained one)."""
        with self._database.write() as connection:
            connection.execute("UPDATE models SET pinned = ? WHERE name = ?", (version, name))

    # --- versions ------------------------------------------------------------------------------------------------

    def create_version(self, model: str, *, backbone: str, backbone_sha256: str) -> VersionInfo:
        """A queued version with the model's next number; its id is "v" and the number."""
        with self._database.write() as connection:
            self.get(model)
            key, number = connection.execute(
                "UPDATE models SET trainings = trainings + 1 WHERE name = ? RETURNING number, trainings", (model,)
            ).fetchone()
            connection.execute(
                "INSERT INTO versions (model, number, status, backbone, backbone_sha256, counts, created_at) "
                "VALUES (?, ?, ?, ?, ?, '{}', ?)",
                (key, number, VersionStatus.QUEUED.value, backbone, backbone_sha256, stamp(self._clock)),
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
        facts = (
            None if counts is None else json.dumps({k: list(v) for k, v in counts.items()}),
            None if evaluation is None else json.dumps(asdict(evaluation)),
        )
        if head is None:
            return self._update(version, status, reason, *facts, None)
        with self.new_heads([head]):
            return self._update(version, status, reason, *facts, hashlib.sha256(head).hexdigest())

    def _update(
        self,
        version: VersionInfo,
        status: VersionStatus,
        reason: str | None,
        counts: str | None,
        evaluation: str | None,
        head: str | None,
    ) -> VersionInfo:
        trained = stamp(self._clock) if status is VersionStatus.TRAINED else None
        with self._database.write() as connection:
            key = self._step(version, status)
            connection.execute(
                "UPDATE versions SET status = ?, reason = ?, counts = coalesce(?, counts), evaluation = ?, head = ?, "
                "trained_at = ? WHERE model = ? AND number = ?",
                (status.value, reason, counts, evaluation, head, trained, key, version.number),
            )
            if trained is not None:
                connection.execute("UPDATE models SET pinned = NULL WHERE number = ?", (key,))
            return self.version(version.model, version.id)

    def _step(self, version: VersionInfo, status: VersionStatus) -> int:
        """The model's number, if the version may go to ``status``.

        Its time says that it is the same version: a model may have been deleted and made again under its name.
        """
        row = self._database.row(
            "SELECT v.model, v.status FROM versions v JOIN models m ON m.number = v.model "
            "WHERE m.name = ? AND v.number = ? AND v.created_at = ?",
            (version.model, version.number, version.created_at.isoformat(timespec="microseconds")),
        )
        if row is None or status not in _ALLOWED.get(VersionStatus(row[1]), ()):
            raise Conflict(f"version {version.id} of {version.model!r} is finished or gone; train again")
        return int(row[0])

    def install_version(self, new: NewVersion) -> ModelInfo:
        """A version trained elsewhere, as the model's newest; the model is made if it is not there. All or nothing.

        Raises Conflict when the model has other concepts or another kind of output.
        """
        with self.new_heads([new.head]), self._database.write() as connection:
            return self.install_row(connection, new)

    def install_row(self, connection: sqlite3.Connection, new: NewVersion, *, widen: bool = False) -> ModelInfo:
        """``install_version`` inside somebody's transaction and ``new_heads``.

        ``widen``: a model that has only some of the concepts gets the others.
        """
        model, now = check_name(new.model, "model"), stamp(self._clock)
        ids = ensure(connection, check_names(new.concepts, "concept"), now)
        check_most(ids)
        connection.execute(
            "INSERT OR IGNORE INTO models (name, concepts, exclusive, closed, created_at) VALUES (?, ?, ?, ?, ?)",
            (model, json.dumps(ids), new.mutually_exclusive, new.closed_environment, now),
        )
        known = self.get(model)
        if connection.execute("SELECT stamp FROM models WHERE name = ?", (model,)).fetchone()[0] == 0:
            self._defined(connection, model)  # it was made just now
        if widen and set(known.concepts) < set(ids):
            known = self._set_concepts(connection, model, ids)
        if set(known.concepts) != set(ids) or known.mutually_exclusive != new.mutually_exclusive:
            raise Conflict(f"model {model!r} has other concepts; install it under another name with --name")
        connection.execute("UPDATE models SET trainings = trainings + 1, pinned = NULL WHERE name = ?", (model,))
        connection.execute(
            "INSERT INTO versions (model, number, status, backbone, backbone_sha256, counts, created_at, "
            "trained_at, evaluation, head) SELECT number, trainings, ?, ?, ?, ?, ?, ?, ?, ? FROM models "
            "WHERE name = ?",
            (
                VersionStatus.TRAINED.value,
                new.backbone,
                new.backbone_sha256,
                json.dumps({k: list(v) for k, v in new.counts.items()}),
                now,
                new.trained_at.astimezone(UTC).isoformat(timespec="microseconds"),
                None if new.evaluation is None else json.dumps(asdict(new.evaluation)),
                hashlib.sha256(new.head).hexdigest(),
                model,
            ),
        )
        return self.get(model)

    @contextmanager
    def new_heads(self, heads: Iterable[bytes]) -> Iterator[None]:
        """Heads' files, durable before their rows are written in the block; gone again when the block raises."""
        files = {hashlib.sha256(head).hexdigest(): head for head in heads}
        with translated(), self.changing_heads():
            try:
                for digest, head in files.items():
                    write_durably(self._head_path(digest), head)
                yield
            except BaseException:
                with suppress(Exception):
                    for digest in files.keys() - self.heads():
                        self._head_path(digest).unlink(missing_ok=True)
                raise

    def version(self, model: str, id: str) -> VersionInfo:
        """One version by id ("v3" or "3"). Raises NotFound."""
        number = id.removeprefix("v")
        row = None
        if number.isascii() and number.isdigit() and len(number) < 19 and number == str(int(number)):
            row = self._database.row(VERSIONS + "WHERE m.name = ? AND v.number = ?", (model, int(number)))
        if row is None:
            self.get(model)
            raise NotFound(f"model {model!r} has no version {id!r}; `edge versions {model}` lists them")
        return version_of(row)

    def versions(self, model: str) -> list[VersionInfo]:
        """Newest first."""
        with self._database.read():
            self.get(model)
            rows = self._database.rows(VERSIONS + "WHERE m.name = ? ORDER BY v.number DESC", (model,))
        return [version_of(row) for row in rows]

    def delete_version(self, model: str, id: str) -> None:
        """Delete one version; what was pinned to it uses the newest again. Raises NotFound, Conflict (it trains)."""
        with translated(), self.changing_heads():
            before = self.heads()
            with self._database.write() as connection:
                version = self.version(model, id)
                if not version.status.finished:
                    raise Conflict(f"version {id} of {model!r} is being trained; wait for it to finish")
                connection.execute(
                    "DELETE FROM versions WHERE number = ? AND model = (SELECT number FROM models WHERE name = ?)",
                    (version.number, model),
                )
                connection.execute("UPDATE models SET pinned = NULL WHERE name = ? AND pinned = ?", (model, version.id))
            for digest in before - self.heads():
                self._head_path(digest).unlink(missing_ok=True)

    def head(self, version: VersionInfo) -> bytes:
        """A trained version's head. Raises BadHead when its file is gone or not what was written."""
        row = self._database.row(
            "SELECT v.head FROM versions v JOIN models m ON m.number = v.model WHERE m.name = ? AND v.number = ?",
            (version.model, version.number),
        )
        digest = "" if row is None or row[0] is None else str(row[0])
        try:
            data = self._head_path(digest).read_bytes()
        except (OSError, ValueError) as error:
            raise BadHead(f"the head of {version.model} {version.id} is missing; train the model again") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise BadHead(f"the head of {version.model} {version.id} is damaged; train the model again")
        return data

    def heads(self) -> set[str]:
        """sha256 of every head a version has."""
        return {row[0] for row in self._database.rows("SELECT head FROM versions WHERE head IS NOT NULL")}

    def unreferenced(self) -> list[Path]:
        """Heads and snapshots that belong to no version and no model: a crash came between the file and its row."""
        heads, models = self.heads(), {self._snapshot_path(model.name).name for model in self.all()}
        files = list(self._folder.iterdir()) if self._folder.is_dir() else []
        return [
            file
            for file in files
            if (file.suffix == ".head" and file.stem not in heads)
            or (file.suffix == ".statistics" and file.name not in models)
        ]

    def recover(self) -> int:
        """Fail versions whose training process died; returns how many. Cheap: call it while waiting for one."""
        if self._database.read_only or not self.unfinished():
            return 0
        with translated(), locked(self._lock_path("claims"), wait=False) as free:
            dead = self.unfinished() if free else []
            for version in dead:
                self.update_version(version, VersionStatus.FAILED, reason=INTERRUPTED)
            return len(dead)

    def unfinished(self) -> list[VersionInfo]:
        """Versions that are queued or being trained, of all models."""
        rows = self._database.rows(
            VERSIONS + "WHERE v.status IN (?, ?)", (VersionStatus.QUEUED.value, VersionStatus.TRAINING.value)
        )
        return [version_of(row) for row in rows]

    def _head_path(self, digest: str) -> Path:
        return self._folder / f"{digest}.head"

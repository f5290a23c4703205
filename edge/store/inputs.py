"""Inputs, concepts, annotations and the change log."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import BackboneChanged, InvalidArgument, NotFound, StoreCorrupt
from edge.store.database import Database, translated
from edge.store.files import make_folder, stage, sync_folders
from edge.store.names import check_name, check_names
from edge.types import UNKNOWN, Annotation, Concept, Input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/bmp": "bmp", "image/tiff": "tif"}
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class NewInput:
    """An image to be stored, already decoded once: ``embedding`` is d int8 bytes under ``backbone_sha256``."""

    data: bytes
    media_type: str
    width: int
    height: int
    source: str
    embedding: bytes
    backbone_sha256: str
    annotations: Mapping[str, int] = field(default_factory=dict)
    id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelChange:
    """Net effect of the log on one input: labels (1, 0, -1) per asked concept, before and after."""

    input: int
    before: tuple[int, ...]
    after: tuple[int, ...]


class Inputs:
    """The part of the store that holds images and what is said about them."""

    def __init__(self, database: Database, folder: Path, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock

    # --- adding and removing -------------------------------------------------------------------------------------

    def add(self, new: Sequence[NewInput], *, by: str) -> list[tuple[Input, bool]]:
        """Store images: their bytes durably, then all rows in one transaction. (Input, created) each.

        The same bytes again are the same input: annotations merge, a removed input comes back.
        """
        digests = [hashlib.sha256(one.data).hexdigest() for one in new]
        with translated():
            paths = [self._stage(digest, one) for digest, one in zip(digests, new, strict=True)]
            sync_folders(path.parent for path in paths)
        with self._database.write() as connection:
            rows = [self._add_row(connection, one, digest, by) for one, digest in zip(new, digests, strict=True)]
        return [(self.get(id), created) for id, created in rows]

    def _stage(self, digest: str, one: NewInput) -> Path:
        path = self.blob_path(digest, one.media_type)
        if not path.exists() or path.stat().st_size != len(one.data):
            make_folder(path.parent)
            stage(path, one.data)
        return path

    def _add_row(self, connection: sqlite3.Connection, one: NewInput, digest: str, by: str) -> tuple[str, bool]:
        id = check_name(one.id or digest[:32], "input")
        row = connection.execute("SELECT number, sha256, removed_at FROM inputs WHERE id = ?", (id,)).fetchone()
        if row is not None and row[1] != digest:
            raise InvalidArgument(f"input {id!r} exists with other bytes; choose another id")
        if row is None:
            values = (id, digest, one.media_type, len(one.data), one.width, one.height, one.source, self._now())
            number = connection.execute(
                "INSERT INTO inputs (id, sha256, media_type, size, width, height, source, added_at, metadata) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, json.dumps(dict(one.metadata))),
            ).lastrowid
        else:
            number = row[0]
            if row[2] is not None:
                self._set_removed(connection, number, None, by)
        assert number is not None
        connection.execute(
            "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", (number, one.backbone_sha256, one.embedding)
        )
        self._annotate_row(connection, number, one.annotations, by)
        return id, row is None or row[2] is not None

    def remove(self, ids: Iterable[str], *, by: str) -> int:
        """Hide inputs at once; their bytes go after 30 days. Returns how many were visible."""
        return self._remove(ids, self._now(), by)

    def restore(self, ids: Iterable[str], *, by: str) -> int:
        """Bring removed inputs back with their annotations. Returns how many were removed."""
        return self._remove(ids, None, by)

    def _remove(self, ids: Iterable[str], when: str | None, by: str) -> int:
        done = 0
        with self._database.write() as connection:
            for id in ids:
                number, removed = self._resolve(connection, id, removed=when is None)
                if (removed is None) == (when is not None):
                    self._set_removed(connection, number, when, by)
                    done += 1
        return done

    def _set_removed(self, connection: sqlite3.Connection, number: int, when: str | None, by: str) -> None:
        connection.execute("UPDATE inputs SET removed_at = ? WHERE number = ?", (when, number))
        rows = connection.execute("SELECT concept, value FROM annotations WHERE input = ?", (number,)).fetchall()
        for concept, value in rows:
            before, after = (UNKNOWN, value) if when is None else (value, UNKNOWN)
            self._log(connection, number, concept, before, after, by)

    # --- annotations ---------------------------------------------------------------------------------------------

    def annotate(self, id: str, values: Mapping[str, int | None], *, by: str) -> Input:
        """Set (1, 0) or clear (None) annotations of one input, all together."""
        with self._database.write() as connection:
            number, _ = self._resolve(connection, id)
            self._annotate_row(connection, number, values, by)
            full = connection.execute("SELECT id FROM inputs WHERE number = ?", (number,)).fetchone()[0]
        return self.get(full)

    def _annotate_row(
        self, connection: sqlite3.Connection, number: int, values: Mapping[str, int | None], by: str
    ) -> None:
        for name, value in values.items():
            if value not in (0, 1, None):
                raise InvalidArgument(f"an annotation is 1 (shown), 0 (not shown) or cleared, not {value!r}")
            concept = self._concept(connection, name)
            row = connection.execute(
                "SELECT value FROM annotations WHERE input = ? AND concept = ?", (number, concept)
            ).fetchone()
            before, after = (UNKNOWN if row is None else row[0]), (UNKNOWN if value is None else value)
            if before == after:
                continue
            if value is None:
                connection.execute("DELETE FROM annotations WHERE input = ? AND concept = ?", (number, concept))
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO annotations VALUES (?, ?, ?, ?, ?)",
                    (number, concept, value, by, self._now()),
                )
            self._log(connection, number, concept, before, after, by)

    def _concept(self, connection: sqlite3.Connection, name: str) -> int:
        row = connection.execute("SELECT number FROM concepts WHERE id = ?", (name,)).fetchone()
        if row is None:
            check_name(name, "concept")
            row = connection.execute(
                "INSERT INTO concepts (id, created_at) VALUES (?, ?) RETURNING number", (name, self._now())
            ).fetchone()
        return int(row[0])

    def _log(self, connection: sqlite3.Connection, number: int, concept: int, before: int, after: int, by: str) -> None:
        connection.execute(
            "INSERT INTO changes (input, concept, before, after, by, at) VALUES (?, ?, ?, ?, ?, ?)",
            (number, concept, before, after, by, self._now()),
        )

    # --- reading -------------------------------------------------------------------------------------------------

    def get(self, id: str) -> Input:
        """One input by id or by a unique beginning of at least 6 characters. Raises NotFound, InvalidArgument."""
        number, _ = self._resolve(self._database.connection, id)
        return self._records("WHERE number = ?", (number,))[0]

    def page(
        self, *, unlabelled: bool = False, concept: str | None = None, limit: int = -1, offset: int = 0
    ) -> list[Input]:
        """Inputs in the order they came; only those without annotations, or with one of ``concept``."""
        where = "WHERE removed_at IS NULL"
        values: tuple[Any, ...] = ()
        if unlabelled:
            where += " AND NOT EXISTS (SELECT 1 FROM annotations WHERE input = inputs.number)"
        if concept is not None:
            where += (
                " AND EXISTS (SELECT 1 FROM annotations WHERE input = inputs.number AND concept = "
                "(SELECT number FROM concepts WHERE id = ?))"
            )
            values = (concept,)
        return self._records(f"{where} ORDER BY number LIMIT ? OFFSET ?", (*values, limit, offset))

    def count(self) -> int:
        """Visible inputs."""
        row = self._database.connection.execute("SELECT count(*) FROM inputs WHERE removed_at IS NULL").fetchone()
        return int(row[0])

    def _records(self, where: str, values: tuple[Any, ...]) -> list[Input]:
        connection = self._database.connection
        rows = connection.execute(f"SELECT * FROM inputs {where}", values).fetchall()
        return [_input(row, self._annotations(connection, row[0], row[1])) for row in rows]

    def _annotations(self, connection: sqlite3.Connection, number: int, id: str) -> tuple[Annotation, ...]:
        rows = connection.execute(
            "SELECT c.id, a.value, a.by, a.at FROM annotations a JOIN concepts c ON c.number = a.concept "
            "WHERE a.input = ? ORDER BY c.id",
            (number,),
        )
        return tuple(Annotation(id, concept, value, by, datetime.fromisoformat(at)) for concept, value, by, at in rows)

    def _resolve(self, connection: sqlite3.Connection, id: str, removed: bool = False) -> tuple[int, str | None]:
        visible = "" if removed else "AND removed_at IS NULL"
        row = connection.execute(f"SELECT number, removed_at FROM inputs WHERE id = ? {visible}", (id,)).fetchone()
        if row is None and len(id) >= 6:
            rows = connection.execute(
                f"SELECT number, removed_at FROM inputs WHERE substr(id, 1, ?) = ? {visible} LIMIT 2", (len(id), id)
            ).fetchall()
            if len(rows) > 1:
                raise InvalidArgument(f"several inputs begin with {id!r}; give more characters")
            row = rows[0] if rows else None
        if row is None:
            raise NotFound(f"no input {id!r}; `edge inputs` lists them")
        return int(row[0]), row[1]

    def blob_path(self, sha256: str, media_type: str) -> Path:
        """Where an image's bytes are."""
        return self._folder / "blobs" / sha256[:2] / f"{sha256}.{_EXTENSIONS.get(media_type, 'gif')}"

    def read(self, one: Input) -> bytes:
        """An image's original bytes. Raises StoreCorrupt when they are gone or not what they were."""
        try:
            data = self.blob_path(one.sha256, one.media_type).read_bytes()
        except FileNotFoundError as error:
            raise StoreCorrupt(f"the picture of input {one.id} is missing; run edge doctor") from error
        if hashlib.sha256(data).hexdigest() != one.sha256:
            raise StoreCorrupt(f"the picture of input {one.id} is damaged; run edge doctor")
        return data

    def concepts(self) -> tuple[Concept, ...]:
        """All concepts, by id."""
        rows = self._database.connection.execute("SELECT id, created_at FROM concepts ORDER BY id")
        return tuple(Concept(id, id, datetime.fromisoformat(at)) for id, at in rows)

    def ensure_concepts(self, names: Iterable[str]) -> tuple[str, ...]:
        """Create the concepts that are not there yet."""
        checked = check_names(names, "concept")
        known = {concept.id for concept in self.concepts()}
        if not known.issuperset(checked):
            with self._database.write() as connection:
                for name in checked:
                    self._concept(connection, name)
        return checked

    def concept_counts(self) -> dict[str, tuple[int, int]]:
        """Concept id -> visible inputs that (show, do not show) it."""
        rows = self._database.connection.execute(
            "SELECT c.id, coalesce(sum(a.value), 0), count(a.value) - coalesce(sum(a.value), 0) FROM concepts c "
            "LEFT JOIN (SELECT concept, value FROM annotations JOIN inputs ON number = input "
            "WHERE removed_at IS NULL) a ON a.concept = c.number GROUP BY c.id ORDER BY c.id"
        )
        return {id: (int(shown), int(not_shown)) for id, shown, not_shown in rows}

    # --- what training reads -------------------------------------------------------------------------------------

    def labels(self, concepts: Sequence[str]) -> tuple[list[int], list[str], NDArray[np.int8]]:
        """Input numbers, ids and (n, K) int8 labels of all visible inputs with a known value for any concept."""
        import numpy as np

        columns = self._columns(concepts)
        marks = ",".join("?" * len(columns))
        rows = self._database.connection.execute(
            f"SELECT a.input, i.id, a.concept, a.value FROM annotations a JOIN inputs i ON i.number = a.input "
            f"WHERE i.removed_at IS NULL AND a.concept IN ({marks}) ORDER BY a.input",
            tuple(columns),
        ).fetchall()
        ids = {row[0]: row[1] for row in rows}
        position = {number: index for index, number in enumerate(ids)}
        labels = np.full((len(ids), len(concepts)), UNKNOWN, dtype=np.int8)
        for number, _, concept, value in rows:
            labels[position[number], columns[concept]] = value
        return list(ids), list(ids.values()), labels

    def _columns(self, concepts: Sequence[str]) -> dict[int, int]:
        known = dict(self._database.connection.execute("SELECT id, number FROM concepts").fetchall())
        return {known[concept]: column for column, concept in enumerate(concepts) if concept in known}

    def embeddings(self, numbers: Sequence[int], *, backbone_sha256: str, size: int) -> NDArray[np.int8]:
        """(n, size) int8 rows in the order of ``numbers``. Raises BackboneChanged when one was not computed."""
        import numpy as np

        out = np.empty((len(numbers), size), dtype=np.int8)
        position = {number: index for index, number in enumerate(numbers)}
        found = 0
        for start in range(0, len(numbers), _CHUNK):
            part = tuple(numbers[start : start + _CHUNK])
            rows = self._database.connection.execute(
                f"SELECT input, data FROM embeddings WHERE backbone = ? AND input IN ({','.join('?' * len(part))})",
                (backbone_sha256, *part),
            )
            for number, data in rows:
                if len(data) != size:
                    raise StoreCorrupt("an embedding has the wrong size; run edge doctor --repair")
                out[position[number]] = np.frombuffer(data, dtype=np.int8)
                found += 1
        if found != len(position):
            raise BackboneChanged("some pictures have no embedding under this backbone; run edge backbone use NAME")
        return out

    def last_change(self) -> int:
        """Number of the newest change."""
        row = self._database.connection.execute("SELECT coalesce(max(number), 0) FROM changes").fetchone()
        return int(row[0])

    def label_changes(self, since: int, until: int, concepts: Sequence[str]) -> list[LabelChange]:
        """Net label changes of inputs in (since, until]; the cost is that of the changes, not of the store."""
        columns = self._columns(concepts)
        rows = self._database.connection.execute(
            "SELECT input, concept, before, after FROM changes WHERE number > ? AND number <= ? ORDER BY number",
            (since, until),
        ).fetchall()
        touched: dict[int, dict[int, tuple[int, int]]] = {}
        for number, concept, before, after in rows:
            if concept in columns:
                one = touched.setdefault(number, {})
                one[concept] = (one[concept][0] if concept in one else before, after)
        return [self._net(number, one, columns, until) for number, one in touched.items()]

    def _net(
        self, number: int, moved: Mapping[int, tuple[int, int]], columns: Mapping[int, int], until: int
    ) -> LabelChange:
        """Labels as of ``until``: concepts the window did not touch have the value of their last change before it."""
        before, after = [UNKNOWN] * len(columns), [UNKNOWN] * len(columns)
        for concept, column in columns.items():
            if concept in moved:
                before[column], after[column] = moved[concept]
                continue
            row = self._database.connection.execute(
                "SELECT after FROM changes WHERE input = ? AND concept = ? AND number <= ? "
                "ORDER BY number DESC LIMIT 1",
                (number, concept, until),
            ).fetchone()
            before[column] = after[column] = UNKNOWN if row is None else row[0]
        return LabelChange(number, tuple(before), tuple(after))

    def missing_embeddings(self, backbone_sha256: str, size: int) -> list[Input]:
        """Inputs, removed ones too, without an embedding of ``size`` numbers under a backbone."""
        return self._records(
            "WHERE NOT EXISTS (SELECT 1 FROM embeddings WHERE input = inputs.number AND backbone = ? "
            "AND length(data) = ?) ORDER BY number",
            (backbone_sha256, size),
        )

    def set_embeddings(self, rows: Iterable[tuple[str, bytes]], *, backbone_sha256: str) -> None:
        """Keep embeddings (input id, d int8 bytes) of one backbone, in one transaction."""
        with self._database.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO embeddings SELECT number, ?, ? FROM inputs WHERE id = ?",
                [(backbone_sha256, data, id) for id, data in rows],
            )

    def _now(self) -> str:
        return self._clock().isoformat()


def _input(row: tuple[Any, ...], annotations: tuple[Annotation, ...]) -> Input:
    return Input(
        id=row[1],
        sha256=row[2],
        media_type=row[3],
        size=row[4],
        width=row[5],
        height=row[6],
        source=row[7],
        added_at=datetime.fromisoformat(row[8]),
        metadata=json.loads(row[9]),
        annotations=annotations,
    )

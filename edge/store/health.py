"""Looking for damage in a store, and mending what can be mended."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from edge.errors import BadHead
from edge.store.blobs import Blobs
from edge.store.concepts import stamp
from edge.store.database import Database, Row
from edge.store.failures import translated
from edge.store.files import TEMPORARY
from edge.store.models import Models
from edge.types import UNKNOWN, Finding, VersionInfo, VersionStatus

_ORPHAN_SECONDS = 3600
_LOW_SPACE = 64 << 20
_LABELS = (
    "SELECT a.input, a.concept, a.value FROM annotations a JOIN inputs i ON i.number = a.input "
    "WHERE i.removed_at IS NULL"
)
_FAIL = (
    "UPDATE versions SET status = ?, reason = ?, head = NULL, evaluation = NULL, trained_at = NULL "
    "WHERE number = ? AND model = (SELECT number FROM models WHERE name = ?)"
)
_LOGGED = "SELECT input, concept, after, max(number) FROM changes GROUP BY input, concept"


class Health:
    """The checks of ``edge doctor`` that are about a store's own files."""

    def __init__(
        self, path: Path, database: Database, blobs: Blobs, models: Models, clock: Callable[[], datetime]
    ) -> None:
        self._path = path
        self._database = database
        self._blobs = blobs
        self._models = models
        self._clock = clock

    def check(self, *, repair: bool, deep: bool) -> Iterator[Finding]:
        """One finding per check, as it is made."""
        damage = self._database.rows("PRAGMA integrity_check(3)")[0][0]
        yield _finding("database", damage == "ok", f"store.sqlite: {damage}")
        broken = self._database.rows("PRAGMA foreign_key_check")
        yield _finding("references", not broken, f"{len(broken)} rows point nowhere")
        yield self._log(repair)
        yield self._pictures(deep)
        yield self._heads(repair)
        yield self._leftovers(repair)
        free = shutil.disk_usage(self._path).free
        yield _finding("space", free > _LOW_SPACE, f"{free >> 20} MiB free on the disk")

    def _log(self, repair: bool) -> Finding:
        """Does the log of changes end where the annotations are? Statistics are kept up to date by it."""
        wrong = self._differences()
        if not wrong:
            return Finding("log", "ok", "the log of changes agrees with the annotations")
        if not repair:
            return Finding(
                "log", "problem", f"{len(wrong)} annotations are not what the log says; run: doctor --repair"
            )
        with self._database.write() as connection:
            wrong = self._differences()
            connection.executemany(
                "INSERT INTO changes (input, concept, before, after, by, at, stamp) "
                "SELECT ?, ?, ?, ?, 'doctor', ?, coalesce(max(stamp), 0) FROM changes",
                [(*one, stamp(self._clock)) for one in wrong],
            )
            # what was counted on the way cannot be known
            connection.execute("INSERT OR REPLACE INTO settings SELECT 'purged', max(number) FROM changes")
        return Finding("log", "ok", f"{len(wrong)} annotations were written into the log again", repaired=True)

    def _differences(self) -> list[Row]:
        """(input, concept, logged, actual) wherever the log and the visible annotations disagree."""
        return self._database.rows(
            f"WITH labels AS ({_LABELS}), logged AS ({_LOGGED}) "
            f"SELECT l.input, l.concept, coalesce(g.after, {UNKNOWN}), l.value FROM labels l LEFT JOIN logged g "
            f"ON g.input = l.input AND g.concept = l.concept WHERE g.after IS NOT l.value "
            f"UNION ALL SELECT g.input, g.concept, g.after, {UNKNOWN} FROM logged g LEFT JOIN labels l "
            f"ON g.input = l.input AND g.concept = l.concept WHERE l.value IS NULL AND g.after != {UNKNOWN}"
        )

    def _pictures(self, deep: bool) -> Finding:
        rows = self._database.rows("SELECT DISTINCT sha256, media_type, size FROM inputs WHERE awaited = 0")
        bad = [sha256[:12] for sha256, media_type, size in rows if not self._whole(sha256, media_type, size, deep)]
        if bad:
            text = f"missing or damaged: {', '.join(bad[:5])}; add these files again, or remove the inputs"
            return Finding("pictures", "problem", text)
        gone = self._copies_gone()
        if gone:
            text = (
                f"the small copies of {len(gone)} pictures are gone; get their originals: edge remote fetch {gone[0]}"
            )
            return Finding("pictures", "problem", text)
        return Finding("pictures", "ok", f"{len(rows)} pictures are whole")

    def _copies_gone(self) -> list[str]:
        """Beginnings of the ids of inputs whose original was left to a remote and of which nothing is here."""
        rows = self._database.rows("SELECT id, sha256 FROM inputs WHERE awaited = 2 AND removed_at IS NULL")
        return [id[:12] for id, sha256 in rows if not (self._path / "copies" / sha256[:2] / f"{sha256}.jpg").exists()]

    def _whole(self, sha256: str, media_type: str, size: int, deep: bool) -> bool:
        path = self._blobs.path(sha256, media_type)
        try:
            if path.stat().st_size != size:
                return False
            if not deep:
                return True
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except OSError:
            return False

    def _heads(self, repair: bool) -> Finding:
        """A version whose head is lost must not be what ``predict`` uses, when an older one is whole."""
        bad = list(self._bad_heads())
        if not bad:
            return Finding("heads", "ok", "every trained version has its head")
        lost = [(version, error) for version, error in bad if _is_lost(error)]
        if not repair or not lost:
            more = f" ({len(bad)} such heads)" if len(bad) > 1 else ""
            mend = "; edge doctor --repair marks it as failed" if lost else ""
            return Finding("heads", "problem", f"{bad[0][1]}{more}{mend}")
        with translated(), self._models.changing_heads(), self._database.write() as connection:
            lost = [(version, error) for version, error in self._bad_heads() if _is_lost(error)]
            for version, error in lost:
                connection.execute(_FAIL, (VersionStatus.FAILED.value, str(error), version.number, version.model))
                connection.execute(
                    "UPDATE models SET pinned = NULL WHERE name = ? AND pinned = ?", (version.model, version.id)
                )
        names = ", ".join(f"{version.model} {version.id}" for version, _ in lost)
        text = f"marked as failed, for their heads are lost: {names}; train again"
        return Finding("heads", "ok", text, repaired=True)

    def _bad_heads(self) -> Iterator[tuple[VersionInfo, BadHead]]:
        for model in self._models.all():
            for version in self._models.versions(model.name):
                if version.status is VersionStatus.TRAINED:
                    try:
                        self._models.head(version)
                    except BadHead as error:
                        yield version, error

    def _leftovers(self, repair: bool) -> Finding:
        """Bytes no row knows: what a crash left. Younger than an hour they may be somebody's work in progress."""
        stale = self._stale()
        if not stale:
            return Finding("leftovers", "ok", "no files nothing refers to")
        if not repair:
            text = f"{len(stale)} files nothing refers to, left by a crash; edge doctor --repair removes them"
            return Finding("leftovers", "note", text)
        with translated(), self._blobs.sweeping(), self._models.changing_heads():
            stale = self._stale()  # a row may have come before the locks did
            for file in stale:
                file.unlink(missing_ok=True)
        return Finding("leftovers", "ok", f"{len(stale)} files nothing referred to were removed", repaired=True)

    def _stale(self) -> list[Path]:
        known = {row[0] for row in self._database.rows("SELECT sha256 FROM inputs")}
        folders = [*(self._path / "blobs").glob("*/"), self._path / "versions"]
        files = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
        loose = [
            file
            for file in files
            if file.name.startswith(TEMPORARY) or (file.parent.parent.name == "blobs" and file.stem not in known)
        ]
        return [file for file in [*loose, *self._models.unreferenced()] if self._old(file)]

    def _old(self, file: Path) -> bool:
        try:
            return file.stat().st_mtime < self._clock().timestamp() - _ORPHAN_SECONDS
        except OSError:
            return False


def _is_lost(error: BadHead) -> bool:
    """Gone, or not what was written; not merely out of reach, for want of a permission or by a failing disk."""
    cause = error.__cause__
    return not isinstance(cause, OSError) or isinstance(cause, FileNotFoundError)


def _finding(check: str, good: bool, message: str) -> Finding:
    return Finding(check, "ok" if good else "problem", message)

"""One folder on disk: ``store.sqlite``, ``blobs/`` and ``versions/``."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType

from edge.errors import InvalidArgument, NotFound, StoreUnavailable
from edge.store.blobs import Blobs
from edge.store.database import Database
from edge.store.discarding import Bounds, Discarding, Unsent
from edge.store.failures import busy, translated
from edge.store.files import make_folder
from edge.store.fleet import DeviceFacts, Disagreement, devices, disagreements
from edge.store.inputs import Inputs
from edge.store.merging import Merging
from edge.store.models import Models
from edge.store.records import NewVersion
from edge.store.sealing import Sealing
from edge.store.shelf import Shelf
from edge.types import Finding

KEEP_REMOVED = timedelta(days=30)


class Store:
    """An open store. Safe to use from several threads, and with other processes on the same folder."""

    def __init__(self, path: Path, database: Database, clock: Callable[[], datetime]) -> None:
        self.path = path
        self._database = database
        self._clock = clock
        self._blobs = Blobs(path)
        self.inputs = Inputs(database, self._blobs, clock)
        self.models = Models(database, path, clock)
        self.shelf = Shelf(path, database, self._blobs, self.inputs.follow_removed)

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], datetime], create: bool = True) -> Store:
        """Open, making the folder if ``create``. A store that cannot be written opens read-only.

        Raises NotFound (none there), InvalidArgument (not a folder), StoreTooNew, StoreCorrupt, StoreUnavailable.
        """
        file = path / "store.sqlite"
        with translated():
            if "\0" in str(path) or (path.exists() and not path.is_dir()):
                raise InvalidArgument(f"{str(path)!r} is no store folder; choose another with --store")
            if not file.exists():
                if not create:
                    raise NotFound(f"no store at {path}; make one with: edge --store {path} init")
                make_folder(path)
            database = _opened(file)
        store = cls(path, database, clock)
        if not store.read_only:
            try:
                store.models.recover()
            except BaseException:
                store.close()
                raise
        return store

    @property
    def read_only(self) -> bool:
        return self._database.read_only

    def reading(self) -> AbstractContextManager[object]:
        """A block whose reads all see one moment of the store."""
        return self._database.read()

    def moment(self) -> tuple[int, int, int]:
        """Something that differs once anybody has changed the store, for caches of this thread."""
        return self._database.moment()

    def setting(self, key: str) -> str | None:
        """A store-wide setting, or None."""
        row = self._database.row("SELECT value FROM settings WHERE key = ?", (key,))
        return None if row is None else str(row[0])

    def set_settings(self, **values: str) -> None:
        """Keep settings, together."""
        with self._database.write() as connection:
            connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", values.items())

    def default_settings(self, **values: str) -> None:
        """Keep settings, together, unless another process was faster: then its values stay."""
        with self._database.write() as connection:
            connection.executemany("INSERT OR IGNORE INTO settings VALUES (?, ?)", values.items())

    def use_backbone(self, name: str, sha256: str, size: int) -> bool:
        """Name another backbone, if every visible input has its embedding; False when one came in meanwhile."""
        with self._database.write() as connection:
            missing = self.inputs.missing_embeddings(sha256, size, removed=False)
            if not missing:
                values = {"backbone": name, "backbone_sha256": sha256}
                connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", values.items())
        return not missing

    def switch(
        self,
        backbone: tuple[str, str, int],
        versions: Sequence[NewVersion] = (),
        pins: Mapping[str, str | None] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> bool:
        """Another backbone (name, sha256, size of its embeddings) with versions for it, models' pins and settings.

        All together or nothing; False, and nothing, while a visible input has no embedding under it. A model gets those
        concepts of its new version that it has not. Raises Conflict (the model has others besides).
        """
        name, sha256, size = backbone
        with self.models.new_heads(one.head for one in versions), self._database.write() as connection:
            if self.inputs.missing_embeddings(sha256, size, removed=False):
                return False
            values = {**(settings or {}), "backbone": name, "backbone_sha256": sha256}
            connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", values.items())
            for one in versions:
                self.models.install_row(connection, one, widen=True)
            for model, version in (pins or {}).items():
                connection.execute("UPDATE models SET pinned = ? WHERE name = ?", (version, model))
        return True

    def discard(
        self,
        source: str,
        *,
        keep: int | None = None,
        most_bytes: int | None = None,
        since: datetime | None = None,
        own: str | None = None,
        unsent: Unsent = lambda _: (),
    ) -> int:
        """Let go, for good and at once, of the oldest inputs of a source that nobody has annotated.

        Until at most ``keep`` of them are left, with ``most_bytes`` in all, none added before ``since``; removed ones
        too, for they cost as much. What was ever annotated stays, and what came from devices other than this one, which
        is called ``own``. ``unsent``: those of some pictures, by their sha256, that no remote has; others are told not
        to wait for them. Returns how many went; 0 while somebody adds pictures, then a later call does it.
        """
        discarding = Discarding(self._database, self._blobs, self.inputs, self._clock, own)
        return discarding.discard(source, Bounds(keep, most_bytes, since), unsent)

    # --- other devices -------------------------------------------------------------------------------------------

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """One transaction over several parts of the store."""
        return self._database.write()

    def sealing(self, own: str) -> Sealing:
        """What the device ``own`` has said and not sealed."""
        return Sealing(self._database, own)

    def merging(self, own: str) -> Merging:
        """What merges the words of others into this store, which is the device ``own``."""
        return Merging(self._database, self.inputs, self._clock, own)

    def be_another_device(self, former: str, own: str) -> None:
        """From now on this store is the device ``own``; what it said as ``former`` is sealed again."""
        with self._database.write() as connection:
            Sealing(self._database, own).unmark(connection, former)
            connection.execute("DELETE FROM settings WHERE key = 'segments'")

    def merged(self, device: str) -> tuple[int, str]:
        """How many segments of a device were merged, and the digest of the last."""
        row = self._database.row(
            "SELECT segments, digest FROM merged JOIN devices ON number = device WHERE id = ?", (device,)
        )
        return (0, "") if row is None else (int(row[0]), str(row[1]))

    def devices(self) -> list[DeviceFacts]:
        """What is known of every other device."""
        return devices(self._database)

    def origins(self, ids: Iterable[str]) -> dict[str, str]:
        """Input id -> id of the device that made it, of those that others made."""
        wanted = set(ids)
        rows = self._database.rows("SELECT i.id, d.id FROM inputs i JOIN devices d ON d.number = i.device")
        return {id: device for id, device in rows if id in wanted}

    def disagreements(self, limit: int = 100) -> list[Disagreement]:
        """What devices do not agree on."""
        return disagreements(self._database, limit)

    def note_merged(self, connection: sqlite3.Connection, device: str, name: str, segments: int, digest: str) -> None:
        """Inside the transaction that merges: so many segments of a device are merged now, at this time."""
        connection.execute("INSERT OR IGNORE INTO devices (id) VALUES (?)", (device,))
        facts = json.dumps({"name": name, "merged_at": self._clock().isoformat()})
        connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (f"device:{device}", facts))
        connection.execute(
            "INSERT OR REPLACE INTO merged SELECT number, ?, ? FROM devices WHERE id = ?", (segments, digest, device)
        )

    def now(self) -> datetime:
        """The time by the store's clock."""
        return self._clock()

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def check(self, *, repair: bool = False, deep: bool = True) -> Iterator[Finding]:
        """Look for damage, one finding per check; ``deep`` also compares every picture with its sha256."""
        from edge.store.health import Health

        return Health(self.path, self._database, self._blobs, self.models, self._clock).check(repair=repair, deep=deep)

    def purge(self) -> int:
        """Let go of inputs removed more than 30 days ago, rows first; returns how many."""
        limit = (self._clock() - KEEP_REMOVED).isoformat(timespec="microseconds")
        query = "SELECT number, sha256, media_type FROM inputs WHERE removed_at < ?"
        if not self._database.row(query, (limit,)):
            return 0
        with translated(), self._blobs.sweeping():
            with self._database.write() as connection:
                rows = self._database.rows(query, (limit,))
                connection.executemany("DELETE FROM inputs WHERE number = ?", [(row[0],) for row in rows])
                connection.execute(
                    "INSERT OR REPLACE INTO settings VALUES ('purged', ?)", (str(self.inputs.last_change()),)
                )
            for _, sha256, media_type in rows:
                if not self._database.row("SELECT 1 FROM inputs WHERE sha256 = ?", (sha256,)):
                    self.inputs.blob_path(sha256, media_type).unlink(missing_ok=True)
                    self.shelf.copy_path(sha256).unlink(missing_ok=True)
        return len(rows)


def _opened(file: Path) -> Database:
    """Writable if it can be; a store on a medium that cannot be written to is still there to be asked."""
    if file.exists() and not (os.access(file.parent, os.W_OK) and os.access(file, os.W_OK)):
        return Database(file, read_only=True)
    try:
        return Database(file, read_only=False)
    except StoreUnavailable as error:
        if busy(error) or not file.exists():
            raise
        try:
            return Database(file, read_only=True)
        except StoreUnavailable:
            raise error from None

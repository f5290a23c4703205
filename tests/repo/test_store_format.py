"""docs/store-format.md describes the store that the code makes."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.store import NewInput, Store
from edge.store.schema import APPLICATION_ID, MIGRATIONS
from edge.types import VersionStatus

TEXT = (Path(__file__).parents[2] / "docs" / "store-format.md").read_text()


def _schema(connection):
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: re.sub(r"\s+", " ", sql) for name, sql in rows if not name.startswith("sqlite_")}


@pytest.fixture
def folder(tmp_path):
    """A closed store with one of everything."""
    with Store.open(tmp_path / "store", clock=lambda: datetime.now(UTC)) as store:
        store.inputs.add([NewInput(b"1", "image/png", 1, 1, "x", b"1", "0" * 64, {"cat": 1})], by="user")
        store.models.create("pets", ["cat"], mutually_exclusive=False, closed_environment=False)
        with store.models.claimed(), store.models.training():
            version = store.models.create_version("pets", backbone="fake", backbone_sha256="0" * 64)
            version = store.models.update_version(version, VersionStatus.TRAINING)
            store.models.update_version(version, VersionStatus.TRAINED, head=b"head")
        store.models.save_snapshot("pets", b"numbers")
    return tmp_path / "store"


def test_the_documented_tables_are_the_real_ones(folder):
    script = re.search(r"```sql\n(.*?)```", TEXT, re.DOTALL)
    assert script is not None
    with sqlite3.connect(":memory:") as documented, sqlite3.connect(folder / "store.sqlite") as real:
        documented.executescript(script.group(1))
        assert _schema(documented) == _schema(real)
        assert real.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    assert f"now {len(MIGRATIONS)}." in TEXT
    assert f"0x{APPLICATION_ID:x}" in TEXT


def test_every_file_of_a_store_is_documented(folder):
    kinds = {
        re.sub(
            r"[0-9a-f]{64}", "<sha256>", re.sub(r"[0-9a-f]{16}\.s", "<name>.s", re.sub(r"/[0-9a-f]{2}/", "/<aa>/", one))
        )
        for one in (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    }
    locks = {one for one in kinds if one.endswith(".lock")}
    assert kinds - locks == {
        "store.sqlite", "blobs/<aa>/<sha256>.png", "versions/<sha256>.head", "versions/<name>.statistics"
    }  # fmt: skip
    assert all(f"`{one.replace('.png', '.<ext>')}`" in TEXT for one in kinds)


def test_the_documented_backup_of_a_store_in_use_is_whole(folder):
    script = re.search(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    assert script is not None
    with Store.open(folder, clock=lambda: datetime.now(UTC)) as store:
        store.inputs.add([NewInput(b"2", "image/png", 1, 1, "x", b"1", "0" * 64, {"cat": 0})], by="user")
        subprocess.run(["sh", "-e", "-c", script.group(1)], check=True, cwd=folder.parent)
    with Store.open(folder.parent / "copy", clock=lambda: datetime.now(UTC)) as copy:
        assert copy.inputs.count() == 2
        assert copy.models.load_snapshot("pets") == b"numbers"
        assert {finding.level for finding in copy.check() if finding.check != "space"} == {"ok"}

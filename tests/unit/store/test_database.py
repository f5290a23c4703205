from __future__ import annotations

import gc
import os
import sqlite3
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.errors import InvalidArgument, NotFound, StoreCorrupt, StoreTooNew, StoreUnavailable
from edge.store import Store, database, failures
from edge.store.schema import MIGRATIONS, statements


@pytest.fixture
def folder(tmp_path, clock):
    """A closed store with one setting."""
    with Store.open(tmp_path / "store", clock=clock) as opened:
        opened.set_settings(colour="red")
    return tmp_path / "store"


# --- opening ---------------------------------------------------------------------------------------------------------


def test_every_commit_goes_to_a_log_that_is_synced(store):
    connection = store._database.connection
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1


def test_no_store_is_made_where_none_was_asked_for(tmp_path, clock):
    with pytest.raises(NotFound, match="init"):
        Store.open(tmp_path / "store", clock=clock, create=False)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["file", "file/store", "nul\0"])
def test_a_path_that_can_be_no_folder_is_refused(tmp_path, clock, name):
    (tmp_path / "file").write_text("text")
    with pytest.raises((InvalidArgument, StoreUnavailable)):
        Store.open(tmp_path / name, clock=clock)


def test_a_store_of_a_newer_release_is_refused_and_not_touched(folder, clock):
    _sql(folder, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = (folder / "store.sqlite").read_bytes()
    with pytest.raises(StoreTooNew, match="pip install -U"):
        Store.open(folder, clock=clock)
    assert (folder / "store.sqlite").read_bytes() == before


def test_a_database_of_another_program_is_refused_and_not_touched(tmp_path, clock):
    (tmp_path / "store").mkdir()
    _sql(tmp_path / "store", "CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(StoreCorrupt, match="another program"):
        Store.open(tmp_path / "store", clock=clock)
    with sqlite3.connect(tmp_path / "store" / "store.sqlite") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


def test_a_file_that_is_no_database_is_damage(folder, clock):
    (folder / "store.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreCorrupt, match="damaged"):
        Store.open(folder, clock=clock)


def test_an_empty_file_left_by_a_crash_becomes_a_store(tmp_path, clock):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.sqlite").touch()
    with Store.open(tmp_path / "store", clock=clock) as store:
        assert store.inputs.count() == 0


def test_many_that_make_the_same_store_at_once_all_succeed(tmp_path, clock):
    for attempt in range(10):
        together = threading.Barrier(6)

        def make(number: int, path=tmp_path / f"store{attempt}", together=together) -> str | None:
            together.wait()
            with Store.open(path, clock=clock) as store:
                store.default_settings(backbone=str(number), backbone_sha256=str(number))
                return store.setting("backbone")

        with ThreadPoolExecutor(6) as pool:
            assert len(set(pool.map(make, range(6)))) == 1


def test_statements_end_where_they_end():
    script = """
    CREATE TABLE a (b TEXT DEFAULT ';');
    CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = 'x'; DELETE FROM a; END;
    """
    found = list(statements(script))
    assert len(found) == 2
    with sqlite3.connect(":memory:") as connection:
        for statement in found:
            connection.execute(statement)


# --- threads ---------------------------------------------------------------------------------------------------------


def test_a_thread_that_has_ended_leaves_no_connection_open(store):
    for _ in range(20):
        thread = threading.Thread(target=store.inputs.count)
        thread.start()
        thread.join()
    gc.collect()
    assert len(store._database._all) == 1


def test_a_closed_store_says_so_in_every_thread(folder, clock):
    store = Store.open(folder, clock=clock)
    store.close()
    for ask in (store.inputs.count, store.models.all, store.moment, lambda: store.set_settings(a="b")):
        with pytest.raises(StoreUnavailable, match="closed"):
            ask()
    with ThreadPoolExecutor(1) as pool, pytest.raises(StoreUnavailable, match="closed"):
        pool.submit(store.inputs.count).result()


def test_threads_that_write_at_once_lose_nothing(store, new):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.inputs.add([new(b"%d" % n, {"cat": n % 2})], by="user"), range(40)))
    assert store.inputs.concept_counts() == {"cat": (20, 20)}


def test_reads_in_a_block_see_one_moment(store, new, tmp_path, clock):
    with Store.open(tmp_path / "store", clock=clock) as other, store.reading():
        assert store.inputs.count() == 0
        other.inputs.add([new(b"1")], by="user")
        with store.reading():
            assert store.inputs.count() == 0
    assert store.inputs.count() == 1


def test_the_moment_differs_once_anybody_has_changed_the_store(store, tmp_path, clock):
    before = store.moment()
    assert store.moment() == before
    store.set_settings(colour="red")
    mine = store.moment()
    assert mine != before
    with Store.open(tmp_path / "store", clock=clock) as other:
        other.set_settings(colour="green")
    assert store.moment() != mine


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_transaction_that_raises_never_happened(store):
    with pytest.raises(RuntimeError), store._database.write() as connection:
        connection.execute("INSERT INTO settings VALUES ('a', 'b')")
        raise RuntimeError
    assert store.setting("a") is None


def test_a_store_held_by_another_for_too_long_says_so_and_does_not_open_read_only(folder, clock, monkeypatch):
    monkeypatch.setattr(database, "_BUSY_MS", 10)
    other = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
    with Store.open(folder, clock=clock) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="another process"):
            store.set_settings(colour="green")
        other.execute("ROLLBACK")
        store.set_settings(colour="green")
    other.close()


def test_a_busy_failure_is_told_from_the_others():
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    assert failures.busy(error)
    assert not failures.busy(sqlite3.OperationalError("disk I/O error"))


def test_a_database_that_is_full_says_that_nothing_was_changed(store, new):
    pages = store._database.connection.execute("PRAGMA page_count").fetchone()[0]
    store._database.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="full"):
        store.inputs.add([new(b"%d" % number, source="x" * 3000) for number in range(100)], by="user")
    assert store.inputs.count() == 0
    assert not list((store.path / "blobs").glob("*/*"))


def test_reading_a_damaged_database_is_said_to_be_damage(folder, clock):
    with Store.open(folder, clock=clock) as store:
        store.inputs.ensure_concepts([f"concept {number}" for number in range(2000)])
    size = (folder / "store.sqlite").stat().st_size
    with (folder / "store.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreCorrupt), Store.open(folder, clock=clock) as store:
        store.inputs.concepts()


# --- media that cannot be written ------------------------------------------------------------------------------------


@pytest.fixture
def unwritable(folder, monkeypatch):
    """A store on a medium that cannot be written: no log, no shared memory, only immutable files open."""
    opened = database.Database._opened

    def only_unchanging(self: database.Database, mode: str) -> sqlite3.Connection:
        if mode == "rwc":
            raise sqlite3.OperationalError("unable to open database file")
        return opened(self, mode)

    monkeypatch.setattr(database.Database, "_opened", only_unchanging)
    monkeypatch.setattr(database, "_readable", lambda _: False)
    return folder


def test_a_store_that_cannot_be_written_is_read(unwritable, clock):
    with Store.open(unwritable, clock=clock) as store:
        assert store.read_only
        assert store.setting("colour") == "red"
        with pytest.raises(StoreUnavailable, match="read-only"):
            store.set_settings(colour="green")


def test_a_store_read_without_locks_is_read_again_when_it_changes(unwritable, clock):
    with Store.open(unwritable, clock=clock) as store:
        assert store.setting("colour") == "red"
        _sql(unwritable, "UPDATE settings SET value = 'green'")
        assert store.setting("colour") == "green"


def test_a_log_that_cannot_be_read_without_writing_says_so(unwritable, clock):
    (unwritable / "store.sqlite-wal").write_bytes(b"left by a crash")
    with pytest.raises(StoreUnavailable):
        Store.open(unwritable, clock=clock)


@pytest.mark.parametrize("held_open", [False, True])
def test_a_folder_without_permission_to_write_opens_read_only(clock, held_open):
    with tempfile.TemporaryDirectory() as parent, ExitStack() as held:
        folder = Path(parent) / "store"
        with Store.open(folder, clock=clock) as store:
            store.set_settings(colour="red")
        if held_open:
            held.enter_context(Store.open(folder, clock=clock)).set_settings(colour="green")
        modes = [(path, path.stat().st_mode) for path in (Path(parent), folder, *folder.iterdir())]
        for path, _ in reversed(modes):
            path.chmod(0o555 if path.is_dir() else 0o444)
        found = _as_nobody(lambda: _colour_and_refusal(folder, clock))
        for path, mode in modes:
            path.chmod(mode)
    assert found == ("green" if held_open else "red") + ", read-only"


def _colour_and_refusal(folder, clock):
    with Store.open(folder, clock=clock) as store:
        colour = store.setting("colour")
        try:
            store.set_settings(colour="blue")
        except StoreUnavailable as error:
            return f"{colour}, {'read-only' if 'read-only' in str(error) else error}"
        return f"{colour}, writable"


def _as_nobody(call):
    """What a call returns in a process that is not root's, for whom permissions are no obstacle."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, call().encode())
        except BaseException as error:  # noqa: BLE001 the parent is told
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


def _sql(folder, statement):
    connection = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
    connection.execute(statement)
    connection.close()

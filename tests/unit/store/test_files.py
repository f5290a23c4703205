from __future__ import annotations

import errno
import os
import threading

import pytest

from edge.store import files


def test_a_written_file_has_its_bytes_and_leaves_no_temporary(tmp_path):
    files.write_durably(tmp_path / "a" / "b" / "file", b"bytes")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"bytes"
    assert [one.name for one in (tmp_path / "a" / "b").iterdir()] == ["file"]


def test_a_file_is_readable_for_whom_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_durably(tmp_path / "file", b"bytes")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(("where", "call"), [(files.os, "fdopen"), (files.os, "fsync"), (files.Path, "replace")])
def test_a_failure_at_any_step_keeps_the_old_bytes_and_no_temporary(tmp_path, monkeypatch, where, call):
    files.write_durably(tmp_path / "file", b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(where, call, full)
    with pytest.raises(OSError, match="no space"):
        files.stage(tmp_path / "file", b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("file", b"old")]


def test_bytes_are_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, files.Path.replace
    monkeypatch.setattr(files.os, "fsync", lambda handle: (done.append(_kind(handle)), sync(handle)))
    monkeypatch.setattr(files.Path, "replace", lambda *paths: (done.append("rename"), replace(*paths)))
    (tmp_path / "folder").mkdir()
    files.write_durably(tmp_path / "folder" / "file", b"bytes")
    assert done[-3:] == ["file", "rename", "folder"]


def _kind(handle: int) -> str:
    return "folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file"  # noqa: PTH112


def test_a_file_system_that_cannot_sync_folders_is_good_enough(tmp_path, monkeypatch):
    def cannot(_: int) -> None:
        raise OSError(errno.EINVAL, "no such thing")

    monkeypatch.setattr(files.os, "fsync", cannot)
    files.sync_folders([tmp_path])


def test_an_exclusive_lock_is_had_by_one_at_a_time(tmp_path):
    with files.locked(tmp_path / "lock", wait=True) as first, files.locked(tmp_path / "lock", wait=False) as second:
        assert (first, second) == (True, False)
    with files.locked(tmp_path / "lock", wait=False) as third:
        assert third


def test_shared_locks_go_together_and_keep_an_exclusive_one_out(tmp_path):
    with files.locked(tmp_path / "lock", wait=True, shared=True):
        handle = files.hold_shared(tmp_path / "lock")
        with files.locked(tmp_path / "lock", wait=False) as exclusive:
            assert not exclusive
        assert not files.make_exclusive(handle)
    assert files.make_exclusive(handle)
    os.close(handle)


def test_folders_made_by_two_threads_at_once_are_no_failure(tmp_path):
    failures = []

    def make() -> None:
        try:
            files.make_folder(tmp_path / "a" / "b" / "c")
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (tmp_path / "a" / "b" / "c").is_dir()

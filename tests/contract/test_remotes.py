"""Every remote keeps the same promises: in memory, in a folder, on a stick without hard links, in a bucket."""

import os
from contextlib import ExitStack

import pytest

from edge.errors import Conflict, InvalidArgument, NotFound, RemoteRefused
from edge.sync.remotes.base import PAGE, Object
from edge.sync.remotes.catalogue import open_remote
from edge.sync.remotes.memory import Bucket, MemoryRemote
from edge.sync.remotes.probe import mark, probe, read_mark
from edge.sync.transfer import Transfer
from tests.object_servers import KEYS, S3Server, no_stick, stick

KINDS = [
    "memory",
    "folder",
    "folder without hard links",
    pytest.param("exfat stick", marks=pytest.mark.powercut),
    pytest.param("vfat stick", marks=pytest.mark.powercut),
    "bucket",
]


@pytest.fixture(scope="module")
def server():
    with S3Server() as started:
        yield started


@pytest.fixture(params=KINDS)
def remote(request, tmp_path, monkeypatch):
    with ExitStack() as stack:
        if request.param == "memory":
            opened = MemoryRemote()
        elif request.param == "bucket":
            server = request.getfixturevalue("server")
            name = f"bucket-{os.urandom(6).hex()}"
            server.make_bucket(name)
            opened = open_remote(server.url(name), KEYS)
        elif request.param.endswith(" stick"):
            kind = request.param.partition(" ")[0]
            _able(kind)
            opened = open_remote(str(stack.enter_context(stick(tmp_path, kind))))
        else:
            if "without" in request.param:
                monkeypatch.setattr(os, "link", _no_links)
            opened = open_remote(str(tmp_path))
        stack.callback(opened.close)
        yield opened


def _able(kind):
    lacking = no_stick(kind)
    if lacking and os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(lacking)
    if lacking:
        pytest.skip(lacking)


def _no_links(*_args, **_options):
    raise PermissionError(1, "Operation not permitted")


def test_what_was_put_is_got(remote):
    remote.put("edge/1/a", b"some bytes")
    assert remote.get("edge/1/a") == b"some bytes"


def test_an_object_is_replaced(remote):
    remote.put("edge/1/a", b"old and longer")
    remote.put("edge/1/a", b"new")
    assert remote.get("edge/1/a") == b"new"


def test_an_object_that_is_not_there_is_not_found(remote):
    with pytest.raises(NotFound):
        remote.get("edge/1/a")
    with pytest.raises(NotFound):
        remote.head("edge/1/a")


def test_creating_what_is_there_changes_nothing(remote):
    remote.put("edge/1/a", b"first", if_absent=True)
    with pytest.raises(Conflict):
        remote.put("edge/1/a", b"second", if_absent=True)
    assert remote.get("edge/1/a") == b"first"


@pytest.mark.parametrize(
    ("start", "limit", "part"),
    [(0, 3, b"abc"), (2, 3, b"cde"), (4, 9, b"ef"), (6, 3, b""), (9, 3, b""), (2, None, b"cdef")],
)
def test_a_part_of_an_object_is_got(remote, start, limit, part):
    remote.put("edge/1/a", b"abcdef")
    assert remote.get("edge/1/a", start=start, limit=limit) == part


def test_an_empty_object_is_an_object(remote):
    remote.put("edge/1/a", b"")
    assert remote.get("edge/1/a", limit=10) == b""
    assert remote.head("edge/1/a").size == 0


def test_objects_are_listed_by_key_with_those_of_the_folders_below(remote):
    for key in ("edge/1/b/2", "edge/1/a.x", "edge/1/b/1", "edge/1/a/z", "edge/2/c", "edge/1/b-"):
        remote.put(key, key.encode())
    found = remote.page("edge/1/")
    assert [one.key for one in found] == ["edge/1/a.x", "edge/1/a/z", "edge/1/b-", "edge/1/b/1", "edge/1/b/2"]
    assert [one.size for one in found] == [len(one.key) for one in found]
    assert remote.page("edge/3/") == []


@pytest.mark.parametrize("after", ["edge/1/a", "edge/1/a/b", "edge/1/b", "edge/1/b/1", "edge/1/b/4", "edge/1/c", "z"])
def test_a_listing_goes_on_behind_any_key(remote, after):
    keys = ["edge/1/a/b", "edge/1/a/c", "edge/1/b/1", "edge/1/b/3", "edge/1/b0"]
    for key in keys:
        remote.put(key, b"")
    assert [one.key for one in remote.page("edge/1/", after=after)] == [key for key in keys if key > after]


def test_an_object_is_deleted_and_then_not_there(remote):
    remote.put("edge/1/a", b"x")
    remote.delete("edge/1/a")
    remote.delete("edge/1/a")
    assert remote.page("edge/1/") == []


@pytest.mark.parametrize(
    "key", ["", "/a", "a//b", "a/../b", "../a", "a/.", "A", "a b", "a:b", ".a", "a/.b", "a\0", "é"]
)
def test_a_name_that_not_every_remote_can_hold_is_refused(remote, key):
    for use in (remote.get, remote.head, remote.delete, lambda key: remote.put(key, b"")):
        with pytest.raises(InvalidArgument):
            use(key)


def test_a_remote_is_probed_without_leaving_anything(remote):
    found = probe(remote)
    assert (found.writable, found.lists, found.conditions, found.ranges) == (True, True, True, True)
    assert remote.page("edge/") == []


def test_a_remote_keeps_the_id_it_was_given(remote):
    with pytest.raises(NotFound):
        read_mark(remote)
    assert mark(remote) == mark(remote) == read_mark(remote)


def test_a_stamp_changes_with_the_content(remote):
    remote.put("edge/1/a", b"one")
    before = remote.page("edge/1/")[0].stamp
    remote.put("edge/1/a", b"two")
    after = remote.page("edge/1/")[0].stamp
    assert before != after or before == after == ""


# --- what only some do -----------------------------------------------------------------------------------------------


def test_a_long_listing_comes_in_pages(tmp_path):
    for remote in (MemoryRemote(), open_remote(str(tmp_path))):
        keys = [f"edge/1/{number:05}" for number in range(PAGE + 3)]
        for key in keys:
            (remote.put if isinstance(remote, MemoryRemote) else _quickly(tmp_path))(key, b"")
        first = remote.page("edge/1/")
        assert [one.key for one in first] == keys[:PAGE]
        assert [one.key for one in remote.page("edge/1/", after=first[-1].key)] == keys[PAGE:]
        remote.close()


def _quickly(folder):
    (folder / "edge/1").mkdir(parents=True, exist_ok=True)
    return lambda key, data: (folder / key).write_bytes(data)


def test_a_store_that_knows_no_conditions_is_told_apart():
    assert not probe(MemoryRemote(Bucket(conditions=False))).conditions


def test_a_store_that_refuses_conditions_is_used_without():
    class Old(MemoryRemote):
        def put(self, key, data, *, if_absent=False):
            if if_absent:
                raise RemoteRefused("501: a header you provided implies functionality that is not implemented")
            super().put(key, data)

    remote = Old()
    assert not probe(remote).conditions
    assert mark(remote) == read_mark(remote)
    Transfer(remote, conditions=False).put("edge/1/a", b"x", "create")
    assert remote.get("edge/1/a") == b"x"


def test_files_of_other_programs_are_not_listed(tmp_path):
    remote = open_remote(str(tmp_path))
    remote.put("edge/1/a", b"x")
    (tmp_path / "edge/1/System Volume Information").mkdir()
    (tmp_path / "edge/1/System Volume Information/a").write_bytes(b"")
    (tmp_path / "edge/1/.trash").write_bytes(b"")
    (tmp_path / "edge/1/link").symlink_to("/etc/passwd")
    assert remote.page("edge/1/") == [Object("edge/1/a", 1)]
    with pytest.raises(NotFound):
        remote.get("edge/1/link")
    remote.close()


def test_a_folder_that_is_not_there_is_never_made(tmp_path):
    with pytest.raises(RemoteRefused, match="mount"):
        open_remote(str(tmp_path / "stick"))
    assert list(tmp_path.iterdir()) == []


def test_what_interrupted_writes_left_is_swept_after_an_hour(tmp_path):
    remote = open_remote(str(tmp_path))
    remote.put("edge/1/a", b"x")
    for name in ("old", "young"):
        (tmp_path / ".tmp" / name).write_bytes(b"half")
    os.utime(tmp_path / ".tmp/old", (1, 1))
    assert remote.sweep() == 1
    assert [one.name for one in (tmp_path / ".tmp").iterdir()] == ["young"]
    remote.close()


def test_a_bucket_that_is_not_there_is_said(server):
    remote = open_remote(server.url("nothing-here"), KEYS)
    for use in (lambda: remote.put("edge/1/a", b""), lambda: remote.page("edge/1/"), lambda: remote.get("edge/1/a")):
        with pytest.raises(RemoteRefused, match="does not exist"):
            use()
    remote.close()

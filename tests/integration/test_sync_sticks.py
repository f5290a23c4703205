"""Sticks: power cuts, full ones, ones that are pulled out, exFAT. What was said to be there is there."""

import os
import shutil
import subprocess

import pytest

from edge.errors import RemoteRefused, StoreUnavailable
from edge.sync.remotes.folder import FolderRemote
from edge.sync.state import State
from tests.integration.cutfs import Mount, missing
from tests.integration.meetings import Counts, Device, keys_of, settle
from tests.object_servers import no_stick, stick

pytestmark = pytest.mark.powercut


def able(lacking):
    if lacking and os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(lacking)
    if lacking:
        pytest.skip(lacking)


@pytest.fixture
def mount(tmp_path):
    able(missing())
    with Mount(tmp_path / "stick") as mounted:
        yield mounted


@pytest.fixture
def device(tmp_path):
    """``device("a")``: one whose remote is the stick; they are closed in the end."""
    made = []

    def make(name, url=tmp_path / "stick"):
        made.append(Device(tmp_path / name, str(url)))
        made[-1].join()
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("how", ["strict", "random"])
def test_a_power_cut_of_the_stick_takes_nothing_that_was_said_to_be_there(mount, tmp_path, device, monkeypatch, how):
    field, cuts = device("field"), []
    put = FolderRemote.put

    def put_and_cut(self, key, data, *, if_absent=False):
        put(self, key, data, if_absent=if_absent)
        left = tmp_path / f"cut{len(cuts)}"
        cuts.append((key, data, mount.cut(left, None if how == "strict" else len(cuts))))

    monkeypatch.setattr(FolderRemote, "put", put_and_cut)
    for turn in range(3):
        field.add(3 * turn, 3 * turn + 1, red=turn % 2)
        field.sync()
    assert len(cuts) >= 12
    for place, (key, data, left) in enumerate(cuts):
        assert (left / key).read_bytes() == data
        for before, content, _ in cuts[:place]:  # and all that came before, as it was then
            assert (left / before).read_bytes() == content or before.endswith((".json", ".pictures"))


def test_a_stick_that_lost_power_is_read_and_filled_again(mount, tmp_path, device, monkeypatch):
    """Cut in the middle of a write, with random parts of it left."""
    field, cuts, write = device("field"), [], FolderRemote._write

    def write_and_cut(self, data):
        name = write(self, data)
        cuts.append(mount.cut(tmp_path / f"cut{len(cuts)}", len(cuts)))
        return name

    monkeypatch.setattr(FolderRemote, "_write", write_and_cut)
    field.add(1, 2, red=1)
    field.sync()
    monkeypatch.setattr(FolderRemote, "_write", write)
    counts = Counts()
    for place, left in enumerate(cuts):
        home = Device(tmp_path / f"home{place}", str(left))
        known = field.engine.store.path / "sync/remotes.json"
        shutil.copytree(field.path, tmp_path / f"field{place}")
        again = Device(tmp_path / f"field{place}", str(left))
        again.said = field.said
        text = known.read_text().replace(str(mount.folder), str(left))
        (again.path / "sync/remotes.json").write_text(text)
        home.join()
        settle([home, again, home], 1)
        # what the card believed to be there and the cut took, a look at the stick finds
        from edge.engine.syncing import Syncing

        Syncing(again.engine, {}).remotes.check("home")
        settle([again, home], 1)
        counts.cuts += 1
        counts.check([home, again], keys_of(home))
        home.close()
        again.close()
    assert counts.cuts >= 4
    assert counts.good, counts


@pytest.mark.parametrize("how", ["strict", "random"])
def test_a_power_cut_of_the_card_in_a_meeting_loses_nothing_and_makes_no_new_device(tmp_path, device, monkeypatch, how):
    able(missing())
    stick, put, get, cuts = tmp_path / "stick", FolderRemote.put, FolderRemote.get, []
    stick.mkdir()
    with Mount(tmp_path / "card") as card:
        home, field = device("home"), device("card/field")
        home.add(7, 8, green=1)
        home.sync()

        def cut(acknowledged):
            place = tmp_path / f"cut{len(cuts)}"
            shutil.copytree(stick, place / "stick")
            left = card.cut(place / "card", None if how == "strict" else len(cuts))
            cuts.append((place, left / "field", acknowledged))

        def put_and_cut(self, key, data, *, if_absent=False):
            put(self, key, data, if_absent=if_absent)
            cut({id: dict(labels) for id, labels in field.said.items()})

        def get_and_cut(self, key, *, start=0, limit=None):
            cut({id: dict(labels) for id, labels in field.said.items()})
            return get(self, key, start=start, limit=limit)

        monkeypatch.setattr(FolderRemote, "put", put_and_cut)
        monkeypatch.setattr(FolderRemote, "get", get_and_cut)
        for turn in range(2):
            field.add(2 * turn, 2 * turn + 1, red=turn)
            field.sync()
        monkeypatch.undo()
        field.close()
    counts = Counts()
    for place, left, acknowledged in cuts:
        again = Device(left, str(place / "stick"))
        shutil.copytree(home.path, place / "home")
        other = Device(place / "home", str(place / "stick"))
        for one in (again, other):
            file = one.path / "sync/remotes.json"
            file.write_text(file.read_text().replace(str(stick), str(place / "stick")))
        again.said, other.said = acknowledged, home.said
        settle([again, other], 2)
        counts.cuts += 1
        counts.check([again, other], keys_of(other))
        again.close()
        other.close()
    assert counts.cuts > 15
    assert counts.good, counts


def test_a_full_stick_is_said_and_the_next_sync_finishes(mount, device):
    field, home = device("field"), device("home")
    field.add(*range(8), red=1)
    failed = 0
    for room in range(0, 24_000, 1500):
        mount.leave(room)
        try:
            field.sync()
        except RemoteRefused as error:
            assert "full" in str(error)
            failed += 1
    assert failed > 5
    mount.leave(None)
    settle([field, home], 2)
    counts = Counts()
    counts.check([field, home], keys_of(home))
    assert counts.good, counts


def test_a_full_card_is_said_and_the_next_sync_finishes(tmp_path, device):
    able(missing())
    (tmp_path / "stick").mkdir()
    field = device("field")
    field.add(*range(8), red=1)
    field.sync()
    with Mount(tmp_path / "card") as card:
        home = device("card/home")
        failed = 0
        for room in range(0, 60_000, 6000):
            card.leave(room)
            try:
                home.sync()
            except StoreUnavailable as error:
                assert "full" in str(error) or "space" in str(error)
                failed += 1
        assert failed > 3
        card.leave(None)
        settle([home, field], 2)
        counts = Counts()
        counts.check([field, home], keys_of(home))
        assert counts.good, counts
        home.close()


def test_a_stick_that_is_pulled_out_is_said_and_its_mount_point_stays_empty(tmp_path, device, monkeypatch):
    able(missing())
    folder, put, puts = tmp_path / "stick", FolderRemote.put, []
    with Mount(folder) as mounted:
        field = device("field")
        field.add(*range(4), red=1)

        def put_then_pull(self, key, data, *, if_absent=False):
            puts.append(key)
            if len(puts) == 4:
                mounted._server.kill()
                mounted._server.wait()
            put(self, key, data, if_absent=if_absent)

        monkeypatch.setattr(FolderRemote, "put", put_then_pull)
        with pytest.raises(RemoteRefused, match="put the stick back"):
            field.sync()
        subprocess.run(["fusermount3", "-u", "-z", str(folder)], check=False)
        with pytest.raises(RemoteRefused, match="mount the stick"):
            field.sync()
        assert list(folder.iterdir()) == []
    monkeypatch.setattr(FolderRemote, "put", put)
    folder.rmdir()
    with Mount(folder), pytest.raises(RemoteRefused):  # a stick that lost everything is another one
        field.sync()


@pytest.mark.parametrize("kind", ["exfat", "vfat"])
def test_devices_meet_over_a_stick_without_hard_links(tmp_path, device, kind):
    able(no_stick(kind))
    with stick(tmp_path, kind) as folder:
        field, home = device("field", folder), device("home", folder)
        field.add(*range(5), red=1)
        home.add(3, 7, green=0)
        settle([field, home], 3)
        counts = Counts()
        counts.check([field, home], keys_of(home))
        assert counts.good, counts


@pytest.mark.usefixtures("mount")
def test_what_is_said_to_be_sent_is_there(device):
    field = device("field")
    field.add(*range(3), red=1)
    field.sync()
    state = State(field.path)
    digests = [one.sha256 for one in field.engine.inputs()]
    from edge.sync.registry import Registry

    assert state.missing(Registry(field.path).get("home").id, digests) == []
    state.close()
    assert {f"edge/1/blobs/{one[:2]}/{one}" for one in digests} <= set(keys_of(field))

"""Who meets two remotes carries others' words from one to the other, as they were signed, once."""

import shutil

import pytest

from edge.engine.syncing import Syncing
from edge.sync.remotes.folder import FolderRemote
from tests.integration.meetings import Device


@pytest.fixture
def carried(tmp_path):
    """A field that only ever meets a stick, a home that only ever meets a bucket, and a courier who meets both."""
    for name in ("stick", "bucket"):
        (tmp_path / name).mkdir()
    field, home = Device(tmp_path / "field", str(tmp_path / "stick")), Device(tmp_path / "h", str(tmp_path / "bucket"))
    courier = Device(tmp_path / "courier", str(tmp_path / "bucket"))
    for one in (field, home, courier):
        one.join()
    Syncing(courier.engine, {}).remotes.add("stick", str(tmp_path / "stick"), "all")
    yield field, courier, home
    for one in (field, courier, home):
        one.close()


def meet(device, name):
    met = Syncing(device.engine, {}).sync(name)
    assert met.refused == []
    return met


def test_words_and_pictures_get_from_a_stick_to_a_bucket_and_back(carried):
    field, courier, home = carried
    field.add(1, 2, red=1)
    home.add(3, green=0)
    for one, name in ((field, "home"), (home, "home"), (courier, "stick"), (courier, "home"), (courier, "stick")):
        meet(one, name)
    assert meet(home, "home").pictures_fetched == 2
    assert meet(field, "home").pictures_fetched == 1
    assert field.labels() == home.labels() == courier.labels() != {}


def test_what_was_carried_is_not_carried_again(carried):
    field, courier, home = carried
    field.add(1, red=1)
    meet(field, "home")
    meet(courier, "stick")
    assert meet(courier, "home").segments_carried == 1
    meet(home, "home")
    for one, name in ((courier, "home"), (courier, "stick"), (home, "home")):
        met = meet(one, name)
        assert (met.segments_carried, met.records, met.pictures_sent) == (0, 0, 0)


def test_a_history_is_made_longer_where_it_is_short(carried):
    field, courier, home = carried
    field.add(1, red=1)
    meet(field, "home")
    meet(courier, "stick")
    meet(courier, "home")
    field.add(2, red=0)
    meet(field, "home")
    meet(courier, "stick")
    assert meet(courier, "home").segments_carried == 1
    meet(home, "home")
    assert home.labels() == field.labels()


def test_an_old_copy_of_a_stick_is_no_reason_to_complain(carried, tmp_path):
    field, courier, home = carried
    field.add(1, red=1)
    meet(field, "home")
    shutil.copytree(tmp_path / "stick", tmp_path / "old")
    field.add(2, red=0)
    meet(field, "home")
    meet(courier, "stick")
    shutil.rmtree(tmp_path / "stick")
    (tmp_path / "old").rename(tmp_path / "stick")
    assert meet(courier, "stick").segments_carried == 1
    assert meet(home, "home").records == 0


def test_another_history_of_a_device_is_not_replaced(carried, tmp_path):
    """The bucket met a copy of the field's card, the courier met the card."""
    field, courier, _ = carried
    field.add(1, red=1)
    meet(field, "home")
    field.close()
    shutil.copytree(field.path, tmp_path / "copy")
    copy = Device(tmp_path / "copy", str(tmp_path / "bucket"))
    field.engine = Device(field.path, field.url).engine
    copy.add(2, green=1)
    Syncing(copy.engine, {}).remotes.add("bucket", str(tmp_path / "bucket"))
    meet(copy, "bucket")
    segments = {path: path.read_bytes() for path in (tmp_path / "bucket").rglob("*.seg")}
    field.add(3, green=0)
    meet(field, "home")
    meet(courier, "stick")
    Syncing(courier.engine, {}).sync("home")
    assert {path: path.read_bytes() for path in segments} == segments
    copy.close()


def test_a_cut_while_carrying_is_made_good(carried, monkeypatch):
    field, courier, home = carried
    for seed in range(4):
        field.add(seed, red=1)
        meet(field, "home")
    meet(courier, "stick")
    put, count = FolderRemote.put, []

    def failing(self, key, data, *, if_absent=False):
        count.append(key)
        if len(count) == 3:
            raise KeyboardInterrupt
        put(self, key, data, if_absent=if_absent)

    monkeypatch.setattr(FolderRemote, "put", failing)
    with pytest.raises(KeyboardInterrupt):
        Syncing(courier.engine, {}).sync("home")
    monkeypatch.undo()
    meet(courier, "home")
    meet(home, "home")
    assert home.labels() == field.labels() != {}

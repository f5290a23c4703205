"""A meeting: labels before pictures, the most valuable pictures first, no more requests than there is to do."""

import itertools
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
import pytest

from edge.engine.syncing import Syncing
from edge.errors import Conflict, NotFound, RemoteRefused, RemoteUnavailable
from edge.sync.registry import Registry
from edge.sync.remotes.memory import MemoryRemote
from edge.sync.transfer import Limits
from tests.integration.meetings import picture, settle


def puts(fleet):
    return [key for verb, key in fleet.requests() if verb == "put"]


def blob(seed):
    import hashlib

    digest = hashlib.sha256(picture(seed)).hexdigest()
    return f"edge/1/blobs/{digest[:2]}/{digest}"


# --- order -----------------------------------------------------------------------------------------------------------


def test_labels_go_before_pictures(fleet):
    field = fleet.device("field")
    field.add(1, red=1)
    field.sync()
    kinds = [key.split("/")[2] for key in puts(fleet)]
    assert kinds == ["devices", "manifests", "manifests", "blobs", "manifests"]


def test_labels_travel_on_a_link_that_carries_no_picture(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, red=1)
    fleet.faults = lambda verb, key: "half" if verb == "put" and "/blobs/" in key else ""
    with pytest.raises(RemoteUnavailable):
        field.sync()
    assert home.sync().records > 0


def test_annotated_pictures_go_first_and_the_newest_of_them_before(fleet):
    field = fleet.device("field")
    for seed, labels in ((1, {}), (2, {"red": 1}), (3, {}), (4, {"red": 0})):
        field.add(seed, **labels)
    field.sync()
    assert [key for key in puts(fleet) if "/blobs/" in key] == [blob(4), blob(2), blob(3), blob(1)]


def test_uncertain_pictures_go_before_the_rest(fleet, monkeypatch):
    field = fleet.device("field")
    field.add(1, 2, 3, 4)
    wanted = field.engine.inputs()[1].id
    monkeypatch.setattr(Syncing, "_uncertain", lambda _: [wanted])
    monkeypatch.setattr("edge.sync.session._FEW", 2)
    field.sync()
    assert [key for key in puts(fleet) if "/blobs/" in key] == [blob(2), blob(4), blob(3), blob(1)]


def test_uncertain_is_what_trained_models_are_not_sure_about(fleet, blob):
    field = fleet.device("field")
    for colour in ("red", "green"):
        field.engine.add([blob(colour, seed) for seed in range(4)], concepts=[colour])
    field.engine.add([blob("blue", seed) for seed in range(3)])
    assert Syncing(field.engine, {})._uncertain() == []
    field.engine.create_model("colours", ["red", "green"], mutually_exclusive=True).train().wait()
    unlabelled = {one.id for one in field.engine.inputs(unlabelled=True)}
    assert set(Syncing(field.engine, {})._uncertain()) == unlabelled


# --- no more than there is to do -------------------------------------------------------------------------------------


def test_a_second_meeting_costs_a_handful_of_requests(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(*range(10), red=1)
    settle([field, home, field, home])
    for device in (field, home):
        met = device.sync()
        assert met.requests <= 5
        assert (met.pictures_sent, met.pictures_fetched, met.segments_sent, met.records) == (0, 0, 0, 0)


def test_a_fetched_picture_is_not_sent_back(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, 2, red=1)
    field.sync()
    assert home.sync().pictures_fetched == 2
    assert home.sync().pictures_sent == 0


def test_the_bytes_of_two_inputs_travel_once(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, red=1)
    store = field.engine.store
    from edge.store import NewInput

    same = NewInput(
        data=picture(1), media_type="image/png", width=8, height=8, source="x", id="mine",
        embedding=b"\0" * field.engine.card.embedding.size, backbone_sha256=field.engine.card.sha256,
        annotations={"green": 1},
    )  # fmt: skip
    store.inputs.add([same], by="user")
    met = field.sync()
    assert met.pictures_sent == 1
    assert home.sync().pictures_fetched == 1
    assert len(home.engine.inputs()) == 2
    assert home.complaints() == []


def test_a_cache_that_is_lost_does_nothing_twice(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, 2, red=1)
    settle([field, home])
    before = dict(fleet.bucket.objects)
    for device in (field, home):
        for path in (device.path / "sync").glob("state.sqlite*"):
            path.unlink()
    settle([field, home], 1)
    assert {key for key in fleet.bucket.objects if not key.endswith(".pictures")} == {
        key for key in before if not key.endswith(".pictures")
    }
    assert home.labels() == field.labels()


def test_a_damaged_cache_is_made_anew(fleet):
    field = fleet.device("field")
    field.add(1, red=1)
    field.sync()
    for path in (field.path / "sync").glob("state.sqlite*"):
        path.write_bytes(b"no database at all" * 500)
    assert not field.sync().refused


def test_pictures_that_went_missing_are_sent_again_after_a_check(fleet):
    field = fleet.device("field")
    field.add(1, 2, red=1)
    field.sync()
    del fleet.bucket.objects[blob(1)]
    assert Syncing(field.engine, {}).remotes.check("home").pictures == 1
    assert field.sync().pictures_sent == 1
    assert blob(1) in fleet.bucket.objects


def test_a_large_picture_gets_there_part_by_part_over_many_meetings(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.attempts = home.attempts = 1
    pixels = np.random.default_rng(1).integers(0, 256, (1200, 1000, 3), dtype=np.uint8)  # 3.6 MB, which is four parts
    field.engine.add(pixels)
    turn = itertools.count()
    fleet.faults = lambda did, key: "half" if did in ("put", "get") and ".parts/" in key and next(turn) % 2 else ""
    for device, verb in ((field, "put"), (home, "get")):
        for _ in range(10):
            with suppress(RemoteUnavailable):
                device.sync()
                break
        asked = [key for one in fleet.remotes for did, key in one.requests if did == verb and ".parts/" in key]
        assert len(set(asked)) == 4
        assert max(Counter(asked).values()) == 2  # once more where it was cut
    assert len(home.engine.inputs()) == 1
    assert home.complaints() == []


# --- pictures that are not there -------------------------------------------------------------------------------------


def test_pictures_that_never_come_keep_no_others_waiting(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(*range(60), red=1)
    field.sync()
    for seed in range(10, 60):  # the newest, which are asked for first
        del fleet.bucket.objects[blob(seed)]
    assert home.sync().pictures_fetched == 0
    for _ in range(4):
        field.add(1000 + len(field.engine.inputs()), red=1)
        field.sync()
        home.sync()
    assert {one.sha256 for one in home.engine.inputs()} >= {blob(seed).rpartition("/")[2] for seed in range(10)}
    assert home.sync().requests <= 5


def test_a_picture_that_comes_late_is_fetched(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, red=1)
    fleet.faults = lambda verb, key: "error" if verb == "put" and "/blobs/" in key else ""
    with pytest.raises(RemoteUnavailable):
        field.sync()
    fleet.faults = lambda _verb, _key: ""
    assert home.sync().to_fetch[0] == 1
    field.sync()
    assert home.sync().pictures_fetched == 1
    assert home.labels() == field.labels()


def test_what_is_no_picture_is_said_once_and_not_asked_for_again(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, 2, red=1)
    with field.engine.store._database.write() as connection:
        connection.execute("UPDATE inputs SET width = 99 WHERE number = 1")
    field.sync()
    met = home.sync()
    assert (met.pictures_fetched, len(met.refused)) == (1, 1)
    assert home.sync().refused == []
    assert len(home.engine.inputs()) == 1


def test_an_altered_picture_is_refused_and_the_others_come(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, 2, 3, red=1)
    field.sync()
    fleet.bucket.objects[blob(2)] = bytes(len(picture(2)))
    met = home.sync()
    assert (met.pictures_fetched, len(met.refused)) == (2, 1)
    assert len(home.engine.inputs()) == 2


def test_a_damaged_picture_of_ours_is_said_and_the_others_go(fleet):
    field = fleet.device("field")
    field.add(1, 2, red=1)
    one = field.engine.inputs()[0]
    field.engine.store.inputs.blob_path(one.sha256, one.media_type).write_bytes(b"rotten")
    met = field.sync()
    assert (met.pictures_sent, [source for source, _ in met.refused]) == (1, [one.id])


def test_two_that_contradict_each_other_are_said(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, red=1)
    home.add(1, red=0)
    field.sync()
    assert any("contradict" in note for note in home.sync().notes)
    assert home.sync().notes == []


# --- choices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pictures", "count"), [("all", 2), ("annotated", 1), ("none", 0)])
def test_pictures_are_fetched_as_the_remote_was_told(fleet, pictures, count):
    field, home = fleet.device("field"), fleet.device("home", pictures)
    field.add(1, red=1)
    field.add(2)
    field.sync()
    assert home.sync().pictures_fetched == count


def test_a_limit_of_bytes_ends_it_and_the_next_goes_on(fleet):
    field = fleet.device("field")
    field.add(*range(6), red=1)
    size = sum(one.size for one in field.engine.inputs())
    met = field.sync(limits=Limits(max_bytes=size // 2 + 1500))
    assert met.stopped
    assert 0 < met.pictures_sent < 6
    assert met.to_send[0] == 6 - met.pictures_sent
    assert field.sync().pictures_sent == 6 - met.pictures_sent


def test_a_rehearsal_writes_nothing(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, 2, red=1)
    home.add(3, red=1)
    home.sync()
    before = dict(fleet.bucket.objects)
    met = field.sync(dry_run=True)
    assert met.to_send == (2, sum(one.size for one in field.engine.inputs()))
    assert fleet.bucket.objects == before
    assert len(field.engine.inputs()) == 2


def test_one_way_is_one_way(fleet):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, red=1)
    home.add(2, red=1)
    field.sync()
    assert home.sync(pull=False).records == 0
    met = field.sync(push=False)
    assert (met.pictures_fetched, met.segments_sent) == (1, 0)


def test_two_processes_do_not_sync_one_store_at_once(fleet):
    field = fleet.device("field")
    from edge.store.files import locked

    with locked(field.path / "sync/sync.lock", wait=False), pytest.raises(Conflict, match="another process"):
        field.sync()


# --- another place, a careless store ---------------------------------------------------------------------------------


def test_another_bucket_under_the_same_name_is_refused(fleet):
    field = fleet.device("field")
    field.add(1, red=1)
    fleet.bucket.objects.clear()
    with pytest.raises(RemoteRefused, match="empty"):
        field.sync()
    MemoryRemote(fleet.bucket).put("edge/1/remote.json", b'{"format": 1, "id": "' + b"a" * 32 + b'"}')
    with pytest.raises(RemoteRefused, match="another place"):
        field.sync()
    assert list(fleet.bucket.objects) == ["edge/1/remote.json"]


def test_there_must_be_a_remote_and_only_one_may_be_left_out(fleet):
    field = fleet.device("field")
    Registry(field.path).remove("home")
    with pytest.raises(NotFound):
        Syncing(field.engine, {}).sync()
    for name in ("one", "two"):
        Syncing(field.engine, {}).remotes.add(name, "memory://home")
    with pytest.raises(Conflict, match="name one"):
        Syncing(field.engine, {}).sync()


def test_the_clock_of_the_store_is_not_needed(fleet):
    """A board that woke up in 1970 still sends what it has."""
    from edge import Engine
    from tests.integration.meetings import CONFIG

    field, home = fleet.device("field"), fleet.device("home")
    field.engine.close()
    field.engine = Engine.open(field.path, config=CONFIG, clock=lambda: datetime(1970, 1, 2, tzinfo=UTC))
    field.add(1, red=1)
    settle([field, home], 1)
    assert home.labels() == field.labels()

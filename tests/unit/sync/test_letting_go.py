"""A loop's quota and a bad link: what went before it was sent is not waited for, and nothing else is touched."""

import pytest

from edge.errors import RemoteUnavailable
from edge.store import NewInput
from edge.sync.device import id_here
from edge.sync.state import unsent
from tests.integration.meetings import picture, settle

SOURCE = "watch/gate"


def kept(device, *seeds):
    """Captures of a loop; their ids."""
    card = device.engine.card
    embedding = bytes(card.embedding.size)
    new = [NewInput(picture(seed), "image/png", 8, 8, SOURCE, embedding, card.sha256) for seed in seeds]
    return [one.id for one, _ in device.engine.store.inputs.add(new, by="watch")]


def discard(device, keep):
    store = device.engine.store
    return store.discard(SOURCE, keep=keep, own=id_here(store.path), unsent=lambda digests: unsent(store.path, digests))


@pytest.fixture
def bad_link(fleet):
    """A camera whose words travelled and whose three captures did not, and a home that waits for them."""
    gate, home = fleet.device("gate"), fleet.device("home")
    ids = kept(gate, 1, 2, 3)
    fleet.faults = lambda verb, key: "error" if verb == "put" and "/blobs/" in key else ""
    with pytest.raises(RemoteUnavailable):
        gate.sync()
    fleet.faults = lambda _verb, _key: ""
    assert home.sync().to_fetch[0] == 3
    return gate, home, ids


def awaited(device):
    return [one.awaited for one in device.engine.store.devices()]


def test_what_went_before_it_was_sent_is_waited_for_no_longer(bad_link, fleet):
    gate, home, ids = bad_link
    assert discard(gate, keep=1) == 2
    gate.sync()
    met = home.sync()
    assert (met.to_fetch, met.pictures_fetched, awaited(home)) == ((0, 0), 1, [0])
    assert set(home.labels()) == set(gate.labels()) == {ids[-1]}
    home.sync()
    assert ("get", "blobs") not in [(verb, key.split("/")[2]) for verb, key in fleet.requests()]
    assert not gate.complaints() and not home.complaints()


def test_its_row_goes_once_the_others_were_told(bad_link):
    gate, _, _ = bad_link
    assert discard(gate, keep=1) == 2
    count = "SELECT count(*) FROM inputs"
    assert gate.engine.store._database.row(count)[0] == 3
    gate.sync()
    kept(gate, 4)
    assert discard(gate, keep=1) == 1
    assert gate.engine.store._database.row(count)[0] == 1


def test_what_was_sent_stays_where_it_arrived(fleet):
    gate, home = fleet.device("gate"), fleet.device("home")
    ids = kept(gate, 1, 2)
    gate.sync()
    assert discard(gate, keep=0) == 2
    gate.sync()
    assert home.sync().pictures_fetched == 2
    assert set(home.labels()) == set(ids)


def test_what_arrived_by_another_way_stays(bad_link):
    gate, home, ids = bad_link
    home.add(1)  # the same picture, by hand
    assert discard(gate, keep=0) == 3
    gate.sync()
    home.sync()
    assert set(home.labels()) == {ids[0]}
    assert not home.complaints()


def test_a_picture_that_another_device_annotated_comes_back_with_its_label(bad_link):
    gate, home, ids = bad_link
    discard(gate, keep=0)
    home.add(1, red=1)  # the same picture, by hand
    gate.sync()
    settle([home, gate, home])
    assert gate.labels() == home.labels() == {ids[0]: {"red": 1}}
    assert not gate.complaints()


def test_bytes_go_at_once_although_others_are_still_to_be_told(bad_link):
    gate, _, _ = bad_link
    before = list((gate.path / "blobs").glob("*/*"))
    discard(gate, keep=1)
    assert (len(before), len(list((gate.path / "blobs").glob("*/*")))) == (3, 1)


def test_it_cannot_be_restored_and_says_so_by_doing_nothing(bad_link):
    gate, _, ids = bad_link
    discard(gate, keep=0)
    assert gate.engine.restore(ids) == 0
    assert gate.labels() == {}


def test_a_removed_input_whose_picture_is_still_to_come_is_hidden_until_then_when_it_is_restored(bad_link):
    gate, home, ids = bad_link
    gate.engine.annotate(ids[0], ["red"])
    gate.engine.remove(ids[:1])
    gate.sync()
    home.sync()
    assert home.engine.restore(ids[:1]) == 1
    assert ids[0] not in home.labels()
    assert not home.complaints()
    settle([home, gate, home])
    assert set(home.labels()) == set(gate.labels()) == set(ids)
    assert not home.complaints()

"""Any number of devices, any order, repetition and loss of meetings: in the end all stores are one store."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cryptography")

from edge.errors import BadSegment, EdgeError
from edge.store import NewInput, Store
from edge.store.stamps import AHEAD, of_time
from edge.sync.book import LogBook

START = datetime(2026, 6, 1, tzinfo=UTC)
BACKBONE = "ab" * 32


class Device:
    """A store whose clock may be wrong, and its log."""

    def __init__(self, folder, skew=timedelta(0)):
        self.now = START + skew
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store.open(folder, clock=self._clock)
        self.store.default_settings(backbone="fake", backbone_sha256=BACKBONE)
        self.book = LogBook(self.store)

    def _clock(self):
        self.now += timedelta(milliseconds=7)
        return self.now

    def add(self, content, annotations=None, id=None, by="me"):
        data = f"picture {content}".encode()
        new = NewInput(data, "image/jpeg", 8, 8, f"{content}.jpg", b"\1" * 4, BACKBONE, annotations or {}, id)
        return self.store.inputs.add([new], by=by)[0][0].id

    def arrive(self):
        """Pictures that are awaited come, all of them."""
        with self.store.writing() as connection:
            hidden = "SELECT number FROM inputs WHERE awaited = 1 AND removed_at = 'awaited'"
            rows = connection.execute(hidden).fetchall()
            for (number,) in rows:
                connection.execute("UPDATE inputs SET awaited = 0, removed_at = NULL WHERE number = ?", (number,))
                connection.execute("INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", (number, BACKBONE, b"\1" * 4))
                self.store.inputs.follow_removed(connection, number, None, "sync")
            connection.execute("UPDATE inputs SET awaited = 0")

    def dump(self):
        """Everything that is to be the same everywhere, whatever the order it came in."""
        rows = self.store._database.rows
        own = self.book.device
        ids = {0: own, **dict(rows("SELECT number, id FROM devices"))}
        words = rows(
            "SELECT i.sha256, c.id, a.value, a.by, a.at, a.stamp, a.device FROM annotations a JOIN inputs i ON "
            "i.number = a.input JOIN concepts c ON c.number = a.concept"
        )
        gone = rows(
            "SELECT i.sha256, c.id, -1, a.by, a.at, a.stamp, a.device FROM cleared a JOIN inputs i ON "
            "i.number = a.input JOIN concepts c ON c.number = a.concept"
        )
        inputs = rows("SELECT id, sha256, source, added_at, metadata, removed_at IN (SELECT 'awaited') OR removed_at "
                      "IS NULL, removed_stamp, metadata_stamp FROM inputs")  # fmt: skip
        return {
            "words": sorted((*one[:6], ids[one[6]]) for one in [*words, *gone]),
            "inputs": sorted(inputs),
            "concepts": sorted(rows("SELECT id, name, name_stamp FROM concepts")),
            "models": sorted(rows("SELECT name, concepts, exclusive, closed, stamp FROM models")),
            "models gone": sorted(rows("SELECT name, stamp FROM models_gone")),
        }


class Remote:
    """Objects by key."""

    def __init__(self):
        self.objects = {}

    def meet(self, device, *, lose=0.0, chance=None, pull=True, push=True):
        """A meeting that may end at any object."""
        chance = chance or random.Random(0)
        book = device.book

        def lost():
            return chance.random() < lose

        if push:
            key = book.manifest_key(book.device)
            there = self.objects.get(key)
            if book.met(there) is not None:
                key, there = book.manifest_key(book.device), None
            for name, data in book.segments(there):
                if lost():
                    return
                self.objects.setdefault(name, data)
            if lost():
                return
            self.objects[key] = book.manifest()
        if pull:
            manifests = sorted(one for one in self.objects if one.startswith("edge/1/manifests/"))
            chance.shuffle(manifests)
            for key in manifests:
                other = key.removeprefix("edge/1/manifests/").removesuffix(".json")
                if other == book.device:
                    continue
                for name in book.read(other, self.objects[key]):
                    if lost():
                        return
                    book.merge(other, self.objects[key], name, self.objects[name])


def converge(devices, remote):
    for _ in range(2):
        for one in devices:
            remote.meet(one)
    for one in devices:
        one.arrive()
        remote.meet(one)
    return [one.dump() for one in devices]


@pytest.fixture
def three(tmp_path):
    return [Device(tmp_path / name) for name in "abc"]


def test_what_one_says_all_know(three):
    remote = Remote()
    three[0].add("one", {"ripe": 1, "green": 0})
    dumps = converge(three, remote)
    assert dumps[0] == dumps[1] == dumps[2]
    assert len(dumps[2]["words"]) == 2


def test_the_later_word_wins_wherever_it_comes_from(three):
    remote = Remote()
    id = three[0].add("one", {"ripe": 1})
    remote.meet(three[0])
    remote.meet(three[1])
    three[1].arrive()
    three[1].now += timedelta(hours=1)
    three[1].store.inputs.annotate(id, {"ripe": 0}, by="ann")
    dumps = converge(three, remote)
    assert dumps[0] == dumps[1] == dumps[2]
    assert dumps[0]["words"][0][2:4] == (0, "ann")


def test_a_correction_of_what_was_known_is_no_disagreement(three):
    remote = Remote()
    id = three[0].add("one", {"ripe": 1})
    remote.meet(three[0])
    remote.meet(three[1])
    three[1].arrive()
    three[1].store.inputs.annotate(id, {"ripe": 0}, by="ann")
    converge(three, remote)
    assert all(not one.store._database.rows("SELECT * FROM disputed") for one in three)


def test_two_who_did_not_know_of_each_other_disagree_and_both_words_are_kept(three):
    remote = Remote()
    for one, value in zip(three[:2], (1, 0), strict=True):
        one.add("one", {"ripe": value}, by=f"who said {value}")
    dumps = converge(three, remote)
    assert dumps[0] == dumps[1] == dumps[2]
    for one in three:
        [(_, _, _, value, by, *_)] = one.store._database.rows("SELECT * FROM disputed")
        assert by == f"who said {value}"
        assert value != dumps[0]["words"][0][2]


def test_a_word_of_a_person_afterwards_settles_it(three):
    remote = Remote()
    for one, value in zip(three[:2], (1, 0), strict=True):
        id = one.add("one", {"ripe": value})
    converge(three, remote)
    for value in (1, 0, 1):
        three[0].store.inputs.annotate(id, {"ripe": value}, by="boss")
    assert not three[0].store._database.rows("SELECT * FROM disputed")


def test_what_was_taken_back_stays_taken_back(three):
    remote = Remote()
    id = three[0].add("one", {"ripe": 1})
    converge(three, remote)
    three[1].now += timedelta(minutes=5)
    three[1].store.inputs.annotate(id, {"ripe": None}, by="ann")
    dumps = converge(three, remote)
    assert [one["words"][0][2] for one in dumps] == [-1, -1, -1]


def test_what_was_removed_on_one_device_is_hidden_and_can_be_restored_on_another(three):
    remote = Remote()
    id = three[0].add("one", {"ripe": 1})
    converge(three, remote)
    three[1].now += timedelta(minutes=5)
    three[1].store.inputs.remove([id], by="ann")
    converge(three, remote)
    assert three[0].store.inputs.count() == 0
    three[2].now += timedelta(minutes=10)
    assert three[2].store.inputs.restore([id], by="bob") == 1
    converge(three, remote)
    assert [one.store.inputs.count() for one in three] == [1, 1, 1]
    assert three[0].store.inputs.get(id).annotations[0].value == 1


def test_names_are_changed_by_id_and_two_who_want_one_name_share_it(three):
    remote = Remote()
    for one, concept in zip(three, ("ripe", "reif", "maduro"), strict=True):
        one.add("one", {concept: 1})
    converge(three, remote)
    for one, concept in zip(three, ("ripe", "reif", "maduro"), strict=True):
        one.now += timedelta(minutes=1)
        one.store.inputs.rename_concept(concept, "ready")
    dumps = converge(three, remote)
    assert dumps[0] == dumps[1] == dumps[2]
    assert sorted(name for _, name, _ in dumps[0]["concepts"]) == ["ready", "ready (reif)", "ready (ripe)"]


def test_models_are_defined_changed_and_deleted_everywhere(three):
    remote = Remote()
    models = [one.store.models for one in three]
    models[0].create("fruit", ["ripe", "green"], mutually_exclusive=True, closed_environment=False)
    models[0].create("old", ["ripe"], mutually_exclusive=False, closed_environment=False)
    converge(three, remote)
    three[1].now += timedelta(minutes=5)
    models[1].add_concepts("fruit", ["rotten"])
    models[1].delete("old")
    dumps = converge(three, remote)
    assert dumps[0] == dumps[1] == dumps[2]
    assert models[2].get("fruit").concepts == ("ripe", "green", "rotten")
    assert [one.name for one in models[2].all()] == ["fruit"]


def test_one_id_for_two_pictures_becomes_two_inputs_everywhere(three):
    remote = Remote()
    three[0].add("one", {"ripe": 1}, id="gate-1")
    three[1].now += timedelta(seconds=30)
    three[1].add("two", {"ripe": 0}, id="gate-1")
    dumps = converge(three, remote)
    assert dumps[0] == dumps[1] == dumps[2]
    assert [id.startswith("gate-1") for id, *_ in dumps[0]["inputs"]] == [True, True]
    assert "gate-1" in [id for id, *_ in dumps[0]["inputs"]]


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_a_clock_that_is_years_ahead_takes_nobody_along(three):
    remote = Remote()
    three[0].now += timedelta(days=3650)
    three[0].add("one", {"ripe": 1})
    converge(three, remote)
    three[1].add("two", {"ripe": 1})
    [(stamp,)] = three[1].store._database.rows("SELECT stamp FROM inputs WHERE source = 'two.jpg'")
    assert stamp <= of_time(three[1].now) + (AHEAD << 16) + 100


def test_what_a_clock_years_ahead_has_said_can_be_corrected(three):
    remote = Remote()
    three[0].now += timedelta(days=3650)
    id = three[0].add("one", {"ripe": 1})
    converge(three, remote)
    three[1].store.inputs.annotate(id, {"ripe": 0}, by="ann")
    dumps = converge(three, remote)
    assert {one["words"][0][2] for one in dumps} == {0}
    three[1].add("two", {"ripe": 1})
    [(stamp,)] = three[1].store._database.rows("SELECT stamp FROM inputs WHERE source = 'two.jpg'")
    assert stamp <= of_time(three[1].now) + (AHEAD << 16) + 100


def test_a_clock_that_runs_backwards_gives_no_earlier_stamp(tmp_path):
    device = Device(tmp_path / "a")
    id = device.add("one", {"ripe": 1})
    device.now -= timedelta(days=400)
    device.store.inputs.annotate(id, {"ripe": 0}, by="me")
    device.add("two")
    stamps = [row[0] for row in device.store._database.rows("SELECT stamp FROM inputs ORDER BY number")]
    [(word,)] = device.store._database.rows("SELECT stamp FROM annotations")
    assert stamps[0] < word < stamps[1]


# --- cards that were copied ------------------------------------------------------------------------------------------


def test_a_copied_card_becomes_a_new_device_and_nobody_loses_a_word(tmp_path):
    import shutil

    remote = Remote()
    original = Device(tmp_path / "a")
    original.add("one", {"ripe": 1})
    remote.meet(original)
    original.store.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    original, clone = Device(tmp_path / "a"), Device(tmp_path / "b", timedelta(seconds=1))
    assert original.book.device == clone.book.device
    original.add("two", {"ripe": 1})
    clone.add("three", {"ripe": 0})
    remote.meet(original)
    remote.meet(clone)
    assert original.book.device != clone.book.device
    dumps = converge([original, clone, Device(tmp_path / "c")], remote)
    assert dumps[0] == dumps[1] == dumps[2] or _same_but_device(dumps)
    assert len(dumps[2]["inputs"]) == 3


def _same_but_device(dumps):
    """What both copies said before they parted may stand under either id."""
    plain = [{**one, "words": [word[:6] for word in one["words"]]} for one in dumps]
    return plain[0] == plain[1] == plain[2]


# --- everything, at random -------------------------------------------------------------------------------------------

ACTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(
            ["add", "say", "clear", "remove", "restore", "rename", "model", "delete", "meet", "lossy", "wait"]
        ),
        st.integers(0, 5),
        st.integers(0, 3),
    ),
    max_size=40,
)


@settings(max_examples=40)
@given(acts=ACTS, skews=st.lists(st.integers(-5000, 5000), min_size=3, max_size=3), seed=st.integers(0, 1000))
def test_whatever_happens_all_stores_become_one(tmp_path_factory, acts, skews, seed):
    folder = tmp_path_factory.mktemp("devices")
    devices = [Device(folder / str(n), timedelta(days=skew)) for n, skew in enumerate(skews)]
    remote, chance = Remote(), random.Random(seed)
    for who, what, one, other in acts:
        act(devices[who], remote, chance, what, one, other)
    dumps = converge(devices, remote)
    assert dumps[0] == dumps[1] == dumps[2]
    for one in devices:
        remote.meet(one)
        assert not one.book.unsent
        finding = [each for each in one.store.check(deep=False) if each.check == "log"]
        assert all(each.level == "ok" for each in finding), finding
        one.store.close()


def act(device, remote, chance, what, one, other):
    inputs, models = device.store.inputs, device.store.models
    every = [each.id for each in inputs.page()]
    concept = ("ripe", "green", "rotten", "soft")[other]
    try:
        if what == "add":
            device.add(f"picture {one}", {concept: one % 2})
        elif what in ("say", "clear") and every:
            inputs.annotate(every[one % len(every)], {concept: None if what == "clear" else one % 2}, by=f"who {other}")
        elif what == "remove" and every:
            inputs.remove([every[one % len(every)]], by="me")
        elif what == "restore":
            gone = device.store._database.rows("SELECT id FROM inputs WHERE removed_at < 'a'")
            inputs.restore([id for (id,) in gone[:1]], by="me")
        elif what == "rename":
            inputs.rename_concept(concept, f"name {one % 3}")
        elif what == "model":
            models.create(f"model {one % 2}", [concept, "other"], mutually_exclusive=bool(other % 2),
                          closed_environment=False)  # fmt: skip
        elif what == "delete":
            models.delete(f"model {one % 2}")
        elif what == "meet":
            remote.meet(device, chance=chance, pull=other != 0)
            if other == 3:
                device.arrive()
        elif what == "lossy":
            remote.meet(device, lose=0.4, chance=chance)
        else:
            device.now += timedelta(seconds=1 + 100 * one)
    except EdgeError:
        pass  # there is no such thing on this device: nothing was done


# --- what is refused -------------------------------------------------------------------------------------------------


def sent(device):
    """The manifest and the one segment of a device."""
    [(key, segment)] = list(device.book.segments(None))
    return device.book.manifest(), key, segment


def test_an_altered_segment_is_refused_and_changes_nothing(three):
    three[0].add("one", {"ripe": 1})
    manifest, key, segment = sent(three[0])
    for place in range(0, len(segment), 7):
        bad = bytearray(segment)
        bad[place] ^= 1
        try:
            three[1].book.merge(three[0].book.device, manifest, key, bytes(bad))
        except BadSegment:
            continue
        assert bytes(bad[:10]) != segment[:10], "only gzip's own header may differ unnoticed"
        three[1] = three[2]
        break
    assert three[2].store.inputs.count() == 0


@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_a_segment_that_is_cut_off_is_refused(three, cut):
    three[0].add("one", {"ripe": 1})
    manifest, key, segment = sent(three[0])
    with pytest.raises(BadSegment):
        three[1].book.merge(three[0].book.device, manifest, key, segment[:cut])
    assert three[1].dump()["inputs"] == []


def test_a_segment_of_another_device_under_this_ones_name_is_refused(three):
    three[0].add("one", {"ripe": 1})
    three[1].add("two", {"ripe": 1})
    manifest, key, _ = sent(three[0])
    _, _, other = sent(three[1])
    with pytest.raises(BadSegment):
        three[2].book.merge(three[0].book.device, manifest, key, other)


def test_segments_out_of_order_and_twice(three):
    three[0].add("one", {"ripe": 1})
    _, first, one = sent(three[0])
    three[0].add("two", {"ripe": 1})
    [_, (second, two)] = list(three[0].book.segments(None))
    manifest = three[0].book.manifest()
    device = three[0].book.device
    with pytest.raises(BadSegment, match="does not follow"):
        three[1].book.merge(device, manifest, second, two)
    assert three[1].book.merge(device, manifest, first, one) > 0
    assert three[1].book.merge(device, manifest, first, one) == 0
    assert three[1].book.merge(device, manifest, second, two) > 0
    assert list(three[1].book.read(device, manifest)) == []


def test_an_old_manifest_that_is_played_again_is_refused(three):
    three[0].add("one", {"ripe": 1})
    old, first, one = sent(three[0])
    three[0].add("two")
    [_, (second, two)] = list(three[0].book.segments(None))
    manifest, device = three[0].book.manifest(), three[0].book.device
    three[1].book.merge(device, manifest, first, one)
    three[1].book.merge(device, manifest, second, two)
    with pytest.raises(BadSegment, match="old copy"):
        list(three[1].book.read(device, old))


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[]", b"\xff", b"[" * 9000, b'{"signature": "AAAA"}'])
def test_a_manifest_that_is_none_is_refused(three, manifest):
    with pytest.raises(BadSegment):
        list(three[0].book.read("ab" * 16, manifest))


def test_a_bomb_is_not_unpacked(three):
    import gzip

    from edge.sync.segments import unseal

    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < 1 << 20
    with pytest.raises(BadSegment, match="unpacks"):
        unseal(bomb, three[0].book._identity.public)


def test_fields_of_records_are_checked_one_by_one():
    from edge.sync.segments import KINDS, _record

    rng = np.random.default_rng(0)
    strange = [None, True, -1, 2**70, "", "x" * 70_000, "../../etc/passwd", [], {}, 1.5, "\0", "a\nb"]
    device = "ab" * 16
    for kind, fields in KINDS.items():
        for name in fields:
            for value in rng.permutation(np.array(strange, dtype=object)):
                if fields[name](value):
                    continue
                table = {"kind": kind, "stamp": 1, "device": device, **dict.fromkeys(fields, value)}
                with pytest.raises(BadSegment):
                    _record(table, device)

"""A remote that lies about releases: each lie is refused with a sentence, and what was believed stays believed."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("tuf")

from edge.errors import BadRelease, Conflict, InvalidArgument, NotFound, StoreUnavailable
from edge.sync.releases.manifest import MANIFEST, Release, ReleasedModel, input_key
from edge.sync.releases.trust import PREFIX, Trust
from trainer.releases.keys import ROLES, add_key, load_keys, make_keys
from trainer.releases.repository import Repository

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Hub:
    """A repository in a folder, and what a remote says of it."""

    def __init__(self, folder):
        self.folder = folder
        make_keys(folder / "keys", {"root": 3, "targets": 1, "online": 1}, None)
        self.keys = {role: load_keys(folder / "keys", role, None) for role in ROLES}
        self.at(NOW).create(self.keys, threshold=2)

    def at(self, now):
        return Repository(self.folder / "repository", now)

    def publish(self, content=b"one", now=NOW, number=1):
        import hashlib

        digest = hashlib.sha256(content).hexdigest()
        files = {"tflite": digest, "toml": digest}
        release = Release(number, now, "", "net", digest, files, {})
        self.at(now).release({MANIFEST: release.to_bytes(), f"files/{digest}": content}, self.keys)

    def fetch(self, key):
        path = self.folder / "repository" / key.removeprefix(PREFIX)
        if not path.is_file():
            raise NotFound(f"no {key}")
        data = path.read_bytes()
        yield data[:100]
        yield data[100:]

    def file(self, pattern):
        return next((self.folder / "repository").rglob(pattern))


@pytest.fixture
def hub(tmp_path):
    made = Hub(tmp_path)
    made.publish()
    return made


@pytest.fixture
def clock():
    return [NOW]


@pytest.fixture
def trust(hub, tmp_path, clock):
    made = Trust(tmp_path / "device", clock=lambda: clock[0])
    made.establish(hub.at(NOW).root())
    return made


def take(trust, hub):
    session = trust.open(hub.fetch)
    release = session.release()
    return release, session.fetch(release)


def test_a_genuine_release_arrives_whole(trust, hub):
    release, files = take(trust, hub)
    assert release.number == 1
    assert files[release.backbone_sha256].read_bytes() == b"one"


def test_what_has_arrived_is_not_fetched_again(trust, hub):
    take(trust, hub)
    asked = []
    session = trust.open(lambda key: [asked.append(key), hub.fetch(key)][1])
    session.fetch(session.release())
    assert not [key for key in asked if "/targets/" in key]


def test_without_a_root_of_trust_nothing_is_believed(hub, tmp_path):
    with pytest.raises(InvalidArgument, match="edge release trust"):
        Trust(tmp_path / "new", clock=lambda: NOW).open(hub.fetch)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"signed": {"_type": "root"}, "signatures": []}'])
def test_a_root_that_is_none_is_refused(tmp_path, data):
    with pytest.raises(BadRelease):
        Trust(tmp_path / "new", clock=lambda: NOW).establish(data)


def test_a_root_signed_by_too_few_of_its_keys_is_refused(hub, tmp_path):
    table = json.loads(hub.at(NOW).root())
    table["signatures"] = table["signatures"][:1]
    with pytest.raises(BadRelease):
        Trust(tmp_path / "new", clock=lambda: NOW).establish(json.dumps(table).encode())


def test_another_root_of_trust_does_not_replace_the_first(trust, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(Conflict, match="another root"):
        trust.establish(Hub(tmp_path / "other").at(NOW).root())


def test_a_hub_with_other_keys_is_not_believed(trust, tmp_path):
    (tmp_path / "other").mkdir()
    other = Hub(tmp_path / "other")
    other.publish()
    with pytest.raises(BadRelease, match="not signed"):
        trust.open(other.fetch)


@pytest.mark.parametrize("name", ["timestamp.json", "2.snapshot.json", "2.targets.json"])
def test_altered_metadata_is_refused(trust, hub, name):
    path = hub.file(name)
    table = json.loads(path.read_bytes())
    table["signed"]["version"] += 1
    path.write_text(json.dumps(table))
    with pytest.raises(BadRelease):
        take(trust, hub)


@pytest.mark.parametrize("damage", [b"two", b"", b"one and more", b"o"])
def test_an_altered_file_is_refused_and_nothing_of_it_is_kept(trust, hub, damage):
    hub.file("files/*").write_bytes(damage)
    with pytest.raises(BadRelease):
        take(trust, hub)
    release = trust.open(hub.fetch).release()
    assert not (trust.folder / "files" / release.backbone_sha256).exists()


def test_a_file_without_end_is_cut_off(trust, hub):
    def endless(key):
        if "files/" not in key:
            yield from hub.fetch(key)
            return
        while True:
            yield bytes(1 << 16)

    session = trust.open(endless)
    with pytest.raises(BadRelease):
        session.fetch(session.release())


def test_an_old_release_that_is_played_again_is_refused(trust, hub, tmp_path):
    shutil.copytree(hub.folder / "repository", tmp_path / "old")
    hub.publish(b"two", number=2)
    take(trust, hub)
    shutil.rmtree(hub.folder / "repository")
    shutil.copytree(tmp_path / "old", hub.folder / "repository")
    with pytest.raises(BadRelease, match="older than what was seen"):
        trust.open(hub.fetch)


def test_what_was_seen_is_remembered_by_a_new_process(trust, hub, tmp_path):
    shutil.copytree(hub.folder / "repository", tmp_path / "old")
    hub.publish(b"two", number=2)
    take(trust, hub)
    shutil.rmtree(hub.folder / "repository")
    shutil.copytree(tmp_path / "old", hub.folder / "repository")
    with pytest.raises(BadRelease):
        Trust(trust.folder, clock=lambda: NOW).open(hub.fetch)


def test_expired_metadata_is_refused_with_what_to_do(trust, hub, clock):
    clock[0] = NOW + timedelta(days=366)
    with pytest.raises(BadRelease, match="trainer release sign"):
        trust.open(hub.fetch)


def test_renewed_signatures_hold_again(trust, hub, clock):
    clock[0] = NOW + timedelta(days=366)
    hub.at(clock[0]).sign(hub.keys)
    assert trust.open(hub.fetch).release().number == 1


def test_a_clock_that_was_set_back_does_not_bring_expired_metadata_to_life(trust, hub, clock, tmp_path):
    shutil.copytree(hub.folder / "repository", tmp_path / "old")
    later = NOW + timedelta(days=380)
    hub.at(later).sign(hub.keys, force=True)
    hub.publish(b"two", now=later, number=2)
    clock[0] = later
    take(trust, hub)
    for name in ("timestamp.json", "snapshot.json", "targets.json"):  # as if that much of the memory was lost
        (trust.folder / "metadata" / name).unlink(missing_ok=True)
    shutil.rmtree(hub.folder / "repository")
    shutil.copytree(tmp_path / "old", hub.folder / "repository")
    clock[0] = datetime(1970, 1, 2, tzinfo=UTC)
    with pytest.raises(BadRelease, match="expired"):
        trust.open(hub.fetch)


def test_a_clock_that_was_once_decades_ahead_does_not_lock_the_device_out(trust, hub, clock):
    take(trust, hub)
    clock[0] = NOW + timedelta(days=30 * 365)
    with pytest.raises(BadRelease, match="expired"):
        trust.open(hub.fetch)
    clock[0] = NOW + timedelta(days=1)
    assert trust.open(hub.fetch).release().number == 1


def test_nothing_published_says_so(trust):
    def nothing(key):
        raise NotFound(f"no {key}")
        yield b""

    with pytest.raises(NotFound, match="publish"):
        trust.open(nothing)


def test_a_remote_that_fails_is_told_apart_from_one_that_lies(trust):
    def broken(_):
        raise StoreUnavailable("the cable is out; plug it in")
        yield b""

    with pytest.raises(StoreUnavailable, match="cable"):
        trust.open(broken)


def test_memory_that_was_damaged_heals_at_the_next_refresh(trust, hub):
    take(trust, hub)
    for name in ("timestamp.json", "snapshot.json", "targets.json"):
        (trust.folder / "metadata" / name).write_bytes(b"garbage")
    assert trust.open(hub.fetch).release().number == 1


# --- keys that change ------------------------------------------------------------------------------------------------


def test_a_new_online_key_counts_once_enough_root_keys_have_signed_it(trust, hub):
    old = hub.keys["online"][0].public_key.keyid
    add_key(hub.folder / "keys", "online", None)
    new = load_keys(hub.folder / "keys", "online", None)[1:]
    repository = hub.at(NOW)
    assert repository.draft({"online": new}, [old], None) == 2
    assert repository.sign({"root": hub.keys["root"][:1], "targets": [], "online": []}).root_missing == 1
    assert repository.sign({"root": hub.keys["root"][1:2], "targets": [], "online": []}).root_missing == 0
    hub.keys["online"] = new
    hub.publish(b"two", number=2)
    assert trust.open(hub.fetch).release().number == 2


def test_a_key_that_was_taken_out_signs_nothing_any_more(hub):
    old = hub.keys["online"]
    add_key(hub.folder / "keys", "online", None)
    new = load_keys(hub.folder / "keys", "online", None)[1:]
    repository = hub.at(NOW)
    repository.draft({"online": new}, [old[0].public_key.keyid], None)
    repository.sign({"root": hub.keys["root"][:2], "targets": [], "online": []})
    with pytest.raises(InvalidArgument, match="none of the keys"):
        repository.sign({"root": [], "targets": [], "online": old}, force=True)


def test_taking_out_the_last_keys_of_a_role_is_refused(hub):
    with pytest.raises(InvalidArgument, match="add one first"):
        hub.at(NOW).draft({}, [hub.keys["targets"][0].public_key.keyid], None)


def test_keys_under_a_passphrase_need_it(tmp_path):
    make_keys(tmp_path / "keys", {"root": 1}, "open sesame")
    assert len(load_keys(tmp_path / "keys", "root", "open sesame")) == 1
    with pytest.raises(InvalidArgument, match="EDGE_KEYS_PASSPHRASE"):
        load_keys(tmp_path / "keys", "root", None)


def test_keys_are_readable_by_their_owner_only(tmp_path):
    [key] = make_keys(tmp_path / "keys", {"root": 1}, None)
    assert key.path.stat().st_mode & 0o077 == 0


def test_keys_are_never_replaced(tmp_path):
    make_keys(tmp_path / "keys", {"root": 1}, None)
    with pytest.raises(Conflict):
        make_keys(tmp_path / "keys", {"root": 2}, None)


# --- documents -------------------------------------------------------------------------------------------------------

GOOD = Release(1, NOW, "", "net", "a" * 64, {"tflite": "a" * 64, "toml": "b" * 64}, {"m": "c" * 64})


def test_a_release_reads_back_as_it_was_written():
    assert Release.from_bytes(GOOD.to_bytes()) == GOOD


@pytest.mark.parametrize(
    "change",
    [
        {"number": 0},
        {"number": True},
        {"number": 2**40},
        {"number": "7"},
        {"created": "yesterday"},
        {"backbone": {"name": "../net", "sha256": "a" * 64, "files": {"tflite": "a" * 64, "toml": "b" * 64}}},
        {"backbone": {"name": "net", "sha256": "a" * 64, "files": {"tflite": "b" * 64, "toml": "b" * 64}}},
        {"backbone": {"name": "net", "sha256": "a" * 64, "files": {"tflite": "a" * 64}}},
        {"backbone": {"name": "net", "sha256": "a" * 64, "files": {"tflite": "a" * 64, "toml": "b" * 64, "so": "c"}}},
        {"backbone": []},
        {"models": {"m": "../../etc/passwd"}},
        {"models": {str(n): "c" * 64 for n in range(300)}},
        {"models": None},
        {"format": 2},
    ],
)
def test_a_release_that_cannot_be_is_refused(change):
    with pytest.raises(BadRelease):
        Release.from_bytes(json.dumps({**json.loads(GOOD.to_bytes()), **change}).encode())


@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b"null", b"\xff\xfe", b" " * (2 << 20)])
def test_bytes_that_are_no_release_are_refused(data):
    with pytest.raises(BadRelease):
        Release.from_bytes(data)


MODEL = ReleasedModel(b'{"a": 1}', b"head", frozenset({input_key("x"), input_key("y")}), {input_key("x"): (1, 2)})


def test_a_released_model_reads_back_as_it_was_written():
    assert ReleasedModel.from_bytes(MODEL.to_bytes()) == MODEL


@pytest.mark.parametrize(
    "change",
    [
        {"head": "no base64!"},
        {"seen": "AAAA"},
        {"verdicts": {"xyz": [1, 1]}},
        {"verdicts": {"00" * 8: [2, 1]}},
        {"verdicts": {"00" * 8: [True, 1]}},
        {"verdicts": {"00" * 8: [0]}},
        {"verdicts": []},
        {"record": []},
    ],
)
def test_a_released_model_that_cannot_be_is_refused(change):
    with pytest.raises(BadRelease):
        ReleasedModel.from_bytes(json.dumps({**json.loads(MODEL.to_bytes()), **change}).encode())

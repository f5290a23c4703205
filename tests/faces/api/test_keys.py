"""Keys: made, checked, revoked; what of them is on disk."""

import stat

import pytest

from edge.errors import InvalidArgument, NotFound
from edge.faces.api.keys import ANYONE, Keys


def test_a_secret_is_known_again_and_stands_nowhere_on_disk(keys, engine):
    made, secret = keys.create("phone", ["predict", "read"])
    assert made.scopes == ("read", "predict")
    assert keys.check(secret).name == "phone"
    assert keys.check(secret[:-1]) is None
    for path in engine.store.path.glob("service.sqlite*"):
        assert secret.encode() not in path.read_bytes()


def test_the_file_is_its_owners_only(keys, engine):
    keys.create("phone")
    for path in engine.store.path.glob("service.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_another_process_sees_a_new_key_and_a_revoked_one_at_once(keys, engine):
    other = Keys(engine.store.path)
    try:
        _, secret = other.create("phone")
        assert keys.needed
        assert keys.check(secret) is not None
        other.revoke("phone")
        assert keys.check(secret) is None
    finally:
        other.close()


@pytest.mark.parametrize("header", [None, "", "Key", "Key ", "Basic {}", "{}", "Key {} x", "key\t{}"])
def test_only_a_whole_header_counts(keys, header):
    _, secret = keys.create("phone")
    assert keys.caller(None if header is None else header.format(secret), local=True) is None
    assert keys.caller(f"key  {secret} ", local=False).name == "phone"
    assert keys.caller(f"Bearer {secret}", local=False).name == "phone"


def test_without_any_key_only_this_machine_may_ask(keys):
    assert keys.caller(None, local=True) == ANYONE
    assert keys.caller(None, local=False) is None


def test_names_are_unique_among_keys_in_use(keys):
    keys.create("phone")
    with pytest.raises(InvalidArgument, match="revoke"):
        keys.create("phone")
    keys.revoke("phone")
    keys.create("phone")
    assert [one.revoked_at is None for one in keys.list()] == [False, True]
    with pytest.raises(NotFound):
        keys.revoke("none")


@pytest.mark.parametrize(("name", "scopes"), [("", ["read"]), ("a", []), ("a", ["admin"]), ("a/b", ["read"])])
def test_a_key_that_cannot_be_is_refused(keys, name, scopes):
    with pytest.raises(InvalidArgument):
        keys.create(name, scopes)
    assert not keys.needed

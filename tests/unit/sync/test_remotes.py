"""Remotes by name and URL: credentials stay where they belong, and nothing is shown that must not be."""

import os
import subprocess
import sys

import pytest

from edge.engine.remotes import Remotes
from edge.errors import Conflict, InvalidArgument, NotFound, RemoteRefused, RuntimeMissing, StoreCorrupt
from edge.sync.registry import Known, Registry
from edge.sync.remotes import catalogue
from edge.sync.remotes.catalogue import open_remote, parse, secrets_of

HOME = Known("home", "https://ann:secret@example.org/x", "a" * 32, True, True)


def credentials(folder, text, mode=0o600):
    path = folder / "sync/credentials.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_remote_is_kept_and_forgotten(tmp_path):
    registry = Registry(tmp_path)
    registry.add(HOME)
    assert registry.all() == [registry.get("home")] == [registry.only()] == [HOME]
    registry.remove("home")
    assert registry.all() == []
    with pytest.raises(NotFound):
        registry.remove("home")


def test_the_file_with_the_urls_is_the_owners_only(tmp_path):
    Registry(tmp_path).add(HOME)
    assert (tmp_path / "sync/remotes.json").stat().st_mode & 0o077 == 0


def test_a_url_is_shown_without_its_password():
    assert "secret" not in HOME.shown


def test_a_name_is_not_given_to_another_place(tmp_path):
    registry = Registry(tmp_path)
    registry.add(HOME)
    registry.add(Known("home", "https://example.org/moved", "a" * 32, True, True))
    with pytest.raises(Conflict):
        registry.add(Known("home", "https://example.org/x", "b" * 32, True, True))
    assert registry.get("home").url == "https://example.org/moved"


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "-a", "a" * 65, "a\n"])
def test_a_name_that_would_be_a_nuisance_is_refused(tmp_path, name):
    with pytest.raises(InvalidArgument):
        Registry(tmp_path).add(Known(name, "/x", "a" * 32, True, True))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"home": 1}', '{"home": {"url": "x"}}', "\xff"])
def test_a_damaged_file_is_said(tmp_path, text):
    (tmp_path / "sync").mkdir()
    (tmp_path / "sync/remotes.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreCorrupt, match="delete it"):
        Registry(tmp_path).all()


# --- URLs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "ftp://x/y", "x" * 3000, "/a\nb", "s3://[", "nothing://"])
def test_what_is_no_url_of_a_remote_is_refused(url):
    with pytest.raises(InvalidArgument):
        open_remote(url, {}, {})


@pytest.mark.parametrize(
    "url", ["s3:///folder", "s3://user:pw@bucket/x", "s3://bucket?secret=1", "gs://bucket?a=b", "file://host/x"]
)
def test_a_url_that_says_too_little_or_too_much_is_refused_without_its_secret(url):
    with pytest.raises(InvalidArgument) as caught:
        open_remote(url, {"access_key_id": "k", "secret_access_key": "geheim"}, {})
    assert "pw" not in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://bucket/x", "gs://bucket/x", "az://container/x?account=me"])
def test_a_bucket_without_credentials_is_said_before_anything_is_asked(url):
    with pytest.raises(RemoteRefused, match="credentials"):
        open_remote(url, {}, {})


@pytest.mark.parametrize(
    ("url", "secrets", "environ"),
    [
        ("s3://bucket/x?region=eu-west-1", {"access_key_id": "k", "secret_access_key": "s"}, {}),
        ("s3://bucket", {}, {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}),
        ("s3://bucket/x?anonymous=true&endpoint=http://minio.lan:9000", {}, {}),
        ("az://container/x?account=me", {"account_key": "aGVsbG8="}, {}),
        ("gs://bucket/x?anonymous=true", {}, {}),
        ("https://ann:pw@example.org/x", {}, {}),
    ],
)
def test_stores_open_without_asking_anybody(url, secrets, environ):
    remote = open_remote(url, secrets, environ)
    assert "pw" not in remote.shown
    remote.close()


def test_a_path_is_a_folder(tmp_path):
    assert parse("stick").path == os.path.abspath("stick")  # noqa: PTH100 as a shell means it
    assert parse(f"file://{tmp_path}").path == str(tmp_path)


def test_a_bucket_without_the_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(RuntimeMissing, match="edge-concepts\\[sync\\]"):
        open_remote("s3://bucket/x", {"access_key_id": "k", "secret_access_key": "s"}, {})


def test_a_folder_needs_no_package(tmp_path):
    code = f"from edge.sync.remotes.catalogue import open_remote; open_remote({str(tmp_path)!r}).close()"
    more = "import sys; print([one for one in ('obstore', 'numpy', 'cryptography', 'tuf') if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{code}; {more}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- credentials -----------------------------------------------------------------------------------------------------


def test_credentials_are_read_by_the_remotes_name(tmp_path):
    credentials(tmp_path, '[home]\naccess_key_id = "k"\n[other]\naccess_key_id = "x"\n')
    assert secrets_of(tmp_path, "home") == {"access_key_id": "k"}
    assert secrets_of(tmp_path, "third") == {}
    assert secrets_of(tmp_path / "nowhere", "home") == {}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o660, 0o700 | 0o004])
def test_credentials_that_others_may_read_are_refused(tmp_path, mode):
    credentials(tmp_path, '[home]\naccess_key_id = "k"\n', mode)
    with pytest.raises(RemoteRefused, match="chmod 600"):
        secrets_of(tmp_path, "home")


@pytest.mark.parametrize(
    "text", ["[home\nsecret = 'geheim'", "home = 'geheim'", "[home]\nkey = 7", "[home]\nx = geheim"]
)
def test_damaged_credentials_are_said_without_what_is_in_them(tmp_path, text):
    credentials(tmp_path, text)
    with pytest.raises(RemoteRefused) as caught:
        secrets_of(tmp_path, "home")
    assert "geheim" not in str(caught.value)


def test_what_a_store_says_of_a_request_does_not_hold_its_signature():
    from edge.sync.remotes.store import ObjectStoreRemote

    remote = ObjectStoreRemote(None, "s3://bucket")
    text = (
        "Generic error: error sending request for url (https://x/?X-Amz-Credential=AKIA77%2Fs3&X-Amz-Signature=ab12cd&"
        'sig=zz99) "Bearer qq55" token=tt44'
    )
    said = str(remote._said(ValueError(text), "edge/1/a"))
    assert not [one for one in ("AKIA77", "ab12cd", "zz99", "qq55", "tt44") if one in said]
    remote.close()


def test_a_remote_is_not_used_by_a_forked_child():
    from edge.sync.remotes.store import ObjectStoreRemote

    remote = ObjectStoreRemote(None, "s3://bucket")
    remote._process += 1
    with pytest.raises(RemoteRefused, match="another process"):
        remote.get("edge/1/a")
    remote._process -= 1
    remote.close()


# --- the store's remotes ---------------------------------------------------------------------------------------------


def test_what_cannot_be_opened_is_not_kept(tmp_path):
    with pytest.raises(RemoteRefused):
        Remotes(tmp_path, {}).add("home", str(tmp_path / "nowhere"))
    assert Registry(tmp_path).all() == []


def test_the_same_place_may_be_added_again(tmp_path):
    (tmp_path / "stick").mkdir()
    remotes = Remotes(tmp_path, {})
    first, found = remotes.add("home", str(tmp_path / "stick"))
    again, _ = remotes.add("home", str(tmp_path / "stick"), "none")
    assert first.id == again.id
    assert (again.pictures, found.conditions) == ("none", True)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1, "id": "../../x"}', '{"format": 1, "id": 7}', "[1]"])
def test_a_mark_that_is_damaged_is_refused(tmp_path, text):
    (tmp_path / "stick/edge/1").mkdir(parents=True)
    (tmp_path / "stick/edge/1/remote.json").write_text(text)
    with pytest.raises(RemoteRefused, match="damaged"):
        Remotes(tmp_path, {}).add("home", str(tmp_path / "stick"))


def test_a_remote_of_a_newer_release_is_refused(tmp_path):
    (tmp_path / "stick/edge/1").mkdir(parents=True)
    (tmp_path / "stick/edge/1/remote.json").write_text('{"format": 2, "id": "x"}')
    with pytest.raises(RemoteRefused, match="newer release"):
        Remotes(tmp_path, {}).add("home", str(tmp_path / "stick"))


def test_every_remote_in_the_table_is_there():
    for name in catalogue.REMOTES.values():
        module, _, attribute = name.partition(":")
        assert callable(getattr(sys.modules.get(module) or __import__(module, fromlist=["x"]), attribute))

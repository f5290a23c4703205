"""key, service and what serve refuses, on the command line."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edge.faces.api import unit


@pytest.fixture(autouse=True)
def store(answer):
    answer("init", "--backbone", "fake")


def test_a_keys_secret_is_shown_once(answer, edge):
    made = answer("key", "create", "phone", "--scope", "read", "--scope", "predict")
    assert len(made["key"]) == 48
    listed = answer("key", "list")["keys"]
    assert [(one["name"], one["scopes"], one["revoked_at"]) for one in listed] == [("phone", ["read", "predict"], None)]
    assert made["key"] not in edge("key", "list").stdout
    assert answer("key", "revoke", "phone")["revoked_at"] is not None
    assert edge("key", "revoke", "phone").exit_code == 3


def test_a_new_key_stands_alone_so_that_it_can_be_written_to_a_file(edge):
    done = edge("key", "create", "phone")
    assert len(done.stdout.strip()) == 48 and len(done.stdout.splitlines()) == 1
    assert "phone" in done.stderr


def test_a_scope_that_is_none_is_refused(edge):
    assert edge("key", "create", "x", "--scope", "admin").exit_code == 2


def test_serving_others_without_a_key_is_refused_with_what_to_do(edge):
    done = edge("serve", "--host", "0.0.0.0", "--no-grpc")
    assert done.exit_code == 2
    assert "edge key create" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--url-alias", "x"],
        ["--port", "70000"],
        ["--tls-cert", "a.pem"],
        ["--name", "a.example"],
        ["--tls", "--name", "a b"],
    ],
)
def test_options_that_cannot_be_are_refused(edge, options):
    assert edge("serve", "--no-grpc", *options).exit_code == 2


def test_the_unit_can_be_seen_before_it_is_installed(edge, tmp_path):
    text = edge("service", "install", "--print", "--user", "pi", "--host", "0.0.0.0", "--tls").stdout
    assert f"--store {(tmp_path / 'store').resolve()} serve --host 0.0.0.0 --tls" in text
    assert "User=pi\n" in text and "WantedBy=multi-user.target" in text
    assert "CAP_NET_BIND_SERVICE" not in text


def test_a_low_port_brings_the_right_to_use_it(tmp_path):
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in unit.unit(tmp_path, ["--port", "443"], "pi")
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in unit.unit(tmp_path, ["--port=80"], "pi")


def test_the_unit_starts_elsewhere_so_its_files_are_named_whole(tmp_path):
    options = [
        "--tls-cert",
        "a.pem",
        "--tls-key=b.pem",
        "--url-alias",
        "http://x.example/=pictures",
        "--tls",
        "--watch",
        "w",
    ]
    here = Path.cwd()
    words = next(line for line in unit.unit(tmp_path, options, "pi").splitlines() if line.startswith("ExecStart="))
    assert words.endswith(
        f"serve --tls-cert={here}/a.pem --tls-key={here}/b.pem --url-alias=http://x.example/={here}/pictures --tls "
        f"--watch={here}/w"
    )


def test_what_serve_would_refuse_at_every_start_is_refused_at_once(edge):
    assert edge("service", "install", "--print", "--user", "pi", "--prot", "80").exit_code == 2


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    store = tmp_path / 'a b%c$d"e'
    options = ["--tls", "--tls-folder", str(tmp_path / "t l s"), "--port", "443"]
    place = tmp_path / "edge-concepts.service"
    place.write_text(unit.unit(store, options, "root"))
    done = subprocess.run(["systemd-analyze", "verify", str(place)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f'ReadWritePaths="{tmp_path}/a b%%c$d\\"e" "-{tmp_path}/t l s"' in place.read_text()


def test_what_systemd_would_replace_is_quoted(tmp_path):
    text = unit.unit(tmp_path / 'a b%c$d"e', ["--host", "x"], "pi")
    assert r'a b%%c$$d\"e" serve' in text
    assert r'a b%%c$d\"e"' in next(line for line in text.splitlines() if line.startswith("ReadWritePaths="))


def test_uninstalling_what_is_not_there_says_so(tmp_path):
    from edge.errors import NotFound

    with pytest.raises(NotFound):
        unit.uninstall(tmp_path / "none.service")

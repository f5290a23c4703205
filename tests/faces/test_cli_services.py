"""key, service and what serve refuses, on the command line."""

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


def test_a_new_key_stands_alone_on_the_first_line(edge):
    lines = edge("key", "create", "phone").stdout.splitlines()
    assert len(lines[0]) == 48 and "phone" in lines[1]


def test_a_scope_that_is_none_is_refused(edge):
    assert edge("key", "create", "x", "--scope", "admin").exit_code == 2


def test_serving_others_without_a_key_is_refused_with_what_to_do(edge):
    done = edge("serve", "--host", "0.0.0.0", "--no-grpc")
    assert done.exit_code == 2
    assert "edge key create" in done.stderr


@pytest.mark.parametrize("options", [["--url-alias", "x"], ["--port", "70000"], ["--tls-cert", "a.pem"]])
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


def test_what_systemd_would_replace_is_quoted(tmp_path):
    text = unit.unit(tmp_path / 'a b%c$d"e', ["--host", "x"], "pi")
    assert r'a b%%c$$d\"e" serve' in text
    assert r'a b%%c$d\"e"' in next(line for line in text.splitlines() if line.startswith("ReadWritePaths="))


def test_uninstalling_what_is_not_there_says_so(tmp_path):
    from edge.errors import NotFound

    with pytest.raises(NotFound):
        unit.uninstall(tmp_path / "none.service")

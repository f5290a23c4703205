"""``edge serve`` as a process: it listens, answers, keeps what it acknowledged, and stops."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from edge import Engine
from edge.errors import InvalidArgument, StoreUnavailable
from edge.faces.api.keys import Keys
from edge.faces.api.options import Options
from edge.faces.api.serve import _listener, check_reach

SETTING = """
import sys
from edge.faces.api import serve
from edge.faces.cli.app import main
name, value = sys.argv.pop(1).split("=")
assert hasattr(serve, name)
setattr(serve, name, int(value))
main()
"""


@contextmanager
def serving(store, *options, setting=None):
    """The process and the port it listens on; ``setting``: "_IDLE=1", one of its limits made small."""
    start = ["-m", "edge.faces.cli"] if setting is None else ["-c", SETTING, setting]
    command = [sys.executable, *start, "--store", str(store), "--json", "serve", "--port", "0"]
    process = subprocess.Popen([*command, "--no-grpc", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read().decode()
        yield process, int(json.loads(line)["url"].rpartition(":")[2])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.fixture
def store(tmp_path, config):
    Engine.open(tmp_path / "store", backbone="fake", config=config).close()
    return tmp_path / "store"


def asked(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_it_answers_logs_lines_of_json_and_stops_when_told(store, png):
    with serving(store) as (process, port):
        body = {"inputs": [{"data": {"image": {"base64": base64.b64encode(png()).decode()}}}]}
        assert asked(port, "POST", "/v2/inputs", body)[0] == 200
        assert asked(port, "GET", "/healthz") == (200, {"status": "ok"})
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
        assert [line["path"] for line in lines] == ["/v2/inputs", "/healthz"]


def test_an_input_by_url_that_was_acknowledged_survives_a_kill(store, png, tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "a.png").write_bytes(png())
    url = "http://192.0.2.1/a.png"  # nobody is there (RFC 5737): it is still waiting when the process dies
    alias = ["--url-alias", f"http://192.0.2.1/={folder}"]
    with serving(store, "--allow-private-urls") as (process, port):
        _, answer = asked(port, "POST", "/v2/inputs", {"inputs": [{"data": {"image": {"url": url}}}]})
        assert answer["inputs"][0]["status"]["code"] == 30001
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    with serving(store, *alias) as (_, port):
        path = f"/v2/inputs/{answer['inputs'][0]['id']}"
        for _ in range(200):
            _, found = asked(port, "GET", path)
            if found["input"]["status"]["code"] != 30001:
                break
            time.sleep(0.05)
        assert found["input"]["status"]["code"] == 30000


def test_a_training_that_runs_is_finished_before_it_stops(store, item):
    with serving(store) as (process, port):
        inputs = [item("red", seed, {"red": 1}) for seed in range(4)]
        inputs += [item("green", seed, {"red": 0}) for seed in range(4)]
        asked(port, "POST", "/v2/inputs", {"inputs": inputs})
        model = {"model": {"id": "m", "output_info": {"data": {"concepts": [{"id": "red"}]}}}}
        asked(port, "POST", "/v2/models", model)
        assert asked(port, "POST", "/v2/models/m/versions")[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with Engine.open(store, create=False) as engine:
        assert engine.model("m").versions()[0].status.value == "MODEL_TRAINED"


def test_slow_broken_and_silent_clients_do_not_stop_the_others(store):
    half = b"POST /v2/inputs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
    sent = [b"", b"G", b"\x16\x03\x01\x02\x00", b"GET / HTTP/9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", half]
    with serving(store) as (_, port):
        held = []
        for data in sent * 5:
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(data)
            held.append(one)
        assert asked(port, "GET", "/v2/inputs")[0] == 200
        for one in held:
            one.close()
        assert asked(port, "GET", "/v2/inputs")[0] == 200


def ended(connection):
    """Whether the service lets go of a connection on which nothing happens, within half a minute."""
    connection.settimeout(30)
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"])
def test_who_connects_and_says_nothing_or_too_little_is_let_go(store, sent):
    with serving(store, setting="_IDLE=1") as (_, port), socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(sent)
        assert ended(one)


def test_who_goes_on_asking_keeps_the_connection_and_is_let_go_when_done(store):
    with serving(store, setting="_IDLE=1") as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.connect()
        first = connection.sock
        for _ in range(6):
            time.sleep(0.3)  # longer than the limit in all, never at once
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()
            assert connection.sock is first
        assert ended(first)
        connection.close()


def test_connections_beyond_the_limit_are_closed_and_the_others_are_answered(store):
    with serving(store, setting="_CONNECTIONS=4") as (_, port):
        held = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(4)]
        for one in held:
            one.request("GET", "/healthz")
            assert one.getresponse().read()
        with socket.create_connection(("127.0.0.1", port)) as another:
            assert ended(another)
        held[0].request("GET", "/healthz")
        assert held[0].getresponse().status == 200
        held[0].close()
        for _ in range(100):  # its place is free as soon as the service has noticed
            try:
                assert asked(port, "GET", "/healthz")[0] == 200
                break
            except (ConnectionError, http.client.HTTPException):
                time.sleep(0.05)
        else:
            raise AssertionError("the place that became free was never given away")
        for one in held:
            one.close()


def test_a_body_that_is_too_large_is_refused_with_an_answer_not_a_reset(store):
    (store / "service.toml").write_text("max_body = 1000\n")
    with serving(store) as (_, port):
        status, answer = asked(port, "POST", "/v2/inputs", {"x": "y" * 3_000_000})
        assert (status, answer["status"]["code"]) == (413, 40033)


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StoreUnavailable, match=str(port)), _listener(Options(port=port)):
            pass


def test_small_answers_are_sent_at_once():
    """asyncio switches Nagle's algorithm off only where a socket says that it is TCP."""
    with _listener(Options(port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_without_keys_nobody_else_can_reach_it(store):
    keys = Keys(store)
    try:
        for host in ("0.0.0.0", "::", "192.0.2.1", "raspberrypi.local"):
            with pytest.raises(InvalidArgument, match="edge key create"):
                check_reach(keys, Options(host=host))
        for host in ("127.0.0.1", "::1", "localhost"):
            check_reach(keys, Options(host=host))
        keys.create("phone")
        check_reach(keys, Options(host="0.0.0.0"))
    finally:
        keys.close()


# --- service.toml ----------------------------------------------------------------------------------------------------


def test_settings_come_from_the_file_and_options_go_before_them(tmp_path):
    text = 'port = 9000\napp = "barn"\nfetch_seconds = 3\n[aliases]\n"https://samples.example/" = "/srv/samples"\n'
    (tmp_path / "service.toml").write_text(text)
    found = Options.read(tmp_path, port=9001, host=None)
    assert (found.port, found.app, found.host, found.fetch_seconds) == (9001, "barn", "127.0.0.1", 3)
    assert os.fspath(found.aliases["https://samples.example/"]) == "/srv/samples"


@pytest.mark.parametrize(
    "text", ["port = 'x'", "nothing = 1", "port", "tls = 1", "aliases = 'x'", "queue = 0", "port = true", "app = 5"]
)
def test_a_setting_that_cannot_be_is_named(tmp_path, text):
    (tmp_path / "service.toml").write_text(text)
    with pytest.raises(InvalidArgument, match=r"service\.toml"):
        Options.read(tmp_path)

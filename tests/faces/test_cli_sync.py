"""remote and sync: what people see, what scripts get, and how a failure ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from edge.faces.cli import main
from edge.sync.registry import Known, Registry
from tests.integration.meetings import ENVIRON, picture
from tests.unit.sync.test_retention import photograph


@pytest.fixture
def edge(tmp_path):
    """``edge("gate", "sync")``: the exit code, standard output and standard error; ``json=True`` parses the output."""

    def run(store, *arguments, json_=False):
        given = ["--store", str(tmp_path / store), *(["--json"] if json_ else []), *map(str, arguments)]
        done = CliRunner().invoke(main, given)
        return done.exit_code, json.loads(done.stdout) if json_ and done.stdout else done.stdout, done.stderr

    for store in ("gate", "barn"):
        run(store, "init", "--backbone", "fake")
    (tmp_path / "stick").mkdir()
    for seed in range(3):
        (tmp_path / f"{seed}.png").write_bytes(picture(seed))
    return run


@pytest.fixture
def joined(edge, tmp_path):
    """As ``edge``, with both stores around a stick, and two pictures at the gate."""
    for store in ("gate", "barn"):
        assert edge(store, "remote", "add", "stick", tmp_path / "stick")[0] == 0
    edge("gate", "add", tmp_path / "0.png", tmp_path / "1.png", "--concept", "ripe")
    return edge


def test_labels_and_pictures_get_from_one_store_to_another(joined):
    assert joined("gate", "sync")[0] == 0
    code, said, _ = joined("barn", "sync")
    assert code == 0
    assert "2 pictures" in said
    assert len(joined("barn", "inputs", json_=True)[1]["inputs"]) == 2


def test_a_dry_run_says_what_there_is_and_does_nothing(joined, tmp_path):
    code, said, _ = joined("gate", "sync", "--dry-run")
    assert (code, "2 pictures" in said, "nothing was done" in said) == (0, True, True)
    assert not (tmp_path / "stick/edge/1/blobs").exists()


@pytest.mark.parametrize(
    "options",
    ["--max-bytes 0", "--max-bytes five", "--rate -1", "--max-seconds 0", "--dry-run --watch"],
)
def test_options_that_make_no_sense_are_usage_errors(joined, options):
    assert joined("gate", "sync", *options.split())[0] == 2


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("500k", 500_000), ("1.5M", 1_500_000), ("2GB", 2 * 10**9)])
def test_bytes_are_written_as_people_do(text, size):
    from edge.faces.cli.sizes import Bytes

    assert Bytes().convert(text, None, None) == size


def test_what_a_limit_left_is_said(joined, tmp_path):
    (tmp_path / "large.png").write_bytes(photograph(1))
    joined("gate", "add", tmp_path / "large.png", "--concept", "ripe")
    met = joined("gate", "sync", "--max-bytes", "5k", json_=True)[1]
    assert met["stopped"]
    assert met["to_send"]["pictures"] == 3
    assert "the next sync goes on" in joined("gate", "sync", "--max-bytes", "1")[1]


def test_no_remote_is_not_found(edge):
    assert edge("gate", "sync")[0] == 3
    assert edge("gate", "sync", "nowhere")[0] == 3
    assert edge("gate", "remote", "check", "nowhere")[0] == 3


def test_a_stick_that_is_not_there_is_said_and_its_place_stays_empty(joined, tmp_path):
    (tmp_path / "stick").rename(tmp_path / "away")
    (tmp_path / "stick").mkdir()
    code, _, said = joined("gate", "sync")
    assert code == 5
    assert "mount the stick" in said
    assert list((tmp_path / "stick").iterdir()) == []


def test_a_store_must_be_there(tmp_path):
    done = CliRunner().invoke(main, ["--store", str(tmp_path / "none"), "sync"])
    assert done.exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_is_damaged_is_left_out_and_the_others_go(joined, tmp_path):
    blob = next((tmp_path / "gate/blobs").glob("*/*"))
    blob.write_bytes(b"rotten")
    code, met, said = joined("gate", "sync", json_=True)
    assert code == 2
    assert (met["pictures_sent"], len(met["refused"])) == (1, 1)
    assert json.loads(said)["error"]["code"] == "some_left_out"


def test_originals_leave_and_come_back(edge, tmp_path):
    edge("gate", "remote", "add", "stick", tmp_path / "stick")
    (tmp_path / "large.png").write_bytes(photograph(1, (960, 720)))
    edge("gate", "add", tmp_path / "large.png")
    edge("gate", "sync")
    before = [path for path in (tmp_path / "gate/blobs").glob("*/*") if path.is_file()]
    assert edge("gate", "remote", "thin", "--older-than", "0", json_=True)[1]["pictures"] == 1
    assert [path for path in before if path.exists()] == []
    id = edge("gate", "inputs", json_=True)[1]["inputs"][0]["id"]
    assert edge("gate", "remote", "fetch", id[:12], json_=True)[1] == {"fetched": 1}
    assert [path for path in before if path.exists()] == before


def test_a_sync_leaves_originals_to_the_remote_when_it_is_told_to(edge, tmp_path):
    edge("gate", "remote", "add", "stick", tmp_path / "stick")
    (tmp_path / "large.png").write_bytes(photograph(1, (960, 720)))
    edge("gate", "add", tmp_path / "large.png")
    assert "thinned" not in edge("gate", "sync", "--dry-run", "--thin", "0", json_=True)[1]
    assert edge("gate", "sync", "--thin", "1", json_=True)[1]["thinned"]["pictures"] == 0  # it is younger than a day
    again = edge("gate", "sync", "--thin", "0", json_=True)[1]
    assert (again["thinned"]["pictures"], again["thinned"]["absent"]) == (1, 0)
    assert not [path for path in (tmp_path / "gate/blobs").glob("*/*") if path.is_file()]
    assert "0 originals left to the remote" in edge("gate", "sync", "--thin", "0")[1]


def test_a_password_is_never_printed(edge):
    for as_json in (False, True):
        for arguments in (("remote", "add", "web", "http://ann:geheim@127.0.0.1:9/x"), ("remote", "list")):
            code, out, said = edge("gate", *arguments, json_=as_json)
            assert "geheim" not in f"{code}{out}{said}"


def test_watching_goes_on_when_something_changes(joined, tmp_path):
    command = [sys.executable, "-m", "edge.faces.cli", "--store", str(tmp_path / "gate"), "--json", "sync", "--watch"]
    with subprocess.Popen([*command, "--every", "1"], stdout=subprocess.PIPE, text=True) as process:
        first = json.loads(process.stdout.readline())
        joined("gate", "add", tmp_path / "2.png")
        sent, began = 0, time.monotonic()
        while not sent and time.monotonic() - began < 60:
            sent = json.loads(process.stdout.readline())["pictures_sent"]
        process.terminate()
    assert (first["pictures_sent"], sent) == (2, 1)


@pytest.mark.usefixtures("edge")
def test_ctrl_c_ends_a_sync_that_waits_for_an_answer(tmp_path):
    """A store that accepts and says nothing; a synchronous client would hear the signal after half a minute."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"s3://bucket/x?endpoint=http://127.0.0.1:{silent.getsockname()[1]}"
        known = Known("home", url, "a" * 32, True, True)
        Registry(tmp_path / "gate").add(known)
        command = [sys.executable, "-m", "edge.faces.cli", "--store", str(tmp_path / "gate"), "sync"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, **ENVIRON}) as process:
            try:
                line, _ = silent.accept()
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 130
                assert b"interrupted" in process.stderr.read()
                line.close()
            finally:
                process.kill()

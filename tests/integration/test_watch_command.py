"""``edge watch`` and ``edge serve --watch`` as processes: what they say, that they stop, and that they go on."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from edge import Engine


@pytest.fixture
def place(tmp_path, config, blob, saved):
    """A folder with a store that has the model "colours", and ``scene/`` with something red."""
    with Engine.open(tmp_path / "store", backbone="fake", config=config) as engine:
        for colour in ("red", "green"):
            engine.add([blob(colour, seed) for seed in range(4)], concepts=[colour])
        engine.create_model("colours", ["red", "green"], mutually_exclusive=True).train().wait()
    saved("scene/now.png", blob("red", 9))
    return tmp_path


def camera(place):
    return f"fake://?fps=50&folder={place / 'scene'}"


@contextmanager
def edge(place, *arguments):
    """A running command whose lines of standard output are documents."""
    command = [sys.executable, "-m", "edge.faces.cli", "--store", str(place / "store"), "--json", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place)
    limit = threading.Timer(60, process.kill)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def done(place, *arguments):
    """A command that ends by itself: its exit code, its documents, what it said."""
    with edge(place, *arguments) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, [json.loads(line) for line in out.splitlines()], err


def stopped(process):
    """Tell it to stop; its last documents. It must end well."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def change_of(process):
    """Read events until one has a change; returns it."""
    for line in process.stdout:
        document = json.loads(line)["event"]
        if document["changed"]:
            return document
    raise AssertionError("it ended")


def test_it_tells_what_it_sees_stops_when_told_and_goes_on_where_it_was(place):
    arguments = ("watch", camera(place), "--model", "colours", "--trigger", "each", "--then", "store:changed")
    with edge(place, *arguments) as process:
        first = change_of(process)
        assert [(one["name"], one["on"]) for one in first["changed"]] == [("red", True)]
        *_, last = stopped(process)
    assert last["loops"]["colours"]["active"] == first["active"]
    with edge(place, *arguments) as process:
        for _ in range(6):
            document = json.loads(process.stdout.readline())["event"]
            assert document["active"] == first["active"] and not document["changed"]
        *_, again = stopped(process)
    assert again["loops"]["colours"]["predictions"] > last["loops"]["colours"]["predictions"]
    with Engine.open(place / "store", create=False) as engine:
        (kept,) = [one for one in engine.inputs() if one.source == "watch/colours"]
    assert kept.metadata["prediction"]["version"] == "v1"


def test_a_process_that_is_killed_reports_no_old_change_again(place):
    arguments = ("watch", camera(place), "--model", "colours", "--trigger", "each")
    state = place / "store" / "watch" / "colours" / "state.json"
    with edge(place, *arguments) as process:
        change_of(process)
        reader = threading.Thread(target=process.stdout.read)  # or it would wait for room in the pipe
        reader.start()
        end = time.monotonic() + 30
        while not state.exists() and time.monotonic() < end:
            time.sleep(0.05)
        process.kill()
        reader.join()
    with edge(place, *arguments) as process:
        documents = [json.loads(process.stdout.readline())["event"] for _ in range(6)]
    assert [one["changed"] for one in documents] == [[]] * 6


def test_the_loops_of_a_file_run_together(place):
    (place / "watch.toml").write_text(
        f"""
        [[loop]]
        name = "a"
        camera = "{camera(place)}"
        model = "colours"
        trigger = "interval:50ms+motion"
        then = "log:${{LOGS}}/a.jsonl"

        [[loop]]
        name = "b"
        camera = "fake://?fps=0&count=9"
        model = "colours"
        trigger = "each"
        then = []
        """
    )
    code, _, err = done(place, "watch", "--config", "watch.toml", "--seconds", "0.1")
    assert code == 2 and "LOGS" in err
    (place / "watch.toml").write_text((place / "watch.toml").read_text().replace("${LOGS}", str(place)))
    code, documents, err = done(place, "watch", "--config", "watch.toml", "--seconds", "2")
    assert code == 0, err
    assert documents[-1]["loops"]["b"]["predictions"] == 9
    assert documents[-1]["loops"]["a"]["predictions"] > 5
    lines = [json.loads(line) for line in (place / "a.jsonl").read_text().splitlines()]
    assert {one["loop"] for one in lines} == {"a"}


def test_a_rehearsal_fails_when_something_would(place):
    given = ("watch", camera(place), "--model", "colours", "--dry-run")
    code, (document,), _ = done(place, *given, "--then", "store")
    assert code == 0 and all(one["failed"] is None for one in document["checks"])
    code, (document,), _ = done(place, *given, "--then", "exec:no-such-program")
    assert code == 5 and [one["failed"] is None for one in document["checks"]].count(False) == 1


def test_it_looks_once(place):
    code, documents, _ = done(place, "watch", camera(place), "--model", "colours", "--trigger", "api", "--once")
    assert code == 0
    assert [one["event"]["trigger"] for one in documents[:-1]] == ["once"]
    assert documents[-1]["loops"]["colours"]["predictions"] == 1


def test_looks_of_several_runs_count_together(place):
    found = [
        event
        for _ in range(3)
        for event in done(place, "watch", camera(place), "--model", "colours", "--once")[1][0]["event"]["changed"]
    ]
    assert [(one["name"], one["on"]) for one in found] == [("red", True)]


def test_it_ends_when_nobody_reads_any_more(place):
    with edge(place, "watch", camera(place), "--model", "colours", "--trigger", "each") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) is not None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("fake://",), 2),
        (("--model", "colours"), 2),
        (("fake://", "--model", "none"), 3),
        (("nowhere://x", "--model", "colours", "--once"), 2),
        (("fake://", "--model", "colours", "--trigger", "never"), 2),
        (("fake://", "--model", "colours", "--then", "shout"), 2),
        (("fake://", "--model", "colours", "--once", "--dry-run"), 2),
        (("fake://", "--config", "watch.toml"), 2),
        (("--config", "none.toml"), 3),
    ],
)
def test_what_cannot_be_is_refused_with_its_exit_code(place, arguments, code):
    assert done(place, "watch", *arguments)[0] == code


def test_the_service_runs_loops_shows_their_cameras_and_counts(place):
    (place / "watch.toml").write_text(
        f'[[loop]]\nname = "gate"\ncamera = "{camera(place)}"\nmodel = "colours"\ntrigger = "api"\nthen = []\n'
    )
    with edge(place, "serve", "--port", "0", "--no-grpc", "--watch", "watch.toml") as process:
        port = int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])

        def asked(method, path):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request(method, path, headers={"Origin": f"http://127.0.0.1:{port}"})
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            return answer.status, body

        assert asked("POST", "/local/watch/gate/trigger")[0] == 200
        assert asked("POST", "/local/watch/none/trigger")[0] == 404
        end = time.monotonic() + 30
        while b'edge_watch_predictions_total{loop="gate"} 1' not in (found := asked("GET", "/metrics")[1]):
            assert time.monotonic() < end, found
        assert json.loads(asked("GET", "/local/watch")[1])["loops"]["gate"]["triggers"] == 1
        assert asked("GET", "/local/cameras/gate/picture")[1].startswith(b"\x89PNG")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0

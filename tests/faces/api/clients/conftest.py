"""A device that serves, and the programs of Clarifai's clients, each run as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

import edge
from edge.faces.api.keys import Keys

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
FOLDER = "https://samples.example/garden"
"""Where the pictures are said to be; the device knows a folder of its own for it."""


@dataclass(frozen=True)
class Device:
    """A running ``edge serve``: its address over HTTP and gRPC (host:port), a key for everything, and the file that
    clients have to trust, None without TLS."""

    url: str
    grpc: str
    key: str
    ca: Path | None

    def at(self, host):
        """The gRPC address under another name of this machine."""
        return f"{host}:{self.grpc.rpartition(':')[2]}"


@pytest.fixture(scope="session")
def garden(tmp_path_factory, blob):
    """A folder with red-0.png ... green-9.png."""
    folder = tmp_path_factory.mktemp("garden")
    for colour in ("red", "green"):
        for number in range(10):
            Image.fromarray(blob(colour, number)).save(folder / f"{colour}-{number}.png")
    return folder


@pytest.fixture
def serve(tmp_path, config, garden):
    """``serve("--tls")``: a device on free ports of 127.0.0.1, with a key, that has FOLDER in a folder."""
    running = []
    store = tmp_path / "store"

    def start(*options):
        edge.Engine.open(store, backbone="fake", config=config).close()
        keys = Keys(store)
        _, key = keys.create("client")
        keys.close()
        ports = ("--port", "0", "--grpc-port", "0", "--url-alias", f"{FOLDER}={garden}")
        running.append(_edge(store, "serve", *ports, *options))
        said = _document(running[-1].stdout)
        ca = store / "tls" / "ca.pem"
        return Device(said["url"], said["grpc"], key, ca if ca.exists() else None)

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        process.stdout.close()


def _edge(store, *arguments):
    command = [sys.executable, "-m", "edge.faces.cli", "--store", store, "--json", *arguments]
    return subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _document(lines):
    """The first JSON document that a process prints."""
    text = ""
    for line in lines:
        text += line
        try:
            return json.loads(text)
        except ValueError:
            continue
    raise AssertionError(f"the service ended with: {text}")


@pytest.fixture
def python():
    """``python("latest", "program.py", arguments, **environment)``: what it prints, in a client's environment."""

    def run(client, program, *arguments, **environment):
        interpreter = ROOT / ".venv" / f"client-{client}" / "bin" / "python"
        return _printed([interpreter, HERE / program, *arguments], interpreter.parents[1], environment)

    return run


@pytest.fixture
def node():
    """``node("latest", "program.js", arguments, **environment)``: what it prints, beside a client's modules."""

    def run(client, program, *arguments, **environment):
        place = ROOT / ".cache" / "clients" / f"node-{client}"
        return _printed(["node", HERE / program, *arguments], place, environment)

    return run


def _printed(command, place, environment):
    assert (place / "stamp").exists(), f"{place} is not installed; run: scripts/test clients"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        list(map(str, command)),
        cwd=place,
        env={**inherited, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

"""Requests made up from the service's own description: the documented statuses, never a fault, whatever they hold."""

import json
import subprocess
import sys

import pytest

from edge import Engine

# what is made up is rarely accepted: an input needs a picture
CHECKS = "positive_data_acceptance"
PATHS = "^/v2/(inputs|concepts|models|annotations|searches|status_codes)"


@pytest.fixture
def address(tmp_path, config, blob):
    """Where ``edge serve`` answers, on a store with a trained model "0" of the concept "0"."""
    store = tmp_path / "store"
    with Engine.open(store, backbone="fake", config=config) as engine:
        engine.add([blob("red", seed) for seed in range(3)], concepts=["0"])
        engine.add([blob("green", seed) for seed in range(3)], not_concepts=["0"])
        engine.create_model("0", ["0"]).train().wait(60)
    command = [sys.executable, "-m", "edge.faces.cli", "--store", str(store), "--json", "serve", "--port", "0"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--no-grpc"], stdout=subprocess.PIPE, stderr=log)
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def test_made_up_requests_get_the_documented_answers(address, tmp_path):
    command = ["run", f"{address}/openapi.json", "--include-path-regex", PATHS, "--exclude-checks", CHECKS]
    limits = ["--phases", "coverage,fuzzing", "--max-examples", "5", "--seed", "1", "--generation-database", "none"]
    done = subprocess.run(
        [sys.executable, "-c", "from schemathesis.cli import schemathesis as run; run()", *command, *limits],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert log.count('"http": 200') > 100

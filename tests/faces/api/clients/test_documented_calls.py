"""Clarifai's clients, unchanged, add, create, train, wait and predict as in their guide. Only the address differs."""

import pytest

from tests.faces.api.clients.conftest import FOLDER

pytestmark = pytest.mark.clients


def learned(said):
    """What every client must have seen, whatever its release."""
    assert len(said["added"]) == 12
    assert set(said["added"]) <= {30000, 30001}
    assert said["negatives"] == 6
    assert said["created"] == 21102
    assert said["version"] == said["started"]
    assert said["inputs"] == 12
    assert said["red"]["red"] > 0.5 > said["green"]["red"]


def over_tls(device, host):
    """How a client is pointed at a device: its address, its authority, and a key as ever."""
    return {
        "CLARIFAI_PAT": device.key,
        "CLARIFAI_GRPC_BASE": device.at(host),
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": device.ca,
    }


@pytest.mark.parametrize(("client", "generation"), [("latest", "2023"), ("latest", "2022"), ("8", "2022")])
def test_python_over_plain_grpc(serve, python, client, generation):
    device = serve()
    environment = {"CLARIFAI_PAT": device.key, "CLARIFAI_GRPC_BASE": device.grpc}
    learned(python(client, "documented.py", "plain", generation, FOLDER, **environment))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize(("client", "generation"), [("latest", "2023"), ("8", "2022")])
def test_python_over_tls(serve, python, client, generation, host):
    learned(python(client, "documented.py", "grpc", generation, FOLDER, **over_tls(serve("--tls"), host)))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize(("client", "generation"), [("latest", "2023"), ("8", "2022")])
def test_node_over_tls(serve, node, client, generation, host):
    learned(node(client, "documented.js", "grpc", generation, FOLDER, **over_tls(serve("--tls"), host)))


@pytest.mark.parametrize("client", ["latest", "8"])
def test_node_over_plain_grpc(serve, node, client):
    device = serve()
    environment = {"CLARIFAI_PAT": device.key, "CLARIFAI_GRPC_BASE": device.grpc}
    learned(node(client, "documented.js", "plain", "2022", FOLDER, **environment))


@pytest.mark.parametrize(("client", "generation"), [("latest", "2023"), ("8", "2022")])
def test_the_json_channel_of_python(serve, python, client, generation):
    device = serve()
    environment = {"CLARIFAI_PAT": device.key, "CLARIFAI_API_BASE": device.url}
    learned(python(client, "documented.py", "json", generation, FOLDER, **environment))


@pytest.mark.parametrize("client", ["latest", "8"])
def test_the_json_channel_of_python_over_tls(serve, python, client):
    device = serve("--tls")
    environment = {"CLARIFAI_PAT": device.key, "CLARIFAI_API_BASE": device.url, "REQUESTS_CA_BUNDLE": device.ca}
    learned(python(client, "documented.py", "json", "2022", FOLDER, **environment))


def test_the_sdk_predicts_bytes_with_a_model_of_the_device(serve, python, garden):
    device = serve()
    environment = {"CLARIFAI_PAT": device.key, "CLARIFAI_GRPC_BASE": device.grpc}
    learned(python("latest", "documented.py", "plain", "2023", FOLDER, **environment))
    said = python("sdk", "sdk.py", f"http://{device.grpc}", garden, CLARIFAI_PAT=device.key)
    assert said["red"]["red"] > 0.5 > said["green"]["red"]
    assert said["few"] == ["red"]

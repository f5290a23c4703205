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


def pointed_at(device, host="127.0.0.1"):
    """How a client is pointed at a device: its address, its authority, and a key as ever."""
    trusted = {} if device.ca is None else {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": device.ca}
    return {"CLARIFAI_PAT": device.key, "CLARIFAI_GRPC_BASE": device.at(host), **trusted}


@pytest.mark.parametrize(("client", "generation"), [("latest", "2023"), ("latest", "2022"), ("8", "2022")])
def test_python_over_plain_grpc(serve, python, client, generation):
    learned(python(client, "documented.py", "plain", generation, FOLDER, **pointed_at(serve())))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize(("client", "generation"), [("latest", "2023"), ("8", "2022")])
def test_python_over_tls(serve, python, client, generation, host):
    learned(python(client, "documented.py", "grpc", generation, FOLDER, **pointed_at(serve("--tls"), host)))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize(("client", "generation"), [("latest", "2023"), ("8", "2022")])
def test_node_over_tls(serve, node, client, generation, host):
    learned(node(client, "documented.js", "grpc", generation, FOLDER, **pointed_at(serve("--tls"), host)))


@pytest.mark.parametrize("client", ["latest", "8"])
def test_node_over_plain_grpc(serve, node, client):
    learned(node(client, "documented.js", "plain", "2022", FOLDER, **pointed_at(serve())))


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


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_the_sdk_predicts_bytes_with_a_model_of_the_device(serve, python, garden, secure):
    device = serve(*(["--tls"] if secure else []))
    learned(python("latest", "documented.py", "grpc" if secure else "plain", "2023", FOLDER, **pointed_at(device)))
    address = f"http{'s' if secure else ''}://{device.grpc}"
    trusted = {"CLARIFAI_ROOT_CERTIFICATES_PATH": device.ca} if secure else {}
    said = python("sdk", "sdk.py", address, garden, CLARIFAI_PAT=device.key, **trusted)
    assert said["red"]["red"] > 0.5 > said["green"]["red"]
    assert said["few"] == ["red"]


@pytest.mark.parametrize("client", ["latest", "8"])
def test_python_with_a_wrong_key_reads_why_in_the_answer(serve, python, client):
    environment = {**pointed_at(serve()), "CLARIFAI_PAT": "wrong"}
    with pytest.raises(AssertionError, match="CONN_KEY_INVALID"):
        python(client, "documented.py", "plain", "2022", FOLDER, **environment)


def test_node_with_a_wrong_key_reads_why_in_the_answer(serve, node):
    environment = {**pointed_at(serve("--tls")), "CLARIFAI_PAT": "wrong"}
    with pytest.raises(AssertionError, match="11008"):
        node("latest", "documented.js", "grpc", "2022", FOLDER, **environment)


def test_python_refuses_a_device_whose_authority_it_was_not_given(serve, python):
    environment = {**pointed_at(serve("--tls")), "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": ""}
    with pytest.raises(AssertionError, match="CERTIFICATE_VERIFY_FAILED"):
        python("latest", "documented.py", "grpc", "2022", FOLDER, **environment)

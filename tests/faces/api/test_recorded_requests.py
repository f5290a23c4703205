"""Requests as clients that cannot run here send them: those of C#, PHP and Java, and old ones of the shell.

The C# and PHP clients judge an answer by its HTTP status alone, so that is what is looked at first.
"""

import base64
import json

import pytest
from clarifai_grpc.grpc.api import resources_pb2, service_pb2
from clarifai_grpc.grpc.api.status import status_code_pb2

from edge.faces.api import grpc as face
from edge.faces.api.keys import ANYONE


@pytest.fixture
def send(client):
    """``send("POST", "//v2/inputs", body)``: the answer's HTTP status and JSON; a text goes as it is."""

    def ask(method, path, body=None, **headers):
        content = body if body is None or isinstance(body, str) else json.dumps(body)
        # as a whole address: joined to another, two slashes would name a host
        answer = client.request(method, f"http://127.0.0.1:8080{path}", content=content, headers=headers)
        return answer.status_code, answer.json()

    return ask


def wrapped(content):
    return base64.encodebytes(content).decode()  # lines of 76 characters, as the shell's base64 leaves them


def csharp_input(content, *concepts, **more):
    said = [{"id": id, "name": None, "value": shown} for id, shown in concepts]
    image = {"base64": base64.b64encode(content).decode(), "allow_duplicate_url": False}
    return {"id": None, "data": {"image": image, "concepts": said, **more}}


def test_the_csharp_client_adds_creates_trains_polls_and_predicts(send, png, core):
    inputs = [csharp_input(png("red", seed), ("red", True)) for seed in range(3)]
    inputs += [csharp_input(png("green", seed), ("red", False)) for seed in range(3)]
    http, said = send("POST", "//v2/inputs", {"inputs": inputs}, **{"X-Clarifai-Client": "c#:1.4.0"})
    assert http == 200
    assert [one["data"]["concepts"][0]["value"] for one in said["inputs"]] == [1, 1, 1, 0, 0, 0]

    config = {"concepts_mutually_exclusive": False, "closed_environment": False}
    model = {"id": "m", "name": "m", "output_info": {"data": {"concepts": [{"id": "red"}]}, "output_config": config}}
    http, said = send("POST", "//v2/models", {"model": model})
    assert (http, said["model"]["model_version"]["status"]["code"]) == (200, 21102)

    http, said = send("POST", "//v2/models/m/versions", {})
    assert http == 200
    version = said["model"]["model_version"]["id"]
    core.engine.model("m").version(version).wait(60)
    http, said = send("GET", f"//v2/models/m/versions/{version}")
    assert (http, said["model_version"]["status"]["code"]) == (200, 21100)

    asked = {"inputs": [csharp_input(png("red", 9))], "model": {"output_info": {"output_config": {"max_concepts": 3}}}}
    http, said = send("POST", f"//v2/models/m/versions/{version}/outputs", asked)
    assert http == 200
    assert said["outputs"][0]["data"]["concepts"][0]["value"] > 0.5


def test_a_client_that_looks_at_http_alone_sees_that_a_part_failed(send, png):
    inputs = [csharp_input(png()), csharp_input(b"no picture")]
    http, said = send("POST", "//v2/inputs", {"inputs": inputs})
    assert (http, said["status"]["code"]) == (207, 10010)


def test_a_client_that_looks_at_http_alone_sees_a_failure(send):
    http, said = send("POST", "//v2/models/nothing/outputs", {"inputs": [csharp_input(b"no picture")]})
    assert http == 404
    assert said["status"]["code"] != 10000


def test_the_php_client_adds_and_lists(send, png):
    image = {"base64": base64.b64encode(png()).decode()}
    body = {"inputs": [{"data": {"image": image, "concepts": [{"id": "red", "value": 1}]}}]}
    http, said = send("POST", "/v2/inputs", body, **{"X-Clarifai-Client": "php:0.2.2"})
    assert http == 200
    http, listed = send("GET", "/v2/inputs?page=1&per_page=20")
    assert http == 200
    assert [one["id"] for one in listed["inputs"]] == [said["inputs"][0]["id"]]


def test_the_shell_of_2016_adds_pictures_that_it_encoded_with_line_breaks(send, png):
    body = {"inputs": [{"data": {"image": {"base64": "PICTURE"}, "concepts": [{"id": "red"}]}}]}
    text = json.dumps(body).replace("PICTURE", wrapped(png()))  # line breaks inside a text, which is no strict JSON
    http, said = send("POST", "/v2/inputs", text, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert http == 200
    assert said["inputs"][0]["data"]["concepts"][0]["value"] == 1


def test_the_java_client_creates_without_values_and_trains_by_the_models_id_alone(core, keys, options, png):
    translator = face.Translator(core, keys, options)
    find = {one.rpc: one for one in face.methods()}

    def ask(rpc, request):
        _, encoded = translator.work(find[rpc], request.SerializeToString(), ANYONE, "1")
        return find[rpc].response.FromString(encoded)

    shown = resources_pb2.Concept(id="red", value=1)
    data = resources_pb2.Data(image=resources_pb2.Image(base64=png()), concepts=[shown])
    ask("PostInputs", service_pb2.PostInputsRequest(inputs=[resources_pb2.Input(data=data)]))
    ids = resources_pb2.UserAppIDSet(app_id="garden")
    model = resources_pb2.Model(id="m")
    model.output_info.data.concepts.add(id="red")  # the value is not set
    model.output_info.output_config.concepts_mutually_exclusive = False
    made = ask("PostModels", service_pb2.PostModelsRequest(user_app_id=ids, models=[model]))
    assert made.status.code == status_code_pb2.SUCCESS
    trained = ask("PostModelVersions", service_pb2.PostModelVersionsRequest(user_app_id=ids, model_id="m"))
    assert trained.status.code == status_code_pb2.SUCCESS
    core.engine.model("m").version(trained.model.model_version.id).wait(60)
    assert core.engine.model("m").info.concepts == ("red",)
    translator.close()

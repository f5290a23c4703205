"""Clarifai's messages as dicts of the core, and back."""

import pytest
from clarifai_grpc.grpc.api import resources_pb2, service_pb2
from clarifai_grpc.grpc.api.status import status_code_pb2
from google.protobuf.json_format import ParseDict

from edge.faces.api.messages import to_dict, to_message


def inputs(*concepts, **image):
    data = resources_pb2.Data(image=resources_pb2.Image(**image), concepts=concepts)
    return service_pb2.PostInputsRequest(inputs=[resources_pb2.Input(data=data)])


def test_a_concept_without_a_value_means_not_shown():
    found = to_dict(inputs(resources_pb2.Concept(id="red"), resources_pb2.Concept(id="green", value=1)))
    values = [(one["id"], one["value"]) for one in found["inputs"][0]["data"]["concepts"]]
    assert values == [("red", 0.0), ("green", 1.0)]


def test_the_bytes_of_a_picture_are_handed_over_as_they_are():
    content = bytes(range(256)) * 10
    assert to_dict(inputs(base64=content))["inputs"][0]["data"]["image"] == {"base64": content}


def test_what_was_not_sent_is_absent():
    assert to_dict(service_pb2.ListInputsRequest()) == {}


def test_ids_pages_and_flags_have_their_json_names():
    request = service_pb2.ListModelVersionsRequest(
        user_app_id=resources_pb2.UserAppIDSet(user_id="me", app_id="main"), model_id="m", page=2, per_page=5
    )
    ids = {"user_id": "me", "app_id": "main"}
    assert to_dict(request) == {"user_app_id": ids, "model_id": "m", "page": 2, "per_page": 5}


def test_metadata_is_plain_json():
    request = inputs()
    request.inputs[0].data.metadata.update({"row": 3, "plants": ["a", None, {"b": True}]})
    assert to_dict(request)["inputs"][0]["data"]["metadata"] == {"row": 3, "plants": ["a", None, {"b": True}]}


def test_a_place_keeps_its_numbers():
    request = inputs()
    request.inputs[0].data.geo.geo_point.longitude = -0.5
    assert to_dict(request)["inputs"][0]["data"]["geo"] == {"geo_point": {"longitude": -0.5}}


def test_a_closed_environment_of_old_clients_is_understood_and_answered():
    config = b"\x08\x01\x10\x01"  # concepts_mutually_exclusive and closed_environment, as clients before 9.10 send them
    request = service_pb2.PostModelsRequest(models=[resources_pb2.Model(id="m")])
    request.models[0].output_info.output_config.MergeFromString(config)
    said = to_dict(request)["models"][0]["output_info"]["output_config"]
    assert said == {"concepts_mutually_exclusive": True, "closed_environment": True}
    body = {"status": {"code": 10000}, "model": {"id": "m", "output_info": {"output_config": said}}}
    answered = to_message(body, service_pb2.SingleModelResponse())
    assert answered.model.output_info.output_config.SerializeToString() == config


def test_an_answer_becomes_its_message_and_what_the_protocol_does_not_know_is_left_out():
    body = {
        "status": {"code": 30001, "description": "Download pending", "req_id": "1"},
        "inputs": [{"id": "a", "created_at": "2022-03-01T10:00:00.250000Z", "novelty": 1}],
    }
    answered = to_message(body, service_pb2.MultiInputResponse())
    assert answered.status.code == status_code_pb2.INPUT_DOWNLOAD_PENDING
    assert (answered.inputs[0].id, answered.inputs[0].created_at.nanos) == ("a", 250_000_000)


def test_an_answer_that_cannot_be_the_message_is_refused():
    with pytest.raises((TypeError, ValueError)):
        to_message({"status": {"code": [1]}}, service_pb2.MultiInputResponse())


def test_an_answer_becomes_the_message_that_protobufs_own_json_would_make_of_it():
    concepts = [{"id": "رد", "value": 0.25, "app_id": "main", "visibility": {"gettable": 10}}, {"id": "b", "value": 1}]
    times = {"created_at": "1969-12-31T23:59:59.250000Z", "modified_at": "2026-03-01T12:00:00.000001Z"}
    metadata = {"known": 0.5, "is_known": True, "none": None, "deep": {"list": [1, "a", [], {"b": False}]}, "empty": {}}
    body = {
        "status": {"code": 10010, "description": "Mixed", "req_id": "1", "strange": 1},
        "outputs": [
            {"id": "1", "data": {"concepts": concepts, "metadata": metadata}, "created_at": times["created_at"]},
            {
                "model": {"id": "m", **times, "metadata": {}, "output_info": {"params": {"max_concepts": 20}}},
                "input": None,
            },
            {},
        ],
    }
    ours = to_message(body, service_pb2.MultiOutputResponse())
    assert ours == ParseDict(body, service_pb2.MultiOutputResponse(), ignore_unknown_fields=True)
    assert len(ours.outputs) == 3

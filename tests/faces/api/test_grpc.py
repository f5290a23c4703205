"""The service over gRPC, asked by clarifai-grpc's own stub."""

import io
import ssl
import threading
import time
from ipaddress import ip_address

import grpc
import pytest
from clarifai_grpc.channel.clarifai_channel import ClarifaiChannel
from clarifai_grpc.grpc.api import resources_pb2, service_pb2, service_pb2_grpc
from clarifai_grpc.grpc.api.status import status_code_pb2
from PIL import Image

from edge.errors import StoreUnavailable
from edge.faces.api import grpc as face
from edge.faces.api import tls
from edge.faces.api.core import RPCS, Core
from edge.faces.api.keys import Keys
from edge.faces.api.options import Options


class Service:
    """A running server on the test's engine, and a stub of it."""

    def __init__(self, engine, keeper=None, **options):
        self.options = Options(**{"grpc_port": 0, **options})
        self.core, self.keys = Core(engine, self.options), Keys(engine.store.path)
        self.core.start()
        self.said = []
        self.server = face.server(self.core, self.keys, self.options, keeper, lambda *one: self.said.append(one))
        self.channel = ClarifaiChannel.get_insecure_grpc_channel("127.0.0.1", self.server.start())
        self.stub = service_pb2_grpc.V2Stub(self.channel)

    def close(self):
        self.channel.close()
        self.server.stop()
        self.keys.close()
        self.core.close()


@pytest.fixture
def start(engine):
    """``start(queue=1, ...)``: a service with these options on the test's empty store."""
    running = []

    def make(**options):
        running.append(Service(engine, **options))
        return running[-1]

    yield make
    for one in running:
        one.close()


@pytest.fixture
def service(start):
    return start()


@pytest.fixture(scope="session")
def png(blob):
    """``png("red", 3)``: a picture of the colour as PNG bytes."""

    def make(colour, seed=0):
        file = io.BytesIO()
        Image.fromarray(blob(colour, seed)).save(file, "png")
        return file.getvalue()

    return make


def picture(content, *concepts):
    said = [resources_pb2.Concept(id=id, value=value) for id, value in concepts]
    return resources_pb2.Input(data=resources_pb2.Data(image=resources_pb2.Image(base64=content), concepts=said))


def post(service, *inputs, key=None):
    metadata = None if key is None else (("authorization", key),)
    return service.stub.PostInputs(service_pb2.PostInputsRequest(inputs=inputs), metadata=metadata)


def teach(service, png):
    reds = [picture(png("red", seed), ("red", 1)) for seed in range(4)]
    others = [picture(png("green", seed), ("red", 0)) for seed in range(4)]
    answer = post(service, *reds, *others)
    assert answer.status.code == status_code_pb2.SUCCESS
    return answer


def test_a_model_is_taught_trained_and_asked(service, png):
    teach(service, png)
    model = resources_pb2.Model(id="reds")
    model.output_info.data.concepts.add(id="red")
    assert (
        service.stub.PostModels(service_pb2.PostModelsRequest(models=[model])).model.model_version.status.code == 21102
    )
    service.stub.PostModelVersions(service_pb2.PostModelVersionsRequest(model_id="reds"))
    asked = service_pb2.GetModelRequest(model_id="reds")
    while service.stub.GetModel(asked).model.model_version.status.code in (21101, 21103):
        time.sleep(0.01)
    inputs = [picture(png("red", 9)), picture(png("green", 9))]
    found = service.stub.PostModelOutputs(service_pb2.PostModelOutputsRequest(model_id="reds", inputs=inputs))
    red, green = (one.data.concepts[0].value for one in found.outputs)
    assert red > 0.5 > green


def test_a_negative_stays_a_negative(service, png):
    post(service, picture(png("green"), ("red", 0)))
    (stored,) = service.core.engine.inputs()
    assert [(one.concept_id, one.value) for one in stored.annotations] == [("red", 0)]


def test_the_stored_bytes_are_those_that_were_sent(service, png):
    content = png("blue")
    post(service, picture(content))
    (stored,) = service.core.engine.inputs()
    assert service.core.engine.store.inputs.read(stored) == content


def test_what_goes_wrong_is_told_inside_an_answer(service):
    answer = service.stub.GetModel(service_pb2.GetModelRequest(model_id="nothing"))
    assert answer.status.code == status_code_pb2.MODEL_DOES_NOT_EXIST
    assert len(answer.status.req_id) == 32


def test_a_picture_that_is_none_fails_alone(service, png):
    answer = post(service, picture(png("red")), picture(b"<html>"))
    assert answer.status.code == status_code_pb2.MIXED_STATUS
    assert answer.inputs[0].status.code == status_code_pb2.INPUT_DOWNLOAD_SUCCESS != answer.inputs[1].status.code


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.5])
def test_a_concept_with_a_value_that_means_nothing_changes_nothing(service, png, value):
    answer = post(service, picture(png("red"), ("red", value)))
    assert answer.status.code != status_code_pb2.SUCCESS
    assert not list(service.core.engine.inputs())


@pytest.mark.parametrize("key", [None, "Key wrong", "Key", "wrong", "Basic eDp5"])
def test_a_stranger_is_turned_away_once_there_are_keys(service, png, key):
    service.keys.create("phone")
    assert post(service, picture(png("red")), key=key).status.code == status_code_pb2.CONN_KEY_INVALID
    assert not list(service.core.engine.inputs())


def test_a_stranger_is_turned_away_before_its_message_is_read(start):
    service = start(body_seconds=60)
    service.keys.create("phone")
    never = threading.Event()

    def dribble():
        never.wait(20)
        yield b""

    call = service.channel.stream_unary("/clarifai.api.V2/PostInputs")
    answer = service_pb2.MultiInputResponse.FromString(call(dribble(), timeout=10))
    never.set()
    assert answer.status.code == status_code_pb2.CONN_KEY_INVALID


def test_a_key_opens_what_its_scopes_allow(service, png):
    _, secret = service.keys.create("shelf", ["read"])
    key = f"Key {secret}"
    listed = service.stub.ListInputs(service_pb2.ListInputsRequest(), metadata=(("authorization", key),))
    assert listed.status.code == status_code_pb2.SUCCESS
    assert post(service, picture(png("red")), key=key).status.code == status_code_pb2.CONN_INSUFFICIENT_SCOPES


def test_every_rpc_of_the_core_that_the_protocol_has_is_offered():
    known = service_pb2.DESCRIPTOR.services_by_name["V2"].methods_by_name
    assert {one.rpc for one in face.methods()} == set(RPCS) & set(known)
    assert {"PostInputs", "PostModels", "PostModelVersions", "PostModelOutputs"} <= {one.rpc for one in face.methods()}


def test_what_is_not_offered_is_unimplemented(service):
    with pytest.raises(grpc.RpcError) as refused:
        service.stub.PostWorkflows(service_pb2.PostWorkflowsRequest())
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_bytes_that_are_no_message_are_a_bad_request(service):
    call = service.channel.unary_unary("/clarifai.api.V2/PostInputs")
    answer = service_pb2.MultiInputResponse.FromString(call(b"\xff\xff\xff"))
    assert answer.status.code == status_code_pb2.CONN_BAD_REQUEST_FORMAT


def test_a_call_without_a_message_is_a_bad_request(service):
    call = service.channel.stream_unary("/clarifai.api.V2/PostInputs")
    answer = service_pb2.MultiInputResponse.FromString(call(iter(())))
    assert answer.status.code == status_code_pb2.CONN_BAD_REQUEST_FORMAT


def test_a_message_over_the_limit_is_refused_and_the_service_goes_on(start):
    service = start(max_body=10_000)
    with pytest.raises(grpc.RpcError) as refused:
        post(service, picture(bytes(20_000)))
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert service.stub.ListInputs(service_pb2.ListInputsRequest()).status.code == status_code_pb2.SUCCESS
    assert service.core.gate.inside == 0


def test_a_batch_of_photographs_larger_than_the_usual_limit_of_grpc_is_taken(service):
    answer = post(service, picture(bytes(6 << 20)))
    assert answer.inputs[0].status.code != status_code_pb2.SUCCESS


def test_a_client_that_sends_its_message_too_slowly_is_told_so_and_holds_nobody_up(start):
    service = start(body_seconds=0.2, queue=2)
    never = threading.Event()

    def dribble():
        never.wait(20)
        yield b""

    call = service.channel.stream_unary("/clarifai.api.V2/PostInputs").future(dribble(), timeout=20)
    assert service.stub.ListInputs(service_pb2.ListInputsRequest()).status.code == status_code_pb2.SUCCESS
    answer = service_pb2.MultiInputResponse.FromString(call.result())
    never.set()
    assert answer.status.code == status_code_pb2.RPC_REQUEST_TIMEOUT
    assert service.core.gate.inside == 0


def test_a_full_house_asks_to_slow_down(service):
    taken = 0
    while service.core.gate.enter():
        taken += 1
    assert service.stub.ListInputs(service_pb2.ListInputsRequest()).status.code == status_code_pb2.CONN_THROTTLED
    for _ in range(taken):
        service.core.gate.leave()
    assert service.stub.ListInputs(service_pb2.ListInputsRequest()).status.code == status_code_pb2.SUCCESS


def test_clients_that_hang_up_leave_no_place_taken(service, monkeypatch):
    held = threading.Event()
    answered = service.core.call

    def slow(*arguments):
        held.wait(10)
        return answered(*arguments)

    monkeypatch.setattr(service.core, "call", slow)
    calls = [service.stub.ListInputs.future(service_pb2.ListInputsRequest()) for _ in range(5)]
    deadline = time.monotonic() + 10
    while service.core.gate.inside < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    for one in calls:
        one.cancel()
    held.set()
    while service.core.gate.inside and time.monotonic() < deadline:
        time.sleep(0.01)
    assert service.core.gate.inside == 0


def test_a_fault_of_ours_is_an_answer_too(service, monkeypatch, capfd):
    monkeypatch.setattr(service.core, "call", lambda *_: face.Answer(200, {"status": {"code": [1]}}))
    answer = service.stub.ListInputs(service_pb2.ListInputsRequest())
    assert answer.status.code == status_code_pb2.INTERNAL_UNCATEGORIZED
    assert "Traceback" not in answer.status.details
    assert "Traceback" in capfd.readouterr().err


def test_every_call_is_told_to_the_log_with_the_id_its_client_got(service):
    answer = service.stub.ListInputs(service_pb2.ListInputsRequest())
    ((rpc, code, seconds, req_id),) = service.said
    assert (rpc, code, req_id) == ("ListInputs", 10000, answer.status.req_id)
    assert seconds > 0


def test_a_port_that_is_taken_is_said(start, service):
    with pytest.raises(StoreUnavailable, match="choose another with --grpc-port"):
        start(grpc_port=service.server.port)


def test_a_renewed_certificate_is_shown_without_a_restart(start, tmp_path):
    addresses = [ip_address("127.0.0.1")]
    keeper = tls.Keeper(lambda: tls.own(tmp_path / "tls", names=["localhost"], addresses=addresses))
    port = start(keeper=keeper).server.port
    before = ssl.get_server_certificate(("127.0.0.1", port))
    addresses.append(ip_address("192.168.1.20"))
    keeper.refresh()
    after = ssl.get_server_certificate(("127.0.0.1", port))
    assert before != after
    assert after.strip() in keeper.identity.certificate.read_text()

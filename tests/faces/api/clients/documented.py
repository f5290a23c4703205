"""What Clarifai's guide has its Python client do: add pictures, create a model, train it, wait, predict.

Run by the interpreter of an environment that has one release of clarifai-grpc and nothing of this project:
``python documented.py CHANNEL GENERATION FOLDER-URL``. CHANNEL: "grpc" (TLS; the address is in CLARIFAI_GRPC_BASE),
"plain" or "json". GENERATION: "2022" (the model is created with its concepts) or "2023" (it is trained with them).
Prints what it saw as one JSON document.
"""

import json
import os
import sys
import time

from clarifai_grpc.channel.clarifai_channel import ClarifaiChannel
from clarifai_grpc.grpc.api import resources_pb2, service_pb2, service_pb2_grpc
from clarifai_grpc.grpc.api.status import status_code_pb2

METADATA = (("authorization", "Key " + os.environ.get("CLARIFAI_PAT", "")),)
IDS = resources_pb2.UserAppIDSet(user_id="someone", app_id="garden")
MODEL = "reds"


def channel(kind):
    if kind == "grpc":
        return ClarifaiChannel.get_grpc_channel()
    if kind == "json":
        return ClarifaiChannel.get_json_channel()
    host, port = os.environ["CLARIFAI_GRPC_BASE"].rsplit(":", 1)
    return ClarifaiChannel.get_insecure_grpc_channel(base=host, port=int(port))


def checked(answer):
    if answer.status.code != status_code_pb2.SUCCESS:
        raise SystemExit(f"refused: {answer}")
    return answer


def picture(url, *concepts):
    image = resources_pb2.Image(url=url, allow_duplicate_url=True)
    return resources_pb2.Input(data=resources_pb2.Data(image=image, concepts=concepts))


def add(stub, folder):
    inputs = [
        picture(f"{folder}/{colour}-{number}.png", resources_pb2.Concept(id="red", value=shown))
        for colour, shown in (("red", 1.0), ("green", 0.0))
        for number in range(6)
    ]
    request = service_pb2.PostInputsRequest(user_app_id=IDS, inputs=inputs)
    return [one.status.code for one in checked(stub.PostInputs(request, metadata=METADATA)).inputs]


def wait_for_inputs(stub):
    request = service_pb2.ListInputsRequest(user_app_id=IDS, page=1, per_page=100)
    while True:
        listed = checked(stub.ListInputs(request, metadata=METADATA)).inputs
        codes = {one.status.code for one in listed}
        if codes == {status_code_pb2.INPUT_DOWNLOAD_SUCCESS}:
            return listed
        if codes - {30000, 30001, 30003}:
            raise SystemExit(f"an input failed: {listed}")
        time.sleep(0.05)


def create(stub, generation):
    model = resources_pb2.Model(id=MODEL)
    if generation == "2022":
        model.output_info.data.concepts.add(id="red", value=1)
        model.output_info.output_config.concepts_mutually_exclusive = False
        if "closed_environment" in resources_pb2.OutputConfig.DESCRIPTOR.fields_by_name:
            model.output_info.output_config.closed_environment = False
    return checked(stub.PostModels(service_pb2.PostModelsRequest(user_app_id=IDS, models=[model]), metadata=METADATA))


def train(stub, generation):
    request = service_pb2.PostModelVersionsRequest(user_app_id=IDS, model_id=MODEL)
    if generation == "2023":
        data = resources_pb2.Data(concepts=[resources_pb2.Concept(id="red", value=1)])
        request.model_versions.add(output_info=resources_pb2.OutputInfo(data=data))
    return checked(stub.PostModelVersions(request, metadata=METADATA))


def wait_for_version(stub):
    request = service_pb2.GetModelRequest(user_app_id=IDS, model_id=MODEL)
    while True:
        version = checked(stub.GetModel(request, metadata=METADATA)).model.model_version
        if version.status.code == status_code_pb2.MODEL_TRAINED:
            return version
        if version.status.code not in (21101, 21103):
            raise SystemExit(f"training failed: {version}")
        time.sleep(0.05)


def predict(stub, version, *urls):
    request = service_pb2.PostModelOutputsRequest(
        user_app_id=IDS, model_id=MODEL, version_id=version, inputs=[picture(one) for one in urls]
    )
    outputs = checked(stub.PostModelOutputs(request, metadata=METADATA)).outputs
    return [{concept.name: concept.value for concept in one.data.concepts} for one in outputs]


def main(kind, generation, folder):
    stub = service_pb2_grpc.V2Stub(channel(kind))
    added = add(stub, folder)
    listed = wait_for_inputs(stub)
    created = create(stub, generation).model.model_version.status.code
    started = train(stub, generation).model.model_version
    version = wait_for_version(stub)
    red, green = predict(stub, version.id, folder + "/red-9.png", folder + "/green-9.png")
    said = {
        "added": added,
        "negatives": sum(concept.value == 0 for one in listed for concept in one.data.concepts),
        "created": created,
        "started": started.id,
        "version": version.id,
        "inputs": version.total_input_count,
        "red": red,
        "green": green,
    }
    print(json.dumps(said))


main(*sys.argv[1:])

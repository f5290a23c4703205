"""The service's core and its REST side, inside this process, on a store with the fake backbone."""

import base64
import io

import pytest
from PIL import Image
from starlette.testclient import TestClient

from edge.faces.api.core import Core
from edge.faces.api.keys import ANYONE, Keys
from edge.faces.api.options import Options


@pytest.fixture
def options():
    """The service's options; a test that needs others has a fixture of its own."""
    return Options()


@pytest.fixture
def core(engine, options):
    """A core on an empty store."""
    made = Core(engine, options)
    yield made
    made.close()


@pytest.fixture
def call(core):
    """``call("GetInput", input_id="a")``: the core's answer to somebody who may do everything."""
    return lambda rpc, **request: core.call(rpc, request, ANYONE)


@pytest.fixture
def keys(engine):
    """The store's keys, none at first."""
    made = Keys(engine.store.path)
    yield made
    made.close()


@pytest.fixture
def log():
    """What the access log was told."""
    return []


@pytest.fixture
def client(core, keys, options, log):
    """An HTTP client on this very machine."""
    from edge.faces.api.rest import application

    app = application(core, keys, options, log=log.append)
    return TestClient(app, "http://127.0.0.1:8080", client=("127.0.0.1", 50000), raise_server_exceptions=False)


@pytest.fixture(scope="session")
def png(blob):
    """``png("red", 3)``: the bytes of a blob."""

    def make(colour="red", seed=0):
        buffer = io.BytesIO()
        Image.fromarray(blob(colour, seed)).save(buffer, "PNG")
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def item(png):
    """``item("red", 3, concepts={"red": 1})``: an input as REST clients send it."""

    def make(colour="red", seed=0, concepts=None, **more):
        data = {"image": {"base64": base64.b64encode(png(colour, seed)).decode()}}
        if concepts is not None:
            data["concepts"] = [{"id": id, "value": value} for id, value in concepts.items()]
        return {**more, "data": {**data, **more.get("data", {})}}

    return make


@pytest.fixture
def trained(call, core, item):
    """A model "m" of the concept red with its version v1."""
    call("PostInputs", inputs=[item("red", seed, {"red": 1}) for seed in range(4)])
    call("PostInputs", inputs=[item("green", seed, {"red": 0}) for seed in range(4)])
    call("PostModels", model={"id": "m", "output_info": {"data": {"concepts": [{"id": "red"}]}}})
    call("PostModelVersions", model_id="m")
    core.engine.model("m").versions()[0].wait(60)
    return core

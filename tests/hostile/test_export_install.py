"""Fused files that are not what they seem: one clear error, nothing changed."""

import hashlib
import io
import json
import struct
import zipfile
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite.Model import Model

from edge import EdgeError
from edge.backbone.fake import CARD
from edge.engine.install import install
from edge.errors import BackboneChanged, BadBackbone, BadHead, Conflict, InvalidArgument, NotFound
from edge.export.extend import Extension
from edge.export.record import CONCEPTS, HEAD, metadata_of
from edge.head.trained import TrainedHead


def state(engine):
    return (
        [(model.name, [version.info for version in model.versions()]) for model in engine.models()],
        engine.concepts(),
        sorted(path.name for path in (engine.store.path / "versions").iterdir() if path.suffix == ".head"),
    )


def put(tmp_path, data):
    path = tmp_path / "given.tflite"
    path.write_bytes(data)
    return path


def refused(taught, tmp_path, data, error, match=None, name=None):
    before = state(taught)
    with pytest.raises(error, match=match):
        taught.install(put(tmp_path, data), name)
    assert state(taught) == before


def test_a_file_that_is_not_there(taught, tmp_path):
    with pytest.raises(NotFound, match="does not exist"):
        taught.install(tmp_path / "nothing.tflite")


def test_a_folder(taught, tmp_path):
    with pytest.raises(BadBackbone):
        taught.install(tmp_path)


def test_a_picture(taught, tmp_path):
    refused(taught, tmp_path, b"\xff\xd8\xff\xe0 JFIF", BadBackbone)


def test_an_empty_file(taught, tmp_path):
    refused(taught, tmp_path, b"", BadBackbone)


def test_a_backbone_without_concepts(taught, tmp_path):
    graph = Extension()
    graph.inputs = (graph.tensor("x", (1, 4), "INT8", scale=1.0),)
    refused(taught, tmp_path, graph.finish(graph.inputs[0], "x"), BadHead, "no concepts")


def test_a_graph_that_would_lead_a_runtime_out_of_the_file(taught, tmp_path, fused):
    data = bytearray(fused(taught))
    tensor = Model.GetRootAs(data, 0).Subgraphs(0).Tensors(0)._tab
    struct.pack_into("<I", data, tensor.Pos + tensor.Offset(4), 1 << 30)  # where its shape is
    refused(taught, tmp_path, data, BadBackbone, "an offset leaves the file")


def test_a_head_made_for_another_backbone(taught, tmp_path, fused):
    card = {**json.loads(metadata_of(fused(taught))[CONCEPTS])["card"], "sha256": "1" * 64, "name": "other"}
    refused(taught, tmp_path, fused(taught, card=card), BackboneChanged, "edge backbone use other")


def test_a_head_that_reads_the_backbone_in_another_way(taught, tmp_path, fused, fused_with):
    head = TrainedHead.from_bytes(metadata_of(fused(taught))[HEAD])
    object.__setattr__(head.spec.parts[0], "transform", "l2")
    data = fused_with(taught, head.to_bytes())
    refused(taught, tmp_path, data, BadHead, "another way")


@pytest.fixture
def fused_with(fused):
    """``fused`` around a head, with that head's checksum."""
    return lambda engine, head: fused(engine, head=head, head_sha256=hashlib.sha256(head).hexdigest())


def test_concepts_that_differ_from_the_models(taught, tmp_path, fused):
    taught.create_model("others", ["red", "blue"], mutually_exclusive=True)
    refused(taught, tmp_path, fused(taught), Conflict, "--name", name="others")


def test_output_that_differs_from_the_models(taught, tmp_path, fused):
    taught.create_model("others", ["red", "green"])
    refused(taught, tmp_path, fused(taught), Conflict, "mutually exclusive", name="others")


def test_a_name_that_cannot_be_a_models(taught, tmp_path, fused):
    refused(taught, tmp_path, fused(taught, model="../up"), InvalidArgument)


def test_concepts_in_the_head_that_the_record_does_not_have(taught, tmp_path, fused):
    refused(taught, tmp_path, fused(taught, concepts=["red", "blue"], counts={}), BadHead, "not the one it describes")


@pytest.mark.parametrize(
    "change",
    [
        {"accuracy": 2},
        {"accuracy": "high"},
        {"accuracy": True},
        {"accuracy_interval": [0, 7]},
        {"inputs": -1},
        {"method": "guessed"},
        {"concepts": []},
        {"concepts": [{"id": "red"}]},
        {"confusion": {"labels": ["red"], "rows": [[1, 2]]}},
        {"confusion": {"labels": ["red"], "rows": [[-1]]}},
        {"notes": ["x" * 10_000]},
        {"notes": [1]},
        {"log_loss": "nan"},
        {"unheard_of": 1},
    ],
    ids=json.dumps,
)
def test_an_evaluation_that_cannot_be(taught, tmp_path, change, fused):
    evaluation = json.loads(metadata_of(fused(taught))[CONCEPTS])["evaluation"]
    refused(taught, tmp_path, fused(taught, evaluation={**evaluation, **change}), BadHead, "evaluation")


def head_of(**changes):
    """Head bytes with a true checksum around whatever is in ``changes``."""
    header = {
        "concepts": ["red", "green"],
        "embedding": [asdict(part) for part in CARD.embedding.parts],
        "base": 1.0,
        "mutually_exclusive": True,
        "threshold": 0.1,
    } | changes.pop("header", {})
    size = CARD.embedding.size
    arrays = {
        "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
        "weights": np.zeros((2, size), np.float32),
        "bias": np.zeros(2, np.float32),
        "rows": np.zeros((2, size), np.float32),
        "offset": np.zeros(2, np.float32),
        "basis": np.zeros((1, size), np.float32),
        "familiar": np.zeros(1, np.float32),
    } | changes
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return b"edge-head-1\n" + hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()


@pytest.mark.parametrize(
    "changes",
    [
        {"header": {"threshold": 2.0}},
        {"header": {"threshold": float("nan")}},
        {"header": {"embedding": [{"size": 3}]}},
        {"header": {"concepts": ["red"]}},
        {"bias": np.zeros(3, np.float32)},
        {"weights": np.full((2, CARD.embedding.size), np.nan, np.float32)},
        {"weights": np.zeros((2, 3), np.float32)},
        {"rows": np.zeros((2, CARD.embedding.size), np.float64)},
        {"familiar": np.array(["a"])},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_head_with_impossible_numbers(taught, tmp_path, changes, fused_with):
    refused(taught, tmp_path, fused_with(taught, head_of(**changes)), BadHead)


def test_a_head_that_unpacks_to_gigabytes(taught, tmp_path, fused_with):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("weights.npy", "w") as entry:
        for _ in range(300):
            entry.write(bytes(1 << 20))
    head = b"edge-head-1\n" + hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()
    refused(taught, tmp_path, fused_with(taught, head), BadHead, "too large")


@pytest.mark.parametrize("body", [b"", b"not a zip", b"PK\x03\x04" + bytes(40)], ids=len)
def test_a_head_that_is_no_archive(taught, tmp_path, body, fused_with):
    refused(taught, tmp_path, fused_with(taught, b"edge-head-1\n" + hashlib.sha256(body).digest() + body), BadHead)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_refused_or_harmless(taught, fused, tmp_path, data):
    """Bytes flipped or cut anywhere: an error of ours, or the head as it was."""
    whole = bytearray(fused(taught))
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for place in data.draw(st.lists(st.integers(0, max(len(whole) - 1, 0)), max_size=4)):
        if whole:
            whole[place] = data.draw(st.integers(0, 255))
    before = state(taught)
    try:
        model = install(taught, put(tmp_path, bytes(whole)), "arrived")
    except EdgeError:
        assert state(taught) == before
    else:
        assert model.head()[1].concepts == ("red", "green")
        taught.delete_model("arrived")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_any_bytes_behind_the_identifier_are_refused(taught, tmp_path, tail):
    with pytest.raises((BadBackbone, BadHead)):
        install(taught, put(tmp_path, b"\x10\0\0\0TFL3" + tail), None)

"""Which runtime runs a network, and what is said when there is none."""

import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edge.backbone import runtime, tflite
from edge.backbone.fake import CARD
from edge.errors import BadBackbone, HardwareMissing, RuntimeMissing
from edge.types import Preprocessing, Quantisation


def pretend(monkeypatch, *modules):
    monkeypatch.setattr(runtime, "find_spec", lambda name: object() if name in modules else None)


def test_litert_is_preferred(monkeypatch):
    pretend(monkeypatch, "ai_edge_litert", "tflite_runtime")
    assert runtime.choose("auto") == "litert"
    assert runtime.choose("tflite-runtime") == "tflite-runtime"


def test_the_other_one_is_taken_when_it_is_the_only_one(monkeypatch):
    pretend(monkeypatch, "tflite_runtime")
    assert runtime.choose("auto") == "tflite-runtime"
    with pytest.raises(RuntimeMissing, match="litert is not installed; run: pip install ai-edge-litert"):
        runtime.choose("litert")


def test_no_runtime_at_all_says_what_to_install(monkeypatch):
    pretend(monkeypatch)
    with pytest.raises(RuntimeMissing, match="a TFLite runtime is not installed; run: pip install ai-edge-litert"):
        runtime.choose("auto")
    assert runtime.installed() == {}


def test_a_runtime_that_does_not_load_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", None)
    with pytest.raises(RuntimeMissing, match=r"tflite-runtime is installed but does not load \(.*needs numpy<2"):
        runtime.module("tflite-runtime")


def test_a_runtime_without_package_metadata_still_has_a_label(monkeypatch):
    pretend(monkeypatch, "ai_edge_litert")
    monkeypatch.setitem(runtime.RUNTIMES, "litert", ("no-such-distribution", "ai_edge_litert.interpreter"))
    assert runtime.label("litert") == "LiteRT of unknown version"


@pytest.mark.either_runtime
def test_the_runtime_under_test_is_installed():
    wanted = os.environ["EDGE_RUNTIME"]
    assert runtime.choose(wanted) == (wanted if wanted != "auto" else "litert")


def test_threads_are_the_cores_but_no_more_than_four(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert runtime.thread_count(0) == 4
    assert runtime.thread_count(7) == 7
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5})
    assert runtime.thread_count(0) == 1


def test_a_large_or_missing_file_is_refused_unread(tmp_path):
    path = tmp_path / "large.tflite"
    with path.open("wb") as file:
        file.truncate(300 << 20)
    with pytest.raises(BadBackbone, match="larger than 256 MiB"):
        runtime.read_file(path)
    with pytest.raises(BadBackbone, match="cannot be read"):
        runtime.read_file(tmp_path / "missing.tflite")
    with pytest.raises(BadBackbone, match="cannot be read"):
        runtime.read_file(tmp_path)


def test_a_quiet_start_keeps_warnings_and_drops_chatter():
    code = """
import os
from edge.backbone.runtime import _without_chatter
with _without_chatter():
    os.write(2, b"INFO: Created delegate\\n")
    os.write(2, b"ERROR: something real\\n")
os.write(2, b"afterwards\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "ERROR: something real\nafterwards\n"


@pytest.mark.parametrize(("inputs", "outputs"), [(2, 1), (1, 3), (0, 1)])
def test_a_network_with_several_inputs_or_outputs_its_card_does_not_name_is_no_backbone(monkeypatch, inputs, outputs):
    def details(count):
        return [{"shape": np.array([1, 64, 64, 3]), "dtype": np.uint8, "quantization": (1.0, 0), "index": 0}] * count

    made = SimpleNamespace(get_input_details=lambda: details(inputs), get_output_details=lambda: details(outputs))
    monkeypatch.setattr(runtime, "start", lambda *_, **__: made)
    with pytest.raises(BadBackbone, match=r"a backbone has one input, this file has|but its card says"):
        tflite.TfliteBackbone(CARD, b"", runtime="auto", delegate="none", threads=1)


def test_pixels_become_what_the_card_says():
    """Every pixel value, against real = (p - mean) / std and real = scale * (q - zero_point)."""
    for dtype, scale, zero, mean, std in (
        ("int8", 1 / 128, -1, 127.0, 128.0),
        ("int8", 1 / 127.5, 0, 127.5, 127.5),
        ("uint8", 1.0, 0, 0.0, 1.0),
        ("uint8", 0.0078125, 128, 128.0, 128.0),
        ("int8", 0.02, -10, 110.0, 50.0),
    ):
        card = replace(
            CARD, input=Quantisation(dtype, scale, zero), preprocessing=Preprocessing(8, 8, mean=mean, std=std)
        )
        found = tflite._table(card)
        assert found.dtype == np.dtype(dtype)
        info = np.iinfo(dtype)
        real = scale * (found.astype(float) - zero)
        wanted = ((np.arange(256) - mean) / std).clip(scale * (info.min - zero), scale * (info.max - zero))
        assert np.abs(real - wanted).max() <= scale / 2 + 1e-9


def test_a_compiled_file_needs_its_accelerator():
    with pytest.raises(HardwareMissing, match="compiled for the Edge TPU; use EDGE_DELEGATE=auto"):
        tflite.TfliteBackbone(CARD, b"..edgetpu-custom-op..", runtime="auto", delegate="none", threads=1)
    with pytest.raises(HardwareMissing, match="not compiled for the Edge TPU"):
        tflite.TfliteBackbone(CARD, b"plain", runtime="auto", delegate="edgetpu", threads=1)

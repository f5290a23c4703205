"""Small TFLite files made in memory, and folders of generated pictures."""

from __future__ import annotations

from dataclasses import dataclass

import flatbuffers
import numpy as np
import pytest
from PIL import Image

SIZE, WIDTH = 32, 16


@dataclass(frozen=True)
class Tiny:
    """A network to be built: one convolution with a rectifier, global average, and whatever ``ending`` says.

    ``ending``: "", "SOFTMAX", or "compiled" for one custom operator in place of everything.
    """

    dtype: str = "INT8"
    ending: str = ""
    inputs: int = 1
    scale: float = 1 / 128
    zero: int | None = None
    size: tuple[int, int] = (SIZE, SIZE)
    width: int = WIDTH
    dead: bool = False
    out_zero: int | None = None
    out_scale: float = 0.02


def build(tiny: Tiny) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    lowest = 0 if tiny.dtype == "UINT8" else -128
    zero = lowest + 128 if tiny.zero is None else tiny.zero
    generator = np.random.Generator(np.random.PCG64(5))
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], []
    graph.tensors, graph.operators = [], []

    def tensor(name, shape, kind, scale, zero_point, data=None):
        one = schema.TensorT()
        one.name, one.shape, one.type = name, list(shape), getattr(schema.TensorType, kind)
        if scale:
            one.quantization = schema.QuantizationParametersT()
            one.quantization.scale, one.quantization.zeroPoint = [scale], [zero_point]
        if data is not None:
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = np.frombuffer(data.tobytes(), np.uint8)
            one.buffer = len(model.buffers) - 1
        graph.tensors.append(one)
        return len(graph.tensors) - 1

    def op(name, inputs, outputs, options_type=None, options=None, custom=None, version=1):
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version, code.customCode = min(code.builtinCode, 127), version, custom
        model.operatorCodes.append(code)
        one = schema.OperatorT()
        one.opcodeIndex, one.inputs, one.outputs = len(model.operatorCodes) - 1, inputs, outputs
        if options is not None:
            one.builtinOptionsType, one.builtinOptions = getattr(schema.BuiltinOptions, options_type), options
        graph.operators.append(one)

    height, width = tiny.size
    is_float = tiny.dtype == "FLOAT32"
    scale = 0.0 if is_float else tiny.scale
    ins = [tensor(f"in{i}", (1, height, width, 3), tiny.dtype, scale, zero) for i in range(tiny.inputs)]
    out_zero = lowest if tiny.out_zero is None else tiny.out_zero
    out = tensor("out", (1, tiny.width), tiny.dtype, 0.0 if is_float else tiny.out_scale, out_zero)
    if tiny.ending == "compiled":
        op("CUSTOM", ins, [out], custom="edgetpu-custom-op")
    else:
        centre = 128 if tiny.dtype == "UINT8" else 0
        spread = 0 if tiny.dead else 60
        shape = (tiny.width, 3, 3, 3)
        if is_float:
            filters = tensor("w", shape, "FLOAT32", 0, 0, generator.normal(size=shape).astype(np.float32))
            bias = tensor("b", (tiny.width,), "FLOAT32", 0, 0, np.zeros(tiny.width, np.float32))
        else:
            levels = (generator.integers(-spread, spread + 1, shape) + centre).astype(np.dtype(tiny.dtype.lower()))
            filters = tensor("w", shape, tiny.dtype, 0.01, centre, levels)
            bias = tensor("b", (tiny.width,), "INT32", scale * 0.01, 0, np.zeros(tiny.width, np.int32))
        grid = (1, height // 4, width // 4, tiny.width)
        features = tensor("features", grid, tiny.dtype, 0.0 if is_float else 0.02, lowest)
        conv = schema.Conv2DOptionsT()
        conv.strideH = conv.strideW = 4
        conv.dilationHFactor = conv.dilationWFactor = 1
        conv.padding, conv.fusedActivationFunction = schema.Padding.SAME, schema.ActivationFunctionType.RELU
        op("CONV_2D", [*ins[:1], filters, bias], [features], "Conv2DOptions", conv, version=1 if centre else 3)
        axes = tensor("axes", (2,), "INT32", 0, 0, np.array([1, 2], np.int32))
        mean = schema.ReducerOptionsT()
        mean.keepDims = False
        last = out
        if tiny.ending == "SOFTMAX":
            last = tensor("logits", (1, tiny.width), tiny.dtype, 0.02, lowest)
        op("MEAN", [features, axes], [last], "ReducerOptions", mean, version=2)
        if tiny.ending == "SOFTMAX":
            soft = schema.SoftmaxOptionsT()
            soft.beta = 1.0
            op("SOFTMAX", [last], [out], "SoftmaxOptions", soft)
    graph.inputs, graph.outputs = ins, [out]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture
def tiny_file(tmp_path):
    """Writes ``Tiny(**changes)`` to a file and returns its path."""

    def write(name="tiny.tflite", **changes):
        path = tmp_path / name
        path.write_bytes(build(Tiny(**changes)))
        return path

    return write


@pytest.fixture
def everyday(tmp_path):
    """A folder with nine different generated pictures."""
    folder = tmp_path / "everyday"
    folder.mkdir()
    generator = np.random.Generator(np.random.PCG64(3))
    for number in range(9):
        cells = generator.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(cells).resize((80, 64)).save(folder / f"{number}.png")
    return folder

"""Will the Edge TPU compiler take it? The published list of supported operations, and the compiler if it is here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from edge.export.graph import GraphFacts

# Coral, "TensorFlow models on the Edge TPU", supported operations (runtime 14). Highest op version of the compiler.
SUPPORTED = {
    "ADD": 2, "AVERAGE_POOL_2D": 2, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "EXPAND_DIMS": 1,
    "FULLY_CONNECTED": 4, "L2_NORMALIZATION": 2, "LOGISTIC": 2, "MAXIMUM": 2, "MAX_POOL_2D": 2, "MEAN": 2,
    "MINIMUM": 2, "MUL": 2, "PACK": 2, "PAD": 2, "PADV2": 2, "PRELU": 1, "QUANTIZE": 2, "REDUCE_MAX": 2,
    "REDUCE_MIN": 2, "RELU": 2, "RELU6": 2, "RELU_N1_TO_1": 2, "RESHAPE": 1, "RESIZE_BILINEAR": 3,
    "RESIZE_NEAREST_NEIGHBOR": 3, "RSQRT": 2, "SLICE": 2, "SOFTMAX": 2, "SPACE_TO_DEPTH": 2, "SPLIT": 2,
    "SQUEEZE": 1, "STRIDED_SLICE": 2, "SUB": 2, "SUM": 2, "SQUARED_DIFFERENCE": 2, "TANH": 2, "TRANSPOSE": 2,
    "TRANSPOSE_CONV": 3,
}  # fmt: skip


COMPILED = "edgetpu-custom-op"
"""The one custom operator of a file that ``edgetpu_compiler`` has been over."""


def complaints(facts: GraphFacts) -> list[str]:
    """Why the compiler would not map the whole graph; empty when it would."""
    found = [f"{name} is not supported" for name in _foreign(facts)]
    found += [
        f"{name} version {version} is newer than {SUPPORTED[name]}"
        for name, version in facts.ops
        if name in SUPPORTED and version > SUPPORTED[name]
    ]
    found += [
        f"{one.name} is {one.dtype}" for one in facts.inputs + facts.outputs if one.dtype not in ("INT8", "UINT8")
    ]
    return found + ([] if facts.static else ["a tensor has a dynamic shape"])


def _foreign(facts: GraphFacts) -> list[str]:
    named = [name for name, _ in facts.ops if name not in SUPPORTED and name != "CUSTOM"]
    return named + [f"custom operator {name}" for name in facts.custom_ops if name != COMPILED]


def compile_report(path: Path) -> str:
    """The compiler's own words where it is installed, else the command to run elsewhere."""
    compiler = shutil.which("edgetpu_compiler")
    if compiler is None:
        return f"not compiled here; run: edgetpu_compiler -s {path.name}"
    done = subprocess.run(
        [compiler, "-s", "-o", str(path.parent), str(path)], capture_output=True, text=True, timeout=600, check=False
    )
    return (done.stdout + done.stderr).strip()

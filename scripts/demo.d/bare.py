"""Run an exported model with numpy, Pillow and a TFLite runtime alone, as on a device without Edge Concepts.

    python bare.py MODEL.tflite IMAGE...

Prints one JSON document: the runtime, and for every picture the value of each concept. It is short on purpose: copy it.
"""

import json
import sys
import zipfile

import numpy as np
from PIL import Image

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter


def main(model: str, pictures: list[str]) -> None:
    with zipfile.ZipFile(model) as archive:  # labels travel behind the graph, as TFLite metadata
        labels = archive.read(next(one for one in archive.namelist() if one.endswith(".txt"))).decode().splitlines()
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    side = int(given["shape"][1])
    results = []
    for path in pictures:
        # int8 pixels are the grey levels less 128
        pixels = (prepared(path, side).astype(np.int16) - 128).astype(np.int8)
        interpreter.set_tensor(given["index"], pixels[np.newaxis])
        interpreter.invoke()
        values = interpreter.get_tensor(answer["index"])[0]
        if values.dtype != np.float32:
            scale, zero = answer["quantization"]
            values = (values.astype(np.float32) - zero) * scale
        results.append({"path": path, "values": dict(zip(labels, values.tolist(), strict=True))})
    runtime = Interpreter.__module__.partition(".")[0]
    json.dump({"runtime": runtime, "edge": "edge" in sys.modules, "pictures": results}, sys.stdout)


def prepared(path: str, side: int) -> np.ndarray:
    """The central square, 0.875 of the short side, at the network's size: (side, side, 3) uint8."""
    with Image.open(path) as picture:
        half = min(picture.size) * 0.875 / 2
        x, y = picture.width / 2, picture.height / 2
        box = (x - half, y - half, x + half, y + half)
        scaled = picture.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=1.0)
        return np.asarray(scaled.convert("RGB"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

"""Run an exported model with numpy, Pillow and a TFLite runtime alone, as on a device without Edge Concepts.

    python bare.py MODEL.tflite [--fit centre|stretch] [--crop SHARE] IMAGE...

Prints one JSON document: the runtime, and for every picture the value of each concept. It is short on purpose: copy it.
"""

import argparse
import json
import sys
import zipfile

import numpy as np
from PIL import Image

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter


def main(arguments: argparse.Namespace) -> None:
    with zipfile.ZipFile(arguments.model) as archive:  # labels travel behind the graph, as TFLite metadata
        labels = archive.read("labels.txt").decode().splitlines()
    interpreter = Interpreter(model_path=arguments.model, num_threads=1)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    results = []
    for path in arguments.pictures:
        grey_levels = prepared(path, int(given["shape"][1]), arguments.fit, arguments.crop)
        pixels = (grey_levels.astype(np.int16) - 128).astype(np.int8)
        interpreter.set_tensor(given["index"], pixels[np.newaxis])
        interpreter.invoke()
        values = interpreter.get_tensor(answer["index"])[0]
        if values.dtype != np.float32:
            scale, zero = answer["quantization"]
            values = (values.astype(np.float32) - zero) * scale
        results.append({"path": path, "values": dict(zip(labels, values.tolist(), strict=True))})
    runtime = Interpreter.__module__.partition(".")[0]
    json.dump({"runtime": runtime, "edge": "edge" in sys.modules, "pictures": results}, sys.stdout)


def prepared(path: str, side: int, fit: str, crop: float) -> np.ndarray:
    """The part of the picture that the network wants, at its size: (side, side, 3) uint8."""
    with Image.open(path) as picture:
        width, height = (min(picture.size),) * 2 if fit == "centre" else picture.size
        left, top = (picture.width - width * crop) / 2, (picture.height - height * crop) / 2
        box = (left, top, left + width * crop, top + height * crop)
        scaled = picture.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=1.0)
        return np.asarray(scaled.convert("RGB"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run an exported model on pictures.")
    parser.add_argument("model")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--fit", choices=("centre", "stretch"), default="centre")
    parser.add_argument("--crop", type=float, default=0.875)
    main(parser.parse_args())

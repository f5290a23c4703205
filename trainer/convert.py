"""Float network to full-INT8 TFLite: litert-torch converts, ai-edge-quantizer quantises."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any

from edge.backbone import runtime as runtimes
from edge.backbone.golden import golden_images
from edge.errors import BadBackbone
from trainer.network import MEAN, STD, trainer_packages
from trainer.rounding import prepared, tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RANGE_SHARE = 0.75
"""The share of the pictures whose extremes a tensor's range holds; the others are clipped, for a finer step."""
_THREADS = 2


def convert(network: Any, size: int, pictures: NDArray[np.uint8]) -> bytes:
    """The whole way: an INT8 file's bytes. ``pictures`` (n, size, size, 3) uint8: the representative dataset."""
    with TemporaryDirectory() as folder:
        float_file = Path(folder) / "float.tflite"
        to_float_tflite(prepared(network, pictures), size, float_file)
        return quantise(float_file, pictures)


def to_float_tflite(network: Any, size: int, out: Path) -> None:
    """Write (1, size, size, 3) float32 -> (1, d) float32, channels last, to ``out``."""
    with trainer_packages(), _quiet():  # some of what it says, it says when it is imported
        import litert_torch
        import torch
    logging.getLogger().setLevel(logging.ERROR)
    with _quiet():
        last = litert_torch.to_channel_last_io(network, args=[0])
        litert_torch.convert(last, (torch.zeros(1, size, size, 3),)).export(str(out))


def float_embedder(network: Any, size: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A function (size, size, 3) uint8 -> (d,) float32, parts side by side: what the INT8 file is measured against.

    The network itself, converted and not quantised, because the runtime is several times quicker than torch. Raises
    BadBackbone when the converted network does not compute what torch computes.
    """
    import numpy as np
    import torch

    with TemporaryDirectory() as folder:
        file = Path(folder) / "float.tflite"
        to_float_tflite(network, size, file)
        interpreter = runtimes.start(file.read_bytes(), runtime=runtimes.choose("auto"), threads=_THREADS)
    into = interpreter.get_input_details()[0]["index"]
    outputs = [output["index"] for output in interpreter.get_output_details()]

    def embed(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        interpreter.set_tensor(into, ((picture.astype(np.float32) - MEAN) / STD)[np.newaxis])
        interpreter.invoke()
        parts = [interpreter.get_tensor(output).reshape(-1) for output in outputs]
        return np.concatenate(parts, dtype=np.float32)

    pictures = golden_images(size, size)
    with torch.no_grad():
        truth = torch.cat(network(tensor(pictures)), dim=1).numpy()
    if not np.allclose(np.stack([embed(one) for one in pictures]), truth, rtol=1e-3, atol=1e-3):
        raise BadBackbone("the converted network does not compute what torch computes; use the versions in [trainer]")
    return embed


def quantise(float_file: Path, pictures: Iterable[NDArray[np.uint8]], share: float = RANGE_SHARE) -> bytes:
    """Static INT8 weights and activations; ``pictures`` (size, size, 3) uint8 set the ranges. int8 in, int8 out."""
    with trainer_packages():
        from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager
    import numpy as np

    with _quiet():
        rules = recipe_manager.RecipeManager()
        rules.load_quantization_recipe(recipe.static_wi8_ai8())
        reader = calibrator.Calibrator(str(float_file), num_threads=_THREADS, qsv_update_func=_gathered)
        samples = [{"args_0": ((one.astype(np.float32) - MEAN) / STD)[np.newaxis]} for one in pictures]
        reader.calibrate({"serving_default": samples}, rules)
        statistics = {name: _range(one, share) for name, one in reader.get_model_qsvs().items()}
        # The input's range is known exactly: with it one step is one grey level, and preparing a pixel is flipping
        # its top bit.
        statistics["serving_default_args_0"].update(
            min=np.full((1, 1, 1, 1), -MEAN / STD, np.float32),
            max=np.full((1, 1, 1, 1), (255 - MEAN) / STD, np.float32),
        )
        worker = quantizer.Quantizer(str(float_file), recipe.static_wi8_ai8())
        return bytes(worker.quantize(statistics, enable_progress_report=False).quantized_model)


def _gathered(so_far: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The quantiser's own moving average forgets all but the last twenty pictures; keep every picture's extremes."""
    earlier = so_far.get("extremes") or ([(so_far["min"], so_far["max"])] if so_far else [])
    return {**new, "extremes": [*earlier, (new["min"], new["max"])]}


def _range(statistics: dict[str, Any], share: float) -> dict[str, Any]:
    """Weights, which have no extremes of pictures, keep what they have."""
    import numpy as np

    if "extremes" not in statistics:
        return dict(statistics)
    lows, highs = (np.stack([pair[end] for pair in statistics["extremes"]]) for end in (0, 1))
    return {
        "min": np.quantile(lows, 1 - share, axis=0).astype(np.float32),
        "max": np.quantile(highs, share, axis=0).astype(np.float32),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the converter's C++ writes to stdout and stderr; show it only when it fails."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with TemporaryFile() as said:
        try:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            yield
        except BaseException:
            said.seek(0)
            os.write(kept[1], said.read())
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in enumerate(kept, start=1):
                os.dup2(copy, number)
                os.close(copy)

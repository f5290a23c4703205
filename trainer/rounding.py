"""Prepare a float network for INT8, so that quantising costs little: fold, equalise, round with foresight, mend biases.

The quantiser rounds every weight to the nearest of 255 steps of its filter's largest weight. In these networks the
first blocks have filters with one large weight and many small ones, and there that alone moves the embedding further
than everything else together. So the weights are put on the quantiser's own grid beforehand, better chosen; it then
finds nothing left to round. The network stays a float network, and the converter needs to know nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from trainer.network import MEAN, STD, middle_blocks, trainer_packages

if TYPE_CHECKING:
    import torch

PICTURES = 32
"""How many of the representative pictures the rounding looks at; more cost time and change nothing."""
LEVELS = 127
SHRINK = tuple(1 - 0.005 * step for step in range(12))
"""Trial scales of a filter, as shares of the scale that its largest weight asks for."""
DAMPING = 0.01
CEILING = 6.0  # of ReLU6
_BATCH = 8
_BLOCK = 32  # weights rounded before the errors are handed on to all that follow, for speed alone
_POSITIONS = 3000  # of a batch, whose neighbours are nearly the same anyway


def prepared(network: Any, pictures: NDArray[np.uint8]) -> Any:
    """A copy of the embedding network whose weights survive INT8. ``pictures`` (n, size, size, 3) uint8."""
    with trainer_packages():
        import torch
    batches = [tensor(pictures[i : i + _BATCH]) for i in range(0, min(len(pictures), PICTURES), _BATCH)]
    folded = fold(deepcopy(network))
    with torch.no_grad():
        return round_weights(equalise(folded, batches), batches)


def tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """(n, size, size, 3) uint8 -> (n, 3, size, size) float32 as the network takes it."""
    import torch

    return torch.from_numpy((pictures.astype(np.float32) - MEAN) / STD).permute(0, 3, 1, 2).contiguous()


def fold(network: Any) -> Any:
    """Batch normalisation into the weights and a bias of the convolution before it, in place."""
    import torch

    for owner, convolution, norm in _normalised(network.network):
        layer, batch_norm = getattr(owner, convolution), getattr(owner, norm)
        gain = batch_norm.weight.data / torch.sqrt(batch_norm.running_var + batch_norm.eps)
        layer.weight.data = layer.weight.data * gain[:, None, None, None]
        layer.bias = torch.nn.Parameter(batch_norm.bias.data - batch_norm.running_mean * gain)
        setattr(owner, norm, torch.nn.Identity())
    return network


def _normalised(net: Any) -> Iterator[tuple[Any, str, str]]:
    yield net, "_conv_stem", "_bn0"
    for block in net._blocks:
        if hasattr(block, "_expand_conv"):
            yield block, "_expand_conv", "_bn0"
        yield block, "_depthwise_conv", "_bn1"
        yield block, "_project_conv", "_bn2"
    yield net, "_conv_head", "_bn1"


def equalise(network: Any, batches: list[torch.Tensor]) -> Any:
    """Give the channels of a tensor like ranges, in place, without changing what the network computes.

    Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction", ICCV 2019, with ranges seen
    on pictures. A channel before a depthwise convolution is scaled up to what ReLU6 lets through, at no cost, for both
    its filters have scales of their own. A channel between blocks is scaled by the root of its range, unless it is part
    of the embedding.
    """
    import torch

    net = network.network
    tops = _tops(network, batches)
    given = set(middle_blocks(net))
    for stage in (one for one in _stages(net) if not given.intersection(one)):
        top = torch.stack([tops[module] for module in _outputs(net, stage)]).amax(dim=0)
        share = (top / top.max()).clamp(min=1e-3).sqrt()
        for index in stage:
            _scale_out(net._blocks[index]._project_conv, 1 / share)
            following = net._blocks[index + 1]._expand_conv if index + 1 < len(net._blocks) else net._conv_head
            following.weight.data *= share[None, :, None, None]
    for before, depthwise in _into_depthwise(net):
        up = (CEILING / (1.1 * tops[before]).clamp(min=0.01)).clamp(min=1, max=64)
        _scale_out(before, up)
        depthwise.weight.data /= up[:, None, None, None]
    return network


def _scale_out(layer: Any, factor: torch.Tensor) -> None:
    layer.weight.data *= factor[:, None, None, None]
    layer.bias.data *= factor


def _stages(net: Any) -> list[list[int]]:
    """Numbers of the blocks whose outputs are added up, so that they share the ranges of their channels."""
    stages: list[list[int]] = []
    for index, block in enumerate(net._blocks):
        facts = block._block_args
        adds = block.id_skip and facts.stride == 1 and facts.input_filters == facts.output_filters
        if adds and stages:
            stages[-1].append(index)
        else:
            stages.append([index])
    return stages


def _outputs(net: Any, stage: list[int]) -> Iterator[Any]:
    for index in stage:
        yield net._blocks[index]
        yield net._blocks[index]._project_conv


def _into_depthwise(net: Any) -> Iterator[tuple[Any, Any]]:
    for index, block in enumerate(net._blocks):
        if hasattr(block, "_expand_conv"):
            yield block._expand_conv, block._depthwise_conv
        elif index == 0:
            yield net._conv_stem, block._depthwise_conv


def _tops(network: Any, batches: list[torch.Tensor]) -> dict[Any, torch.Tensor]:
    """Largest magnitude of every channel of every layer's and block's output."""
    import torch

    tops: dict[Any, torch.Tensor] = {}

    def note(module: Any, _: Any, output: torch.Tensor) -> None:
        top = output.abs().amax(dim=(0, 2, 3))
        tops[module] = torch.maximum(tops[module], top) if module in tops else top

    net = network.network
    layers = [net._conv_stem, *net._blocks, *(block._project_conv for block in net._blocks)]
    layers += [block._expand_conv for block in net._blocks if hasattr(block, "_expand_conv")]
    handles = [layer.register_forward_hook(note) for layer in layers]
    for batch in batches:
        network(batch)
    for handle in handles:
        handle.remove()
    return tops


def round_weights(network: Any, batches: list[torch.Tensor]) -> Any:
    """Put every weight on the grid the quantiser will use, layer after layer, in place.

    A layer sees what the rounded layers before it give. The biases then take up what is left on average, so that
    every channel has the mean it has in the float network (bias correction, Nagel et al., ICCV 2019).
    """
    stages = list(zip(_sequence(network), _sequence(deepcopy(network)), strict=True))
    rounded, floats = list(batches), list(batches)
    for (run, layers), (float_run, float_layers) in tqdm(stages, desc="rounding", disable=None, leave=False):
        floats, means = _means(float_run, float_layers, floats)
        for layer, mean in zip(layers, means, strict=True):
            moment, average = _statistics(run, layer, rounded)
            _round_layer(layer, moment)
            layer.bias.data += mean - _mean_output(layer, average)
        rounded = [run(batch) for batch in rounded]
    return network


Run = Callable[["torch.Tensor"], "torch.Tensor"]


def _sequence(network: Any) -> Iterator[tuple[Run, list[Any]]]:
    """The network as functions to be run one after the other, each with its convolutions in order."""
    net = network.network
    yield lambda x: net._swish(net._conv_stem(x)), [net._conv_stem]
    for block in net._blocks:
        names = ("_expand_conv", "_depthwise_conv", "_project_conv")
        yield block, [getattr(block, name) for name in names if hasattr(block, name)]
    yield lambda x: net._swish(net._conv_head(x)), [net._conv_head]


def _means(run: Run, layers: list[Any], batches: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Outputs of a stage, and the mean of every channel of every layer in it."""
    sums: dict[Any, Any] = dict.fromkeys(layers, 0.0)

    def note(layer: Any, _: Any, output: torch.Tensor) -> None:
        sums[layer] = sums[layer] + output.mean(dim=(2, 3)).sum(dim=0)

    handles = [layer.register_forward_hook(note) for layer in layers]
    outputs = [run(batch) for batch in batches]
    for handle in handles:
        handle.remove()
    count = sum(len(batch) for batch in batches)
    return outputs, [sums[layer] / count for layer in layers]


class _Enough(Exception):
    """The layer has been reached; what comes after it need not be computed."""


def _statistics(run: Run, layer: Any, batches: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Second moments (G, D, D) and means (G, D) of the D inputs of a filter, for the G groups of a convolution."""
    moment: Any = 0.0
    total: Any = 0.0
    count = 0

    def note(_: Any, arguments: tuple[torch.Tensor]) -> None:
        nonlocal moment, total, count
        patches = _patches(layer, arguments[0])
        moment = moment + patches @ patches.transpose(1, 2)
        total = total + patches.sum(dim=2)
        count += patches.shape[2]
        raise _Enough

    handle = layer.register_forward_pre_hook(note)
    for batch in batches:
        try:
            run(batch)
        except _Enough:
            continue
    handle.remove()
    return moment / count, total / count


def _patches(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """(G, D, n) what the filters of each group see, at some thousand positions."""
    import torch

    (high, wide), (down, across) = layer.kernel_size, layer.stride
    seen = layer.static_padding(x).unfold(2, high, down).unfold(3, wide, across)  # a view: nothing is copied yet
    count, _, rows, columns = seen.shape[:4]
    # drawn, because steps of equal length fall into step with the columns: the same few, edges among them, every time
    drawn = torch.randperm(count * rows * columns, generator=torch.Generator().manual_seed(0))
    chosen = drawn[:_POSITIONS].sort().values
    picture, place = chosen // (rows * columns), chosen % (rows * columns)
    patches = seen[picture, :, place // columns, place % columns]
    return patches.reshape(len(chosen), layer.groups, -1).permute(1, 2, 0).contiguous()


def _mean_output(layer: Any, average: torch.Tensor) -> torch.Tensor:
    import torch

    weights = layer.weight.data.reshape(layer.groups, layer.weight.shape[0] // layer.groups, -1)
    return torch.einsum("god,gd->go", weights, average).reshape(-1) + layer.bias.data


def _round_layer(layer: Any, moment: torch.Tensor) -> None:
    """The best of the trial scales for every filter, by the error of its output."""
    import torch

    weights = layer.weight.data.reshape(layer.groups, layer.weight.shape[0] // layer.groups, -1).double()
    moment = moment.double()
    groups, filters, inputs = weights.shape
    shares = torch.tensor(SHRINK, dtype=weights.dtype).repeat_interleave(filters)[:, None]
    # each filter once for every trial scale, so that all are rounded together
    wanted = weights.repeat(1, len(SHRINK), 1)
    scale = shares * wanted.abs().amax(dim=2, keepdim=True).clamp(min=1e-9) / LEVELS
    trials = _rounded(wanted, scale, _feedback(moment))
    missed = wanted - trials
    errors = ((missed @ moment) * missed).sum(dim=2).reshape(groups, len(SHRINK), filters)
    best = errors.argmin(dim=1)[:, None, :, None].expand(-1, -1, -1, inputs)
    chosen = trials.reshape(groups, len(SHRINK), filters, inputs).gather(1, best)
    layer.weight.data = chosen.float().reshape(layer.weight.shape)


def _feedback(moment: torch.Tensor) -> torch.Tensor:
    """(G, D, D) upper triangular: how an error in one weight is best made up for by the weights after it."""
    import torch

    diagonal = moment.diagonal(dim1=1, dim2=2)
    damping = DAMPING * diagonal.mean(dim=1, keepdim=True) + 1e-9
    inverse = torch.linalg.inv(moment + torch.diag_embed(damping.expand_as(diagonal)))
    return torch.linalg.cholesky(inverse, upper=True)


def _rounded(weights: torch.Tensor, scale: torch.Tensor, feedback: torch.Tensor) -> torch.Tensor:
    """(G, O, D) weights on the grid of ``scale`` (G, O, 1), one after the other, each error handed on.

    Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", ICLR 2023.
    The largest weight of a filter goes to the end of the grid, because that is where the quantiser finds the scale.
    """
    import torch

    largest = weights.abs().argmax(dim=2)
    end = LEVELS * torch.sign(torch.gather(weights, 2, largest[..., None]))[..., 0]
    left = (weights / scale).transpose(1, 2).contiguous()  # (G, D, O): what is rounded together lies together
    for start in range(0, left.shape[1], _BLOCK):
        stop = min(start + _BLOCK, left.shape[1])
        errors = torch.empty_like(left[:, start:stop])
        for i in range(start, stop):
            level = torch.where(largest == i, end, left[:, i].round().clamp_(-LEVELS, LEVELS))
            error = (left[:, i] - level) / feedback[:, i, i, None]
            left[:, i + 1 : stop] -= feedback[:, i, i + 1 : stop, None] * error[:, None]
            left[:, i], errors[:, i - start] = level, error
        left[:, stop:] -= feedback[:, start:stop, stop:].transpose(1, 2) @ errors
    return left.transpose(1, 2) * scale

"""The float network that goes to the quantiser computes the same, from weights that are on its grid."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

pytestmark = pytest.mark.trainer
SIZE = 64


@pytest.fixture(scope="module")
def pictures():
    from skimage import data

    photo = data.astronaut()
    return np.stack([photo[y : y + SIZE, x : x + SIZE] for y in (0, 150, 300) for x in (0, 150, 300)])


@pytest.fixture(scope="module")
def network():
    from trainer.network import build

    return build("efficientnet-lite0", SIZE)


@pytest.fixture(scope="module")
def batches(pictures):
    from trainer import rounding

    return [rounding.tensor(pictures)]


@pytest.fixture(scope="module")
def folded(network):
    from trainer import rounding

    return rounding.fold(deepcopy(network))


@pytest.fixture(scope="module")
def rounded(network, pictures):
    """The prepared network; takes half a minute, so all tests share one, and the network given is compared here."""
    from trainer import rounding

    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = rounding.prepared(network, pictures)
    assert all((value == before[name]).all() for name, value in network.state_dict().items())
    return made


def run(network, batches):
    import torch

    with torch.no_grad():
        return torch.cat(network(batches[0]), dim=1).numpy()


def cosine(a, b):
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def test_folding_changes_no_output(network, folded, batches):
    assert np.abs(run(folded, batches) - run(network, batches)).max() < 1e-3


def test_equalising_changes_no_output_on_the_pictures_it_saw(folded, batches):
    import torch

    from trainer import rounding

    with torch.no_grad():
        equal = rounding.equalise(deepcopy(folded), batches)
    assert np.abs(run(equal, batches) - run(folded, batches)).max() < 1e-2
    assert not torch.equal(equal.network._conv_stem.weight, folded.network._conv_stem.weight)


def test_prepared_weights_lie_on_the_grid_of_their_largest(rounded):
    for name, value in rounded.named_parameters():
        if name.endswith("weight") and "_fc" not in name:
            filters = value.detach().numpy().reshape(len(value), -1)
            steps = filters / np.maximum(np.abs(filters).max(axis=1, keepdims=True), 1e-30) * 127
            assert np.abs(steps - np.rint(steps)).max() < 1e-2, name


def test_prepared_weights_are_nearer_to_the_network_than_nearest_rounding(network, folded, rounded, batches):
    nearest = deepcopy(folded)
    for name, value in nearest.named_parameters():
        if name.endswith("weight") and "_fc" not in name:
            scale = value.data.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-9) / 127
            value.data = (value.data / scale).round() * scale
    last = slice(0, 1280)  # the parts of middle blocks have larger numbers and would drown it
    truth = run(network, batches)[:, last]
    error = 1 - cosine(run(rounded, batches)[:, last], truth)
    assert error < 0.9 * (1 - cosine(run(nearest, batches)[:, last], truth))


def test_errors_are_made_up_for_by_weights_with_like_inputs():
    import torch

    from trainer import rounding

    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(40, 5, generator=generator, dtype=torch.float64).repeat(1, 8)  # 8 copies of 5 inputs
    inputs = inputs + 0.05 * torch.randn(40, 40, generator=generator, dtype=torch.float64)
    moment = (inputs.T @ inputs / 40)[None]
    weights = torch.randn(1, 3, 40, generator=generator, dtype=torch.float64)
    scale = weights.abs().amax(dim=2, keepdim=True) / 127
    rounded = rounding._rounded(weights, scale, rounding._feedback(moment))
    nearest = (weights / scale).round() * scale

    def error(trial):
        return float((((weights - trial) @ moment) * (weights - trial)).sum())

    assert error(rounded) < error(nearest) / 3
    assert torch.allclose((rounded / scale).round(), rounded / scale, atol=1e-6)
    assert torch.equal((rounded / scale).abs().amax(dim=2).round(), torch.full((1, 3), 127.0, dtype=torch.float64))


def test_every_filter_gets_the_best_of_the_trial_scales():
    import torch

    from trainer import rounding

    generator = torch.Generator().manual_seed(2)
    layer = torch.nn.Conv2d(20, 6, 1, bias=False)
    layer.weight.data = torch.randn(6, 20, 1, 1, generator=generator)
    inputs = torch.randn(60, 20, generator=generator, dtype=torch.float64)
    moment = (inputs.T @ inputs / 60)[None]
    weights = layer.weight.data.reshape(1, 6, 20).double()
    top = weights.abs().amax(dim=2, keepdim=True)

    def errors(trial):
        return (((weights - trial) @ moment) * (weights - trial)).sum(dim=2)

    trials = [
        rounding._rounded(weights, share * top / rounding.LEVELS, rounding._feedback(moment))
        for share in rounding.SHRINK
    ]
    best = torch.stack([errors(trial) for trial in trials]).amin(dim=0)
    with torch.no_grad():
        rounding._round_layer(layer, moment)
    assert torch.allclose(errors(layer.weight.data.reshape(1, 6, 20).double()), best, rtol=1e-4)
    assert len({int(number) for number in torch.stack([errors(trial) for trial in trials]).argmin(dim=0)[0]}) > 1


@pytest.mark.parametrize("name", ["_conv_stem", "_conv_head", "depthwise"])
def test_what_a_filter_sees_is_what_it_is_applied_to(folded, name):
    import torch

    from trainer import rounding

    net = folded.network
    layer = net._blocks[3]._depthwise_conv if name == "depthwise" else getattr(net, name)
    channels = layer.weight.shape[1] * layer.groups
    x = torch.rand(2, channels, 10, 10, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = (layer(x) - layer.bias[None, :, None, None]).permute(1, 0, 2, 3).flatten(1)
        weights = layer.weight.reshape(layer.groups, -1, layer.weight[0].numel())
        assert torch.allclose((weights @ rounding._patches(layer, x)).flatten(0, 1), wanted, atol=1e-4)


@pytest.mark.parametrize("side", [15, 30, 60, 112, 120])
def test_what_filters_see_is_drawn_from_all_columns_alike(side):
    import torch
    from torch import nn

    from trainer import rounding

    layer = nn.Conv2d(1, 1, 1, bias=False)
    layer.static_padding = nn.Identity()
    column = torch.arange(side).repeat(8, 1, side, 1).float()
    seen = rounding._patches(layer, column)
    assert seen.mean() == pytest.approx((side - 1) / 2, rel=0.05)
    assert len(seen.unique()) == side

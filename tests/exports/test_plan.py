import numpy as np
import pytest
import torch
from tests.support.networks import build, noise
from torch import nn

from mnist_gan.config import GeneratorConfig
from mnist_gan.errors import ConfigError
from mnist_gan.exports.plan import Weights, plan_generator, plan_layers
from mnist_gan.models import ImageShape
from mnist_gan.models.layers import Dense


def test_weights_that_are_float16_keep_their_values():
    matrix = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).mul(3).half().float().numpy()
    weights = Weights()
    place, unit = weights.add_matrix(matrix)
    (half,) = weights.halves
    assert place == 0
    assert np.array_equal(half.astype(np.float32).reshape(5, 7) * unit, matrix)


def test_batch_norm_becomes_scale_and_shift_of_the_layer_before():
    dense, norm = Dense(3, 2, bias=False), nn.BatchNorm1d(2)
    with torch.no_grad():
        dense.weight.copy_(noise(2, 3))
        norm.load_state_dict(
            {"running_mean": torch.tensor([1.0, -2.0]), "running_var": torch.tensor([4.0, 0.25])}, strict=False
        )
        norm.weight.copy_(torch.tensor([3.0, 0.5]))
        norm.bias.copy_(torch.tensor([0.1, 0.2]))
    trunk, weights = nn.Sequential(dense, norm).eval(), Weights()
    (layer,) = plan_layers(trunk, weights)
    halves, singles = (np.concatenate(list(parts)) for parts in (weights.halves, weights.singles))
    scale, shift = (singles[layer[name] : layer[name] + 2] for name in ("scale", "shift"))
    x = noise(4, 3, seed=1)
    found = x.numpy() @ halves.astype(np.float32).reshape(2, 3).T * scale + shift
    assert np.allclose(found, trunk(x).detach().numpy(), atol=5e-3)


def test_plan_refuses_a_layer_of_another_family():
    config = GeneratorConfig(family="mlp", z_dim=4, channels=(8,), norm="none")
    G = build(config, ImageShape(channels=1, resolution=28))
    G.trunk.append(nn.Hardtanh())
    with pytest.raises(ConfigError, match="a page cannot compute the layer Hardtanh of this model"):
        plan_generator(G, Weights())

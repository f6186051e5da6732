"""Adam: the bits of torch's own, without torch's compiler."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import torch
from torch import nn

from mnist_gan.training.adam import Adam

SETTINGS: dict[str, Any] = {"lr": 2e-3, "betas": (0.5, 0.99), "eps": 1e-8}


def networks():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(7, 5), nn.LeakyReLU(), nn.Linear(5, 3))
    return network, copy.deepcopy(network)


def test_adam_has_the_bits_of_torch_also_for_a_weight_without_a_gradient_and_a_new_rate():
    own, theirs = networks()
    optimizer, reference = (
        Adam(own.parameters(), **SETTINGS),
        torch.optim.Adam(theirs.parameters(), fused=True, **SETTINGS),
    )
    for step in range(6):
        x = torch.randn(4, 7, generator=torch.Generator().manual_seed(step))
        for network, each in ((own, optimizer), (theirs, reference)):
            each.zero_grad()
            first, last = network[0](x), network[2].weight
            (first.square().sum() if step == 2 else (first @ last.t()).exp().sum()).backward()
        if step == 4:
            optimizer.lr = reference.param_groups[0]["lr"] = 1e-4
        optimizer.step()
        reference.step()
    for weight, expected in zip(own.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(weight, expected)
        for name, tensor in reference.state.get(expected, {}).items():
            assert torch.equal(optimizer.state[weight][name], tensor), name


def test_a_copy_of_an_optimizer_with_its_network_trains_on_its_own():
    network, _ = networks()
    state = {"network": network, "optimizer": Adam(network.parameters(), **SETTINGS)}
    twin = copy.deepcopy(state)
    twin["network"](torch.ones(1, 7)).sum().backward()
    twin["optimizer"].step()
    assert not torch.equal(twin["network"][0].weight, network[0].weight)
    assert all(float(moments["step"]) == 0 for moments in state["optimizer"].state.values())


def test_a_training_imports_no_compiler():
    code = """
import sys
from typing import Any
from mnist_gan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig, RunConfig, TrainingConfig
from mnist_gan import train
config = Config(
    data=DataConfig(name="ring8"),
    generator=GeneratorConfig(family="mlp", z_dim=2, channels=(8,), norm="none"),
    discriminator=DiscriminatorConfig(family="mlp", channels=(8,)),
    training=TrainingConfig(total_nimg=128, batch_size=64, conditional=False, device="cpu"),
    run=RunConfig(evaluate=False),
)
assert [tick.reason for tick in train(config)][-1] == "finished"
assert "torch._dynamo" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr

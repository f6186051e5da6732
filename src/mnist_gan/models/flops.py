"""Floating-point operations of a network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mnist_gan.models.base import Discriminator, Generator
from mnist_gan.models.custom import CustomDiscriminator, CustomGenerator
from mnist_gan.models.layers import Conv, ConvUp, Dense


def flops_per_image(network: Generator | Discriminator) -> int:
    """Floating-point operations of one forward pass over one image: two per multiply-add.

    Counts convolutions and dense layers, but no activations, normalization or sums. Forward and backward together cost
    about three times as much, or twice if only the input takes a gradient. In a plug-in's network torch counts matrix
    products and convolutions, and every weight counts at least once.
    """
    if isinstance(network, CustomGenerator | CustomDiscriminator):
        with FlopCounterMode(display=False) as counter:
            _run_once(network)
        return max(int(counter.get_total_flops()), 2 * sum(weight.numel() for weight in network.parameters()))
    multiply_adds = 0

    def count(layer: nn.Module, _: Any, out: Tensor) -> None:
        nonlocal multiply_adds
        if isinstance(layer, Conv | ConvUp | Dense):
            multiply_adds += out.numel() * layer.fan_in

    hooks = [layer.register_forward_hook(count) for layer in network.modules()]
    try:
        _run_once(network)
    finally:
        for hook in hooks:
            hook.remove()
    return 2 * multiply_adds


def _run_once(network: Generator | Discriminator) -> None:
    """A forward pass of one image in evaluation mode."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            network(*_one_image(network))
    finally:
        network.train(training)


def _one_image(network: Generator | Discriminator) -> tuple[Tensor, Tensor | None]:
    """Arguments of a forward pass of one image."""
    shape, like = network.shape, next(network.parameters())
    size = (network.z_dim,) if isinstance(network, Generator) else (shape.channels, shape.resolution, shape.resolution)
    labels = torch.zeros(1, dtype=torch.int64, device=like.device) if shape.num_classes else None
    return like.new_zeros(1, *size), labels

"""Exponential moving average of weights, and BatchNorm statistics that fit the averaged weights."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mnist_gan.models.base import Generator


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, *, beta: float, average_buffers: bool = False) -> None:
    """In place, for every weight: average = beta * average + (1 - beta) * weight.

    Buffers are copied. With `average_buffers`, floating-point buffers (BatchNorm statistics) are averaged instead.
    """
    averages: list[Tensor] = list(average.parameters())
    weights: list[Tensor] = list(network.parameters())
    for old, new in zip(average.buffers(), network.buffers(), strict=True):
        if average_buffers and old.is_floating_point():
            averages.append(old)
            weights.append(new)
        else:
            old.copy_(new)
    torch._foreach_lerp_(averages, weights, 1.0 - beta)


def has_batch_norm(network: nn.Module) -> bool:
    """True if any layer is a BatchNorm."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


@torch.no_grad()
def reestimate_batch_norm(
    G: Generator, *, z: Float[Tensor, "n z_dim"], labels: Int64[Tensor, "n"] | None, batch_size: int = 128
) -> None:
    """Recompute the running statistics of every BatchNorm in `G` over `z`, as plain averages over batches.

    Averaged weights need their own: the statistics seen in training belong to the weights that were averaged.
    Leaves `G` in evaluation mode.
    """
    norms = [module for module in G.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    G.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch then weights every batch equally
        norm.train()
    if norms:
        for start in range(0, len(z), batch_size):
            batch = slice(start, start + batch_size)
            G(z[batch], None if labels is None else labels[batch])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()

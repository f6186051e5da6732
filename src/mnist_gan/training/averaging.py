"""The generator's exponential average: what samples and snapshots use."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mnist_gan.models import Generator


@torch.no_grad()
def update_average(G_ema: nn.Module, G: nn.Module, *, beta: float) -> None:
    """Move the average towards `G`: average = beta * average + (1 - beta) * weight. Buffers are copied as they are."""
    averages: list[Tensor] = list(G_ema.parameters())
    weights: list[Tensor] = list(G.parameters())
    torch._foreach_lerp_(averages, weights, 1.0 - beta)
    for average, buffer in zip(G_ema.buffers(), G.buffers(), strict=True):
        average.copy_(buffer)


@torch.no_grad()
def reestimate_batch_norm(
    G: Generator, *, z: Float[Tensor, "n z_dim"], labels: Int64[Tensor, "n"] | None, batch_size: int = 128
) -> None:
    """Replace the running statistics of every BatchNorm in `G` by those that its own weights give over a fixed `z`.

    The averaged weights have never seen a batch, and the statistics of the weights that they average do not fit them.
    Leaves `G` in evaluation mode. Without BatchNorm nothing but the mode changes.
    """
    norms = list(_batch_norms(G))
    momenta = [norm.momentum for norm in norms]
    G.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
        norm.train()
    if norms:
        for start in range(0, len(z), batch_size):
            batch = slice(start, start + batch_size)
            G(z[batch], None if labels is None else labels[batch])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def _batch_norms(module: nn.Module) -> Iterator[nn.modules.batchnorm._BatchNorm]:
    return (m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))

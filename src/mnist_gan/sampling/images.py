"""From seeds to images: image i of a seed is the same whatever is drawn beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from mnist_gan import rng
from mnist_gan.data import to_uint8
from mnist_gan.errors import ConfigError
from mnist_gan.models import Generator


def draw_latents(G: Generator, *, n: int, seed: int, first: int = 0) -> Float[Tensor, "n z_dim"]:
    """Latents of images `first` to `first + n` of `seed`, on the CPU; row i depends on (seed, first + i) alone."""
    return rng.latents(seed, range(first, first + n), G.z_dim)


@torch.no_grad()
def render(
    G: Generator, z: Float[Tensor, "n z_dim"], labels: Int64[Tensor, "n"] | None = None, *, batch_size: int = 250
) -> UInt8[Tensor, "n c h w"]:
    """The images (N, C, H, W) in [0, 255], on the CPU, that `G` in evaluation mode draws from `z`.

    Raises:
        ConfigError: `G` is conditional and `labels` is None, or the other way round.
    """
    if (labels is None) != (G.shape.num_classes == 0):
        raise ConfigError(
            "this generator is conditional: say which digits to draw"
            if labels is None
            else "this generator is unconditional: it cannot be asked for a digit"
        )
    return _in_batches(G, G, z, labels, batch_size=batch_size)


@torch.no_grad()
def render_embedded(
    G: Generator, z: Float[Tensor, "n z_dim"], embedded: Float[Tensor, "n z_dim"], *, batch_size: int = 250
) -> UInt8[Tensor, "n c h w"]:
    """The images that a conditional `G` draws from `z` and points among its embedded labels (`G.embed`).

    Raises:
        ConfigError: `G` is unconditional.
    """
    if G.shape.num_classes == 0:
        raise ConfigError("this generator is unconditional: there is nothing between one digit and another")
    return _in_batches(G, G.draw, z, embedded, batch_size=batch_size)


def _in_batches(
    G: Generator, draw: Callable[..., Tensor], z: Tensor, conditions: Tensor | None, *, batch_size: int
) -> UInt8[Tensor, "n c h w"]:
    """`draw(z, conditions)` as uint8 on the CPU, `batch_size` images at a time."""
    G.eval()
    device = next(G.parameters()).device
    batches = []
    for start in range(0, len(z), batch_size):
        rows = slice(start, start + batch_size)
        given = None if conditions is None else conditions[rows].to(device)
        batches.append(to_uint8(draw(z[rows].to(device), given)).cpu())
    shape = (0, G.shape.channels, G.shape.resolution, G.shape.resolution)
    return torch.cat(batches) if batches else torch.empty(shape, dtype=torch.uint8)


def cycle_labels(digits: Sequence[int], *, n: int) -> Int64[Tensor, "n"]:
    """The labels of `n` images that go through `digits` in turn: a grid of as many columns has one digit in each."""
    return torch.tensor([digits[i % len(digits)] for i in range(n)], dtype=torch.int64)

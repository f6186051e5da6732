"""Seeds to images; image i of a seed does not depend on the images drawn with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mnist_gan import rng
from mnist_gan.errors import ConfigError
from mnist_gan.models import CustomGenerator, Generator
from mnist_gan.parallel import map_in_parallel
from mnist_gan.scaling import AtRest
from mnist_gan.text import pluralize
from mnist_gan.torch_defaults import default_torch_state


@default_torch_state()
def draw_latents(G: Generator, *, n: int, seed: int, first: int = 0) -> Float[Tensor, "n z_dim"]:
    """Latents of images `first` to `first + n - 1` of `seed`, on the CPU; row i depends on (seed, first + i) alone."""
    return rng.latents(seed, range(first, first + n), G.z_dim)


@default_torch_state()
@torch.no_grad()
def render(
    G: Generator, z: Float[Tensor, "n z_dim"], labels: Int64[Tensor, "n"] | None = None, *, batch_size: int = 250
) -> AtRest:
    """Generate images (uint8) or points (float32) from `z`, on the CPU. Sets `G` to evaluation mode.

    Raises:
        ConfigError: `G` is conditional and `labels` is None, or `G` is unconditional and `labels` are given, or they
            are not one class for each z.
    """
    if (labels is None) != (G.shape.num_classes == 0):
        raise ConfigError(
            "this generator is conditional; give labels for the digits to draw"
            if labels is None
            else "this generator is unconditional; give no labels"
        )
    if labels is not None:
        check_labels(labels, n=len(z), num_classes=G.shape.num_classes)
    return _in_batches(G, G, z, labels, batch_size=batch_size)


@default_torch_state()
@torch.no_grad()
def render_embedded(
    G: Generator, z: Float[Tensor, "n z_dim"], embedded: Float[Tensor, "n z_dim"], *, batch_size: int = 250
) -> AtRest:
    """Generate images of a conditional `G` from `z` and label embeddings (`G.embed`), such as interpolated ones.

    Raises:
        ConfigError: `G` is unconditional.
    """
    if G.shape.num_classes == 0:
        raise ConfigError("this generator is unconditional; it has no label embeddings")
    return _in_batches(G, G.draw, z, embedded, batch_size=batch_size)


def _in_batches(
    G: Generator, draw: Callable[..., Tensor], z: Tensor, conditions: Tensor | None, *, batch_size: int
) -> AtRest:
    """`draw(z, conditions)` at rest on the CPU, `batch_size` images at a time."""
    G.eval()
    weight = next(G.parameters())

    @torch.no_grad()
    def compute(rows: slice) -> Tensor:
        condition = None if conditions is None else conditions[rows].to(weight.device)
        return G.shape.scaling.to_rest(draw(z[rows].to(weight), condition)).cpu()

    slices = [slice(start, start + batch_size) for start in range(0, len(z), batch_size)]
    # A network of a plug-in may keep values of a call, and a device computes one batch at a time.
    alone = isinstance(G, CustomGenerator) or weight.device.type != "cpu"
    batches = [compute(rows) for rows in slices] if alone else map_in_parallel(compute, slices)
    shape = (0, G.shape.channels, G.shape.resolution, G.shape.resolution)
    return torch.cat(batches) if batches else torch.empty(shape, dtype=G.shape.scaling.dtype)


@default_torch_state()
def cycle_labels(digits: Sequence[int], *, n: int, first: int = 0) -> Int64[Tensor, "n"]:
    """Labels `first` to `first + n - 1` of a cycle through `digits`.

    A grid with len(digits) columns shows one digit per column.
    """
    return torch.tensor(list(digits), dtype=torch.int64)[torch.arange(first, first + n) % len(digits)]


def check_labels(labels: Tensor, *, n: int, num_classes: int) -> None:
    """Check that `labels` are `n` classes from 0 to `num_classes - 1`.

    Raises:
        ConfigError: another shape, not integers, or out of range.
    """
    if tuple(labels.shape) != (n,) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ConfigError(
            f"labels have the shape {tuple(labels.shape)} and the type {labels.dtype}; expected "
            f"{pluralize(n, 'integer')}, one for each image"
        )
    if n and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ConfigError(
            f"labels are from {int(labels.min())} to {int(labels.max())}; this model has the classes 0 to "
            f"{num_classes - 1}"
        )

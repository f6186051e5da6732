"""Training of a small digit classifier: the judges, and the classifiers of GAN-train and GAN-test."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812 - the usual alias
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from mnist_gan import rng
from mnist_gan.models import update_average
from mnist_gan.schedules import cosine_decay

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


def augment(
    images: Float[Tensor, "n c h w"], *, generator: torch.Generator, strength: float = 1.0
) -> Float[Tensor, "n c h w"]:
    """Rotate, scale, shear, shift and distort each image independently.

    Standard deviations at strength 1: rotation 10 degrees, scale and shear 10 %, shift 1 pixel, elastic displacement
    0.7 pixel. Pixels from outside an image take the lowest value of the batch, the background of digits.

    Source: Simard, Steinkraus & Platt 2003, "Best Practices for Convolutional Neural Networks" (elastic distortions).
    """
    n, _, height, _ = images.shape
    pixel = 2.0 / height  # in the [-1, 1] coordinates of grid_sample

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    matrix = torch.eye(2) + strength * 0.1 * draw(n, 2, 2)  # scale and shear
    angle = strength * math.radians(10) * draw(n)
    cos, sin = angle.cos(), angle.sin()
    rotation = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)  # [n, 2, 2]
    shift = strength * pixel * draw(n, 2, 1)
    grid = F.affine_grid(torch.cat([rotation @ matrix, shift], dim=2), list(images.shape), align_corners=False)
    bend = F.interpolate(strength * 0.7 * pixel * draw(n, 2, 6, 6), images.shape[2:], mode="bicubic")
    floor = images.amin()
    moved = F.grid_sample(images - floor, grid + bend.permute(0, 2, 3, 1), align_corners=False)
    return moved + floor


def train_classifier(
    network: AnyNetwork,
    images: UInt8[Tensor, "n c h w"],
    labels: Int[Tensor, "n"],
    *,
    steps: int,
    seed: int,
    batch_size: int = 256,
    peak_lr: float = 0.2,
    weight_decay: float = 5e-4,
    augmentation: float = 0.5,
    progress: Callable[[int, int], None] | None = None,
) -> AnyNetwork:
    """Train `network` in place and return its weight average in evaluation mode.

    Nesterov SGD; the half-life of the average is 2 % of the steps. Convolutions run in bfloat16, weights and averages
    are float32.
    """
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload] # absent from torch's types
    average = copy.deepcopy(network)
    optimizer = _nesterov_sgd(network, weight_decay=weight_decay)
    beta = 0.5 ** (1 / (0.02 * steps))
    batches = augmented_batches(images, labels, batch_size=batch_size, steps=steps, seed=seed, strength=augmentation)
    for step, (x, y) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = peak_lr * learning_rate_factor(step / steps)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(x.to(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), y)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        update_average(average, network, beta=min(beta, (step + 1) / (step + 10)), average_buffers=True)
        if progress is not None:
            progress(step + 1, steps)
    return average.eval()


def _nesterov_sgd(network: nn.Module, *, weight_decay: float) -> torch.optim.SGD:
    """SGD with momentum 0.9; biases and BatchNorm parameters do not decay."""
    groups: list[dict[str, Any]] = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1]},
    ]
    return torch.optim.SGD(groups, momentum=0.9, nesterov=True, foreach=True)


def learning_rate_factor(progress: float, *, warmup: float = 0.1) -> float:
    """Rise linearly from 0 to 1 over the first `warmup`, then decay to 0 as half a cosine; `progress` in [0, 1]."""
    if progress < warmup:
        return progress / warmup
    return cosine_decay((progress - warmup) / (1 - warmup))


def augmented_batches(
    images: UInt8[Tensor, "n c h w"],
    labels: Int[Tensor, "n"],
    *,
    batch_size: int,
    steps: int,
    seed: int,
    strength: float,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield `steps` augmented batches in [-1, 1] from shuffled epochs; batch i depends on (seed, i) alone."""
    per_epoch = max(1, len(images) // batch_size)
    for step in range(steps):
        epoch, position = divmod(step, per_epoch)
        if position == 0:
            order = torch.randperm(len(images), generator=rng.generator(seed, "judge/shuffle", epoch))
        chosen = order[position * batch_size : (position + 1) * batch_size]
        x = images[chosen].float() / 127.5 - 1
        if strength > 0:
            x = augment(x, generator=rng.generator(seed, "judge/augment", step), strength=strength)
        yield x, labels[chosen]

"""Training of a small digit classifier: the judges themselves, and the classifiers of GAN-train and GAN-test."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from mnist_gan import rng

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


def augment(
    images: Float[Tensor, "n c h w"], *, generator: torch.Generator, strength: float = 1.0
) -> Float[Tensor, "n c h w"]:
    """Write each image anew: rotated, scaled, sheared, shifted and bent a little, each in its own way.

    At strength 1: rotation of 10 degrees, scale and shear of 10 %, shift of 1 pixel, elastic displacement of 0.7 pixel
    (standard deviations, normal). Outside the image is its own darkest value, the background of a digit.

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
    """Train `network` in place and return its weight average in eval mode.

    Nesterov SGD with a linear warm-up over a tenth of the steps and a cosine to zero; the average's half-life is 2 % of
    the steps. Convolutions run in bfloat16, weights and averages in float32.
    """
    channels_last_(network.train())
    average = copy.deepcopy(network)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1]},
    ]
    optimizer = torch.optim.SGD(groups, lr=peak_lr, momentum=0.9, nesterov=True, foreach=True)
    beta = 0.5 ** (1 / (0.02 * steps))
    for step, (x, y) in enumerate(
        batches(images, labels, batch_size=batch_size, steps=steps, seed=seed, strength=augmentation)
    ):
        for group in optimizer.param_groups:
            group["lr"] = peak_lr * learning_rate_factor(step / steps)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(x.to(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), y)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        update_average_(average, network, beta=min(beta, (step + 1) / (step + 10)))
        if progress is not None:
            progress(step + 1, steps)
    return average.eval()


def channels_last_(network: nn.Module) -> None:
    """Lay the convolutions' weights out channels last, in place: twice the speed on a CPU."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def learning_rate_factor(done: float, *, warmup: float = 0.1) -> float:
    """Linear from 0 to 1 over the first `warmup` of the training, then half a cosine to 0; `done` in [0, 1]."""
    if done < warmup:
        return done / warmup
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


@torch.no_grad()
def update_average_(average: nn.Module, network: nn.Module, *, beta: float) -> None:
    """One step of the exponential average of all floating-point state, BatchNorm's statistics included."""
    ours = [t for t in average.state_dict().values() if t.is_floating_point()]
    theirs = [t for t in network.state_dict().values() if t.is_floating_point()]
    torch._foreach_lerp_(ours, theirs, 1 - beta)


def batches(
    images: UInt8[Tensor, "n c h w"],
    labels: Int[Tensor, "n"],
    *,
    batch_size: int,
    steps: int,
    seed: int,
    strength: float,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless shuffled epochs cut into augmented batches in [-1, 1]; batch i depends on (seed, i) alone."""
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

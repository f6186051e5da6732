"""From an image back to the z that a generator would draw it from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from mnist_gan import rng
from mnist_gan.data import to_float, to_uint8
from mnist_gan.errors import ConfigError
from mnist_gan.models import Generator

Features: TypeAlias = Callable[[Tensor], Tensor]
"""Takes images (N, C, H, W) in [-1, 1] and gives a row of features for each; gradients flow through it."""

SCREENED: Final = 500
"""Random z that the starts are chosen from."""
LEARNING_RATE: Final = 0.1
BETAS: Final = (0.9, 0.99)


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """Where a search for z stands: the best of its starts so far."""

    step: int
    """Steps done, of `steps`."""
    steps: int
    z: Float[Tensor, "z_dim"]
    label: int | None
    """What the generator was asked for; None if it is unconditional."""
    image: UInt8[Tensor, "c h w"]
    """What the generator draws from `z`."""
    error: float
    """Mean squared difference between the two images' pixels, with black 0 and white 1."""
    loss: float
    """What the search minimises, of which `error` is a part."""

    @property
    def finished(self) -> bool:
        """Whether this is the result."""
        return self.step == self.steps


def invert(
    G: Generator,
    image: UInt8[Tensor, "c h w"],
    *,
    label: int | None = None,
    features: Features | None = None,
    steps: int = 200,
    starts: int = 8,
    seed: int = 0,
    prior_weight: float = 1e-3,
    feature_weight: float = 0.1,
    report_every: int = 5,
) -> Iterator[Inversion]:
    """Search for the z (and so the image) of `G` that is nearest to an image, and yield the best so far now and then.

    Gradient descent on z through the generator (Zhu et al. 2016, arXiv:1609.03552; Lipton & Tripathi 2017,
    arXiv:1702.04782), from several starts at once, by Adam with a learning rate that falls as half a cosine. The starts
    are the best of `SCREENED` random z. What is minimised, for each start by itself:

        mean((G(z) - x)^2) + feature_weight * |f(G(z)) - f(x)|^2 / |f(x)|^2 + prior_weight * -log p(|z|)

    where p is the density of the length of a standard normal z (the chi distribution's): -log p = r^2 / 2 -
    (z_dim - 1) log r. All directions are equally likely, so the length is all that a normal prior can say; this one
    holds z to the lengths that the generator was trained on, where a plain |z|^2 would pull it to 0.

    What is told is the best z so far of all starts, by this sum.

    Args:
        G: in evaluation mode, on the CPU.
        image: what to find.
        label: the digit to ask for; a conditional generator needs one.
        features: what else the images are to agree in, such as a discriminator's trunk; None compares pixels alone.
        steps: of Adam.
        starts: searches side by side.
        seed: of the starts.
        prior_weight: how much an unlikely length costs.
        feature_weight: how much other features cost.
        report_every: steps between two yields; the last step is always told.

    Raises:
        ConfigError: the image has another shape than the generator's; a label is missing, unknown or given to an
            unconditional generator; or a number is out of its range.
    """
    _check(G, image, label=label, steps=steps, starts=starts)
    with torch.no_grad():
        target = to_float(image[None])
        wanted = None if features is None else features(target)
    aim = _Aim(
        G=G,
        target=target,
        labels=None if label is None else torch.tensor([label]),
        features=features,
        wanted=wanted,
        feature_weight=feature_weight,
        prior_weight=prior_weight,
    )
    return _search(aim, _best_starts(aim, starts=starts, seed=seed), steps=steps, report_every=max(1, report_every))


@dataclass(frozen=True, kw_only=True)
class _Aim:
    """What a search minimises."""

    G: Generator
    target: Float[Tensor, "1 c h w"]
    labels: Int64[Tensor, "n"] | None
    """The same for every start."""
    features: Features | None
    wanted: Tensor | None
    """The target's features."""
    feature_weight: float
    prior_weight: float

    def images(self, z: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n c h w"]:
        """What the generator draws."""
        images: Tensor = self.G(z, None if self.labels is None else self.labels[:1].expand(len(z)))
        return images

    def loss(self, z: Float[Tensor, "n z_dim"], images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n"]:
        """The formula of `invert`, for each z by itself."""
        loss = _mean_square(images - self.target) + self.prior_weight * length_surprise(z)
        if self.features is None or self.wanted is None:
            return loss
        difference = _mean_square(self.features(images) - self.wanted)
        return loss + self.feature_weight * difference / _mean_square(self.wanted).clamp_min(1e-12)

    @torch.no_grad()
    def look(self, z: Float[Tensor, "n z_dim"], *, step: int, steps: int) -> Inversion:
        """Where a search stands at these z: at the best of them."""
        images = self.images(z)
        losses = self.loss(z, images)
        index = int(losses.argmin())
        return Inversion(
            step=step,
            steps=steps,
            z=z[index].detach().clone(),
            label=None if self.labels is None else int(self.labels[0]),
            image=to_uint8(images[index]),
            error=float(_mean_square(images[index : index + 1] - self.target)) / 4,  # from -1 to 1 is one, not two
            loss=float(losses[index]),
        )


def _search(aim: _Aim, z: Float[Tensor, "n z_dim"], *, steps: int, report_every: int) -> Iterator[Inversion]:
    leaf = z.requires_grad_()
    optimizer = torch.optim.Adam([leaf], lr=LEARNING_RATE, betas=BETAS)
    best = aim.look(leaf, step=0, steps=steps)
    yield best
    for step in range(1, steps + 1):
        with torch.enable_grad():
            (leaf.grad,) = torch.autograd.grad(aim.loss(leaf, aim.images(leaf)).sum(), leaf)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
        optimizer.step()
        if step % report_every == 0 or step == steps:
            found = aim.look(leaf, step=step, steps=steps)
            best = found if found.loss <= best.loss else replace(best, step=step)
            yield best


def length_surprise(z: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n"]:
    """-log of the density of |z| for a standard normal z, less its least value: 0 at |z| = sqrt(z_dim - 1).

    In one dimension the least value is at 0.
    """
    degrees = z.shape[1] - 1
    squared = z.square().sum(dim=1)
    if degrees == 0:
        return squared / 2
    ratio = (squared / degrees).clamp_min(1e-6)
    return 0.5 * degrees * (ratio - 1 - ratio.log())


@torch.no_grad()
def _best_starts(aim: _Aim, *, starts: int, seed: int) -> Float[Tensor, "n z_dim"]:
    """The `starts` of `SCREENED` random z whose images are nearest to the target."""
    z = rng.latents(rng.derive_seed(seed, "inversion"), range(max(SCREENED, starts)), aim.G.z_dim)
    errors = _mean_square(aim.images(z) - aim.target)
    return z[errors.topk(starts, largest=False).indices].clone()


def _mean_square(difference: Tensor) -> Float[Tensor, "n"]:
    """The mean square of each row."""
    return difference.flatten(1).square().mean(dim=1)


def _check(G: Generator, image: UInt8[Tensor, "c h w"], *, label: int | None, steps: int, starts: int) -> None:
    shape = (G.shape.channels, G.shape.resolution, G.shape.resolution)
    if tuple(image.shape) != shape:
        raise ConfigError(f"the image has the shape {tuple(image.shape)}; this generator draws {shape}")
    classes = G.shape.num_classes
    if (label is None) != (classes == 0):
        raise ConfigError(
            "this generator is conditional: say which digit the image is of"
            if label is None
            else "this generator is unconditional: give no label"
        )
    if label is not None and not 0 <= label < classes:
        raise ConfigError(f"this generator draws the classes 0 to {classes - 1}, not {label}")
    if steps < 1 or starts < 1:
        raise ConfigError(f"steps is {steps} and starts {starts}; both must be at least 1")

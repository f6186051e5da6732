"""Inversion: search for the z from which a generator draws a given image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from mnist_gan import rng
from mnist_gan.errors import ConfigError
from mnist_gan.models import Generator
from mnist_gan.scaling import to_float, to_uint8
from mnist_gan.schedules import cosine_decay
from mnist_gan.torch_defaults import default_torch_state, steps_within

Features: TypeAlias = Callable[[Tensor], Tensor]
"""Differentiable map from images (N, C, H, W) in [-1, 1] to features (N, ...)."""

CANDIDATES: Final = 500
"""Random z from which the starting points are chosen."""
LEARNING_RATE: Final = 0.1
BETAS: Final = (0.9, 0.99)


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """Progress of a search: the best z so far."""

    step: int
    """Steps done, of `steps`."""
    steps: int
    z: Float[Tensor, "z_dim"]
    label: int | None
    """None for an unconditional generator."""
    image: UInt8[Tensor, "c h w"]
    """Image generated from `z`."""
    error: float
    """Mean squared difference of the pixels, with black 0 and white 1."""
    loss: float
    """Objective of the search, which includes `error`."""

    @property
    def finished(self) -> bool:
        """True for the final result."""
        return self.step == self.steps


@default_torch_state()
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
    """Search for the z whose generated image is nearest to `image`; yields the best z so far at intervals.

    Gradient descent on z through the generator (Zhu et al. 2016, arXiv:1609.03552; Lipton & Tripathi 2017,
    arXiv:1702.04782) with Adam and cosine decay, from several starting points at once: the best of `CANDIDATES` random
    z. The objective, for each z separately:

        mean((G(z) - x)^2) + feature_weight * |f(G(z)) - f(x)|^2 / |f(x)|^2 + prior_weight * -log p(|z|)

    where p is the chi density of the length r of a standard normal z: -log p = r^2 / 2 - (z_dim - 1) log r. A normal
    prior has no preferred direction; this one keeps z at the lengths that the generator was trained on, while |z|^2
    would pull it to 0.

    Args:
        G: in evaluation mode, on the CPU.
        image: target.
        label: digit to generate; a conditional generator needs one.
        features: map whose outputs should agree too, such as a discriminator's trunk; None compares pixels only.
        steps: of Adam.
        starts: number of parallel searches.
        seed: of the candidates.
        prior_weight: weight of the prior on the length of z.
        feature_weight: weight of the feature difference.
        report_every: steps between two yields; the last step is always yielded.

    Raises:
        ConfigError: the image's shape differs from the generator's; a label is missing, unknown, or given to an
            unconditional generator; or a number is out of range.
    """
    _check(G, image, label=label, steps=steps, starts=starts)
    with torch.no_grad():
        target = to_float(image[None])
        target_features = None if features is None else features(target)
    objective = _Objective(
        G=G,
        target=target,
        labels=None if label is None else torch.tensor([label]),
        features=features,
        target_features=target_features,
        feature_weight=feature_weight,
        prior_weight=prior_weight,
    )
    z = _best_starts(objective, starts=starts, seed=seed)
    return steps_within(default_torch_state, _search(objective, z, steps=steps, report_every=max(1, report_every)))


@dataclass(frozen=True, kw_only=True)
class _Objective:
    """Loss of a search; see `invert`."""

    G: Generator
    target: Float[Tensor, "1 c h w"]
    labels: Int64[Tensor, "n"] | None
    features: Features | None
    target_features: Tensor | None
    feature_weight: float
    prior_weight: float

    def images(self, z: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n c h w"]:
        images: Tensor = self.G(z, None if self.labels is None else self.labels[:1].expand(len(z)))
        return images

    def loss(self, z: Float[Tensor, "n z_dim"], images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n"]:
        loss = _mean_square(images - self.target) + self.prior_weight * length_surprise(z)
        if self.features is None or self.target_features is None:
            return loss
        difference = _mean_square(self.features(images) - self.target_features)
        return loss + self.feature_weight * difference / _mean_square(self.target_features).clamp_min(1e-12)

    @torch.no_grad()
    def best(self, z: Float[Tensor, "n z_dim"], *, step: int, steps: int) -> Inversion:
        """The z with the least loss, as progress."""
        images = self.images(z)
        losses = self.loss(z, images)
        index = int(losses.argmin())
        return Inversion(
            step=step,
            steps=steps,
            z=z[index].detach().clone(),
            label=None if self.labels is None else int(self.labels[0]),
            image=to_uint8(images[index]),
            error=float(_mean_square(images[index : index + 1] - self.target)) / 4,  # pixels from [-1, 1] to [0, 1]
            loss=float(losses[index]),
        )


def _search(
    objective: _Objective, z: Float[Tensor, "n z_dim"], *, steps: int, report_every: int
) -> Iterator[Inversion]:
    leaf = z.requires_grad_()
    optimizer = torch.optim.Adam([leaf], lr=LEARNING_RATE, betas=BETAS)
    best = objective.best(leaf, step=0, steps=steps)
    yield best
    for step in range(1, steps + 1):
        (leaf.grad,) = torch.autograd.grad(objective.loss(leaf, objective.images(leaf)).sum(), leaf)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine_decay((step - 1) / steps)
        optimizer.step()
        if step % report_every == 0 or step == steps:
            found = objective.best(leaf, step=step, steps=steps)
            best = found if found.loss <= best.loss else replace(best, step=step)
            yield best


def length_surprise(z: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n"]:
    """-log of the chi density of |z| minus its minimum, which is at |z| = sqrt(z_dim - 1)."""
    degrees = z.shape[1] - 1
    squared = z.square().sum(dim=1)
    if degrees == 0:
        return squared / 2
    ratio = (squared / degrees).clamp_min(1e-6)
    return 0.5 * degrees * (ratio - 1 - ratio.log())


@torch.no_grad()
def _best_starts(objective: _Objective, *, starts: int, seed: int) -> Float[Tensor, "n z_dim"]:
    """The `starts` of `CANDIDATES` random z with the smallest pixel error."""
    z = rng.latents(rng.derive_seed(seed, "inversion"), range(max(CANDIDATES, starts)), objective.G.z_dim)
    errors = _mean_square(objective.images(z) - objective.target)
    return z[errors.topk(starts, largest=False).indices].clone()


def _mean_square(difference: Tensor) -> Float[Tensor, "n"]:
    return difference.flatten(1).square().mean(dim=1)


def _check(G: Generator, image: UInt8[Tensor, "c h w"], *, label: int | None, steps: int, starts: int) -> None:
    shape = (G.shape.channels, G.shape.resolution, G.shape.resolution)
    if tuple(image.shape) != shape:
        raise ConfigError(f"the image has the shape {tuple(image.shape)}; this generator draws {shape}")
    classes = G.shape.num_classes
    if (label is None) != (classes == 0):
        raise ConfigError(
            "this generator is conditional; give the label of the digit"
            if label is None
            else "this generator is unconditional; give no label"
        )
    if label is not None and not 0 <= label < classes:
        raise ConfigError(f"this generator draws the classes 0 to {classes - 1}, not {label}")
    if steps < 1 or starts < 1:
        raise ConfigError(f"steps is {steps} and starts {starts}; both must be at least 1")

"""Inputs of a training step: real images, and the random numbers that the step uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mnist_gan import rng
from mnist_gan.config import Config, Decay
from mnist_gan.schedules import weight_factor
from mnist_gan.training.state import TrainState

Images = Float[Tensor, "n c h w"]
Labels = Int64[Tensor, "n"]


@runtime_checkable
class Stream(Protocol):
    """An endless sequence of labelled real images, addressed by the number of images already taken."""

    def batch(self, cur_nimg: int) -> tuple[Images, Labels]:
        """The batch that begins at image `cur_nimg` of the sequence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepInputs:
    """Inputs of one discriminator update, and of the generator update after it."""

    real_images: Images
    labels: Labels | None
    """Labels of the real images, also used for the generated ones; None for unconditional networks."""
    z: Float[Tensor, "n z_dim"]
    mix: Float[Tensor, "n"] | None
    """Share of the real image in each point of the gradient penalty, uniform in [0, 1]; a plug-in's regularizer also
    takes it. None without either."""
    penalized: bool
    """True if the lazy gradient penalties apply to this update."""
    penalty_factor: Float[Tensor, ""] | None = None
    """Factor of the penalties where they decay. A tensor, because a captured step holds numbers fixed."""
    classifier_factor: Float[Tensor, ""] | None = None
    """Factor of the weight of the auxiliary classifier where it decays."""


def next_inputs(state: TrainState, config: Config, stream: Stream) -> list[StepInputs]:
    """Inputs of the next step, one per discriminator update: a function of the data, the seed and the clock."""
    settings = config.training
    first = state.step * settings.d_steps
    batches = [stream.batch(state.cur_nimg + i * settings.batch_size) for i in range(settings.d_steps)]
    return [
        sample_inputs(config, real_images=real_images, labels=labels, position=first + i)
        for i, (real_images, labels) in enumerate(batches)
    ]


def sample_inputs(config: Config, *, real_images: Images, labels: Labels, position: int) -> StepInputs:
    """Sample z and, where a penalty needs it, mix for the discriminator update number `position`."""
    settings, objective = config.training, config.objective
    device, n = real_images.device, len(real_images)
    penalized = objective.penalizes and position % objective.penalty_interval == 0
    generator = rng.generator(settings.seed, "train/z", position, device=device)
    z = torch.randn(n, config.generator.z_dim, generator=generator, device=device)
    mix = None
    if penalized and (objective.gp_lambda or objective.regularizer is not None):
        generator = rng.generator(settings.seed, "train/interpolation", position, device=device)
        mix = torch.rand(n, generator=generator, device=device)

    def factor(decay: Decay) -> Tensor | None:
        if decay == "constant":
            return None
        length = settings.total_nimg or settings.batch_size  # setting up a training resolves it
        value = weight_factor(decay, cur_nimg=position * settings.batch_size, total_nimg=length)
        return torch.tensor(value, device=device)

    return StepInputs(
        real_images=real_images,
        labels=labels if settings.conditional else None,
        z=z,
        mix=mix,
        penalized=penalized,
        penalty_factor=factor(objective.penalty_decay) if penalized else None,
        classifier_factor=factor(objective.classifier_decay) if config.classifies else None,
    )

"""From a training state to networks for use, and to a judgement of them."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from mnist_gan import rng, sampling, training
from mnist_gan.artifacts.gan import GAN, snapshot_of
from mnist_gan.config import Config
from mnist_gan.data import Dataset
from mnist_gan.evaluation import Draw, Monitoring, Reference, monitor
from mnist_gan.models import Generator, ImageShape
from mnist_gan.objectives import Calibration, fit_calibration
from mnist_gan.training import TrainState

REESTIMATION_NIMG = 2000
CALIBRATION_NIMG = 1000


def averaged_generator(state: TrainState, config: Config) -> Generator:
    """A copy of the generator's average, its BatchNorm statistics re-estimated on its own weights over a fixed z."""
    G = copy.deepcopy(state.G_ema)
    if config.generator.norm != "batch":
        return G
    device = state.sums.device
    z = rng.latents(config.training.seed, range(REESTIMATION_NIMG), G.z_dim).to(device)
    training.reestimate_batch_norm(G, z=z, labels=_all_classes(G.shape, n=len(z), device=device))
    return G


def make_snapshot(G: Generator, state: TrainState, config: Config, dataset: Dataset, *, facts: dict[str, Any]) -> GAN:
    """The networks as a `GAN`, with a calibration fitted on held-out real and on generated images."""
    neutral = Calibration(scale=1.0, bias=0.0)
    gan = snapshot_of(G_ema=G, D=state.D, config=config, calibration=neutral, facts=facts)
    real_images = dataset.held_out_images[:CALIBRATION_NIMG]
    labels = dataset.held_out_labels[:CALIBRATION_NIMG] if gan.conditional else None
    z = rng.latents(rng.derive_seed(config.training.seed, "calibration"), range(len(real_images)), G.z_dim)
    fake_images = sampling.render(gan.G, z, labels)
    real_logits = gan.logits(real_images, labels=labels)
    fake_logits = gan.logits(fake_images, labels=labels)
    return dataclasses.replace(gan, calibration=fit_calibration(real_logits, fake_logits))


def judge(G: Generator, reference: Reference) -> Monitoring:
    """The cheap evaluation of a generator."""
    return monitor(drawer(G), reference=reference, conditional=G.shape.num_classes > 0)


def drawer(G: Generator) -> Draw:
    """The generator as an evaluation knows it."""

    def draw(n: int, seed: int, labels: Tensor | None) -> UInt8[Tensor, "n c h w"]:
        return sampling.render(G, sampling.draw_latents(G, n=n, seed=seed), labels)

    return draw


def _all_classes(shape: ImageShape, *, n: int, device: torch.device) -> Int64[Tensor, "n"] | None:
    return sampling.cycle_labels(range(shape.num_classes), n=n).to(device) if shape.num_classes else None

"""From a training state to networks for use, and to a judgement of them."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from mnist_gan import rng, sampling
from mnist_gan.artifacts.gan import GAN, snapshot_of
from mnist_gan.config import Config
from mnist_gan.data import Dataset
from mnist_gan.evaluation import Draw, Monitoring, Reference, monitor
from mnist_gan.models import Generator, ImageShape, reestimate_batch_norm
from mnist_gan.objectives import Calibration, fit_calibration
from mnist_gan.training import TrainState

GRID_COLUMNS = 10
GRID_ROWS = 8
REESTIMATION_NIMG = 2000
CALIBRATION_NIMG = 1000


def averaged_generator(state: TrainState, config: Config) -> Generator:
    """A copy of the generator's average, its BatchNorm statistics re-estimated on its own weights over a fixed z."""
    G = copy.deepcopy(state.G_ema)
    if config.generator.norm != "batch":
        return G
    device = state.device
    z = rng.latents(config.training.seed, range(REESTIMATION_NIMG), G.z_dim).to(device)
    reestimate_batch_norm(G, z=z, labels=_all_classes(G.shape, n=len(z), device=device))
    return G


def make_snapshot(G: Generator, state: TrainState, config: Config, dataset: Dataset, *, facts: dict[str, Any]) -> GAN:
    """The networks as a `GAN`, with calibrations fitted on held-out real and on generated images."""
    neutral = Calibration(scale=1.0, bias=0.0)
    gan = snapshot_of(G_ema=G, D=state.D, config=config, calibration=neutral, facts=facts)
    real_images, fake_images, labels = _to_compare(gan, dataset)
    logits = [gan.logits(images, labels=labels) for images in (real_images, fake_images)]
    gan = dataclasses.replace(gan, calibration=fit_calibration(*logits))
    if not gan.conditional:
        return gan
    best_logits = [gan.best_labels(images)[1] for images in (real_images, fake_images)]
    return dataclasses.replace(gan, best_label_calibration=fit_calibration(*best_logits))


def logits_to_show(G: Generator, state: TrainState, config: Config, dataset: Dataset) -> dict[str, Tensor]:
    """What the discriminator says of held-out real and of generated images, by name: for histograms."""
    neutral = Calibration(scale=1.0, bias=0.0)
    gan = snapshot_of(G_ema=G, D=state.D, config=config, calibration=neutral, facts={})
    real_images, fake_images, labels = _to_compare(gan, dataset)
    named = {"Logits/real": real_images, "Logits/generated": fake_images}
    return {name: gan.logits(images, labels=labels) for name, images in named.items()}


def _to_compare(
    gan: GAN, dataset: Dataset
) -> tuple[UInt8[Tensor, "n c h w"], UInt8[Tensor, "n c h w"], Int64[Tensor, "n"] | None]:
    """Held-out real images, as many generated ones, and the labels of both."""
    real_images = dataset.held_out_images[:CALIBRATION_NIMG]
    labels = dataset.held_out_labels[:CALIBRATION_NIMG] if gan.conditional else None
    seed = rng.derive_seed(gan.config.training.seed, "calibration")
    z = rng.latents(seed, range(len(real_images)), gan.G.z_dim)
    return real_images, sampling.render(gan.G, z, labels), labels


def fixed_samples(G: Generator, *, seed: int) -> tuple[UInt8[Tensor, "n c h w"], int]:
    """The images of the fixed z, `GRID_ROWS` times `GRID_COLUMNS`, and how many go in a row: the classes in turn."""
    n, classes = GRID_ROWS * GRID_COLUMNS, G.shape.num_classes
    columns = min(classes, GRID_COLUMNS) or GRID_COLUMNS
    labels = sampling.cycle_labels(range(columns), n=n) if classes else None
    return sampling.render(G, sampling.draw_latents(G, n=n, seed=seed), labels), columns


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

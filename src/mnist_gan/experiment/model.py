"""From a training state to a model: averaged generator, calibrated `GAN`, facts for its card, evaluation."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Int64
from torch import Tensor

from mnist_gan import rng, sampling
from mnist_gan.artifacts.gan import CLASS_NAMES, GAN, IMAGE_FORM, UNTRAINED_CLASSES, snapshot_of
from mnist_gan.config import Config
from mnist_gan.data import Dataset
from mnist_gan.data.preprocess import ImageForm
from mnist_gan.data.provenance import default_class_names
from mnist_gan.evaluation import Draw, Monitoring, RealData, monitor
from mnist_gan.models import Generator, ImageShape, has_batch_norm, reestimate_batch_norm
from mnist_gan.objectives import Calibration, fit_calibration
from mnist_gan.plugins import NO_PLUGIN, Plugin
from mnist_gan.runs.directory import MAX_DESCRIPTION_BYTES, RunDirectory
from mnist_gan.scaling import AtRest
from mnist_gan.storage import read_regular
from mnist_gan.text import pluralize
from mnist_gan.torch_defaults import default_torch_state
from mnist_gan.training import TrainState

GRID_COLUMNS = 10
GRID_ROWS = 8
SHOWN_POINTS = 2_500
REESTIMATION_NIMG = 2000
CALIBRATION_NIMG = 1000


@default_torch_state()
def averaged_generator(state: TrainState, config: Config, *, untrained_classes: Sequence[int] = ()) -> Generator:
    """Copy the averaged generator, and re-estimate its BatchNorm statistics over `REESTIMATION_NIMG` fixed z."""
    G = copy.deepcopy(state.G_ema)
    if not has_batch_norm(G):
        return G
    device = state.device
    z = rng.latents(config.training.seed, range(REESTIMATION_NIMG), G.z_dim).to(device)
    classes = _trained_classes(G, untrained_classes)
    labels = sampling.cycle_labels(classes, n=len(z)).to(device) if classes else None
    reestimate_batch_norm(G, z=z, labels=labels)
    return G


def make_model(
    G: Generator,
    state: TrainState,
    config: Config,
    dataset: Dataset,
    *,
    facts: dict[str, Any],
    plugin: Plugin = NO_PLUGIN,
) -> GAN:
    """Make a `GAN` of the networks, calibrated on held-out real images and as many generated ones."""
    neutral = Calibration(scale=1.0, bias=0.0)
    gan = snapshot_of(G_ema=G, D=state.D, config=config, calibration=neutral, facts=facts, plugin=plugin)
    real_images, fake_images, labels = _calibration_images(gan, dataset)
    logits = [gan.logits(images, labels=labels) for images in (real_images, fake_images)]
    gan = dataclasses.replace(gan, calibration=fit_calibration(*logits))
    if not gan.conditional:
        return gan
    best_logits = [gan.best_labels(images)[1] for images in (real_images, fake_images)]
    return dataclasses.replace(gan, best_label_calibration=fit_calibration(*best_logits))


def data_facts(dataset: Dataset, shape: ImageShape) -> dict[str, Any]:
    """Facts that a model of other data than MNIST needs in use: class names, classes without images, image form."""
    facts: dict[str, Any] = {}
    if shape.num_classes and dataset.class_names != default_class_names(dataset.num_classes):
        facts[CLASS_NAMES] = list(dataset.class_names)
    if shape.num_classes and dataset.untrained_classes:
        facts[UNTRAINED_CLASSES] = list(dataset.untrained_classes)
    if dataset.name not in {"mnist", "digits", "stacked-mnist"} and not shape.is_points:
        facts[IMAGE_FORM] = dataclasses.asdict(ImageForm.of(dataset.images))
    return facts


def named_logits(G: Generator, state: TrainState, config: Config, dataset: Dataset) -> dict[str, Tensor]:
    """Logits of held-out real images and of generated ones, for histograms."""
    neutral = Calibration(scale=1.0, bias=0.0)
    gan = snapshot_of(G_ema=G, D=state.D, config=config, calibration=neutral, facts={})
    real_images, fake_images, labels = _calibration_images(gan, dataset)
    named = {"Logits/real": real_images, "Logits/generated": fake_images}
    return {name: gan.logits(images, labels=labels) for name, images in named.items()}


def _calibration_images(gan: GAN, dataset: Dataset) -> tuple[AtRest, AtRest, Int64[Tensor, "n"] | None]:
    """Return held-out real images, as many generated ones, and the labels of both."""
    real_images = dataset.held_out_images[:CALIBRATION_NIMG]
    labels = dataset.held_out_labels[:CALIBRATION_NIMG] if gan.conditional else None
    seed = rng.derive_seed(gan.config.training.seed, "calibration")
    z = rng.latents(seed, range(len(real_images)), gan.G.z_dim)
    return real_images, sampling.render(gan.G, z, labels), labels


def fixed_samples(G: Generator, *, seed: int, untrained_classes: Sequence[int] = ()) -> tuple[AtRest, int]:
    """Return the images of the fixed z, with the trained classes in turn, and the number of columns of their grid."""
    n = SHOWN_POINTS if G.shape.is_points else GRID_ROWS * GRID_COLUMNS
    classes = _trained_classes(G, untrained_classes)
    columns = min(len(classes), GRID_COLUMNS) or GRID_COLUMNS
    labels = sampling.cycle_labels(classes[:columns], n=n) if classes else None
    return sampling.render(G, sampling.draw_latents(G, n=n, seed=seed), labels), columns


def evaluate_generator(G: Generator, reference: RealData) -> Monitoring:
    """Evaluate a generator by the fast protocol for training."""
    return monitor(_sampler(G), reference=reference, conditional=G.shape.num_classes > 0)


def _sampler(G: Generator) -> Draw:
    def draw(n: int, seed: int, labels: Tensor | None) -> AtRest:
        return sampling.render(G, sampling.draw_latents(G, n=n, seed=seed), labels)

    return draw


def training_facts(directory: RunDirectory, dataset: Dataset, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return data, training time and machine of a run for its model card, without paths."""
    classes = pluralize(dataset.num_classes, "class", "classes")
    images = f"{pluralize(len(dataset.images), 'training image')} of {dataset.name}, {classes}"
    train_sec = sum(row.get("Timing/train_sec", 0.0) for row in rows)
    facts: dict[str, Any] = {"data_source": images, "train_sec": train_sec}
    try:
        environment = dict(json.loads(read_regular(directory.environment, most=MAX_DESCRIPTION_BYTES)))
    except (OSError, ValueError, TypeError, RecursionError):  # the card says less
        return facts
    return facts | {name: environment[name] for name in ("device", "processor", "versions") if name in environment}


def _trained_classes(G: Generator, untrained_classes: Sequence[int]) -> list[int]:
    return sorted({*range(G.shape.num_classes)} - {*untrained_classes})

"""Throughput in images per second: this package against the training loop of the tutorials.

    python benchmarks/throughput.py                    # classic-mlp and classic-dcgan, alternating, medians
    python benchmarks/throughput.py --presets quick    # any preset, against a plain eager loop of the same losses

The textbook loop has the parts of nearly every tutorial: a `Dataset` that opens each image with Pillow and transforms
it, a `DataLoader` with two workers, float32, BCE with logits, two Adam steps. Both sides train the same networks with
the same batch size, so the comparison covers everything around the networks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the usual alias
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from mnist_gan import experiment, presets
from mnist_gan.config import Config
from mnist_gan.data import Dataset, load_dataset
from mnist_gan.models import Discriminator, ImageShape, build_discriminator, build_generator
from mnist_gan.objectives import build_objective


class TransformedImages(TorchDataset[tuple[Tensor, int]]):
    """Convert and normalize one Pillow image at a time, like torchvision's MNIST."""

    def __init__(self, dataset: Dataset) -> None:
        self.images, self.labels = dataset.images[:, 0].numpy(), dataset.labels.numpy()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[index], mode="L")
        tensor = torch.from_numpy(np.array(picture, dtype=np.uint8, copy=True)).unsqueeze(0).float().div(255)
        return tensor.sub(0.5).div(0.5), int(self.labels[index])


def textbook_steps(config: Config, dataset: Dataset) -> Iterator[int]:
    """Train in the textbook loop with the preset's loss and penalty; yields the number of images of each step."""
    classes = dataset.num_classes if config.training.conditional else 0
    shape = ImageShape(channels=dataset.img_channels, resolution=dataset.img_resolution, num_classes=classes)
    G = build_generator(config.generator, shape, seed=0)
    D = build_discriminator(config.discriminator, shape, seed=0)
    betas = (config.optimizer.beta1, config.optimizer.beta2)
    g_optimizer = torch.optim.Adam(G.parameters(), lr=config.optimizer.g_lr, betas=betas)
    d_optimizer = torch.optim.Adam(D.parameters(), lr=config.optimizer.d_lr, betas=betas)
    loader = DataLoader(
        TransformedImages(dataset), batch_size=config.training.batch_size, shuffle=True, num_workers=2, drop_last=True
    )
    step = (
        plain_step if config.objective.needs_input_gradient or config.objective.loss != "non_saturating" else bce_step
    )
    for count, (images, labels) in enumerate(batch for _ in iter(int, 1) for batch in loader):
        step_labels = labels if config.training.conditional else None
        step(config, G, D, g_optimizer, d_optimizer, images, step_labels, count)
        yield len(images)


def bce_step(
    config: Config, G: nn.Module, D: Discriminator, g_optimizer: torch.optim.Adam, d_optimizer: torch.optim.Adam,
    images: Tensor, labels: Tensor | None, count: int,
) -> None:  # fmt: skip
    """Generator step, then discriminator step; both losses are read every step, as for a progress bar."""
    valid, fake = torch.ones(len(images)), torch.zeros(len(images))
    g_optimizer.zero_grad()
    generated = G(torch.randn(len(images), config.generator.z_dim), labels)
    g_loss = F.binary_cross_entropy_with_logits(D(generated, labels), valid)
    g_loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    g_optimizer.step()
    d_optimizer.zero_grad()
    real_loss = F.binary_cross_entropy_with_logits(D(images, labels), valid)
    fake_loss = F.binary_cross_entropy_with_logits(D(generated.detach(), labels), fake)
    d_loss = (real_loss + fake_loss) / 2
    d_loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    d_optimizer.step()
    g_loss.item()
    d_loss.item()


def plain_step(
    config: Config, G: nn.Module, D: Discriminator, g_optimizer: torch.optim.Adam, d_optimizer: torch.optim.Adam,
    images: Tensor, labels: Tensor | None, count: int,
) -> None:  # fmt: skip
    """Step for any loss, with R1 by double backward and an auxiliary classifier; a new batch of z for each network."""
    objective, n = build_objective(config.objective), len(images)
    d_optimizer.zero_grad()
    with torch.no_grad():
        generated = G(torch.randn(n, config.generator.z_dim), labels)
    real_logits, classifier_loss = score_and_classify(config, D, images, labels)
    d_loss = objective.discriminator_loss(real_logits, D(generated, labels)).mean() + classifier_loss
    if config.objective.r1_gamma and count % config.objective.penalty_interval == 0:
        leaves = images.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(D(leaves, labels).sum(), leaves, create_graph=True)
        penalty = 0.5 * config.objective.r1_gamma * gradient.square().flatten(1).sum(dim=1).mean()
        d_loss = d_loss + config.objective.penalty_interval * penalty
    d_loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    d_optimizer.step()
    g_optimizer.zero_grad()
    fake_logits, classifier_loss = score_and_classify(
        config, D, G(torch.randn(n, config.generator.z_dim), labels), labels
    )
    compared = D(images, labels) if objective.generator_needs_real else None
    g_loss = objective.generator_loss(fake_logits, compared).mean() + classifier_loss
    g_loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    g_optimizer.step()
    g_loss.item()
    d_loss.item()


def score_and_classify(
    config: Config, D: Discriminator, images: Tensor, labels: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Logits, and the weighted loss of the auxiliary classifier (0 without one)."""
    if labels is None or not config.classifies:
        return D(images, labels), images.new_zeros(())
    logits, class_logits = D.score_and_classify(images, labels)
    return logits, config.objective.classifier_weight * F.cross_entropy(class_logits, labels)


def our_steps(config: Config) -> Iterator[int]:
    """Train with `mnist_gan.train`; yields the number of images of each tick."""
    return (tick.nimg for tick in experiment.train(config) if tick.nimg)


def images_per_second(steps: Iterator[int], *, seconds: float) -> float:
    """Throughput over about `seconds`, after two warm-up steps or ticks."""
    list(islice(steps, 2))
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        count += next(steps)
    return count / (time.perf_counter() - begin)


def compare(preset: str, *, rounds: int, seconds: float) -> dict[str, object]:
    """Alternate both sides `rounds` times; returns the medians and their ratio."""
    config = presets.get(preset)
    dataset = load_dataset(config.data)
    resolved = experiment.resolve(config, dataset)
    sides: dict[str, Callable[[], Iterator[int]]] = {
        "textbook": lambda: textbook_steps(resolved, dataset),
        "ours": lambda: our_steps(config),
    }
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, make in sides.items():
            speeds[name].append(images_per_second(make(), seconds=seconds))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    return {
        "preset": preset,
        "batch_size": config.training.batch_size,
        "precision": resolved.training.precision,
        "threads": torch.get_num_threads(),
        "img_per_sec": speeds,
        "median": medians,
        "ratio": medians["ours"] / medians["textbook"],
    }


def main() -> None:
    """Compare the given presets; prints one JSON object per line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=["classic-mlp", "classic-dcgan"])
    parser.add_argument("--rounds", type=int, default=3, help="alternations (default 3)")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each measurement in seconds (default 8)")
    arguments = parser.parse_args()
    for preset in arguments.presets:
        print(json.dumps(compare(preset, rounds=arguments.rounds, seconds=arguments.seconds)), flush=True)


if __name__ == "__main__":
    main()

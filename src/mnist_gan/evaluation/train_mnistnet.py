"""Train a judge: `python -m mnist_gan.evaluation.train_mnistnet --judge mnistnet --out FOLDER`.

This command made the shipped weights. Weights never change under a judge's name, so it is here as a record.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast

import safetensors.torch
import torch
from jaxtyping import UInt8
from rich.progress import Progress
from torch import Tensor, nn

from mnist_gan import rng
from mnist_gan.config import DataConfig
from mnist_gan.data import Dataset, load_dataset
from mnist_gan.errors import DataError
from mnist_gan.evaluation.classifier import train_classifier
from mnist_gan.evaluation.mnistnet import (
    ARCHITECTURES,
    TOTAL_VARIANCE,
    Judge,
    JudgeName,
    JudgeNetwork,
    accuracy,
    init_weights,
)
from mnist_gan.storage import sha256_bytes, write_bytes, write_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Training settings of one judge."""

    epochs: int
    seed: int
    augmentation: float
    weight_decay: float


RECIPES: Final[dict[JudgeName, Recipe]] = {
    "mnistnet": Recipe(epochs=24, seed=3, augmentation=0.5, weight_decay=5e-4),
    "mnistnet-b": Recipe(epochs=24, seed=2, augmentation=0.6, weight_decay=5e-4),
}
"""Recipes of the shipped weights."""
BATCH_SIZE: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Provenance of a judge's weights, stored in their metadata and in a JSON file beside them."""

    judge: JudgeName
    command: str
    seed: int
    epochs: int
    train_accuracy: float
    test_accuracy: float
    parameters: int
    feature_dim: int
    torch: str
    threads: int
    processor: str


def train_judge(
    name: JudgeName, dataset: Dataset, *, progress: Callable[[int, int], None] | None = None
) -> tuple[bytes, Facts]:
    """Train a judge by its recipe; returns the content of its safetensors file, and its provenance.

    The bytes are reproducible on the same processor, thread count and torch release.

    Raises:
        DataError: the data set is not MNIST.
    """
    if not dataset.is_mnist:
        raise DataError(f"the judges are trained on MNIST, and {dataset.name} is another data set")
    recipe = RECIPES[name]
    network = ARCHITECTURES[name]()
    init_weights(network, generator=rng.generator(recipe.seed, f"judge/init/{name}"))
    average = train_classifier(
        network,
        dataset.images,
        dataset.labels,
        steps=recipe.epochs * (len(dataset.images) // BATCH_SIZE),
        seed=recipe.seed,
        batch_size=BATCH_SIZE,
        weight_decay=recipe.weight_decay,
        augmentation=recipe.augmentation,
        progress=progress,
    )
    scale_features_(average, dataset.images)
    facts = Facts(
        judge=name,
        command=f"python -m mnist_gan.evaluation.train_mnistnet --judge {name} --out FOLDER",
        seed=recipe.seed,
        epochs=recipe.epochs,
        train_accuracy=accuracy(average, dataset.images, dataset.labels),
        test_accuracy=accuracy(average, dataset.held_out_images, dataset.held_out_labels),
        parameters=sum(p.numel() for p in average.parameters()),
        feature_dim=average.feature_dim,
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        processor=platform.machine(),
    )
    tensors = {key: tensor.contiguous() for key, tensor in average.state_dict().items() if tensor.is_floating_point()}
    return safetensors.torch.save(tensors, metadata={"facts": json.dumps(asdict(facts))}), facts


@torch.no_grad()
def scale_features_(network: JudgeNetwork, images: UInt8[Tensor, "n 1 28 28"]) -> None:
    """Scale the features, in place, to a total variance of `TOTAL_VARIANCE` over `images`, without changing the logits.

    A ReLU commutes with a positive factor: the layer before it is multiplied, and the head's weight divided.
    """
    features = Judge(name="mnistnet", digest="", network=network).predict(images).features
    scale = math.sqrt(TOTAL_VARIANCE / float(features.double().var(0).sum()))
    last = cast(nn.Sequential, network.body[-1])
    norm = cast(nn.BatchNorm1d, last[1])
    norm.weight.mul_(scale)
    norm.bias.mul_(scale)
    network.head.weight.div_(scale)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train one judge; write its weights and its provenance to a folder."""
    parser = argparse.ArgumentParser(prog="python -m mnist_gan.evaluation.train_mnistnet", description=__doc__)
    parser.add_argument("--judge", choices=sorted(RECIPES), default="mnistnet")
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.safetensors and NAME.json")
    options = parser.parse_args(arguments)
    dataset = load_dataset(DataConfig(name="mnist"))
    with Progress() as shown:
        task = shown.add_task(f"training {options.judge}", total=None)
        content, facts = train_judge(
            options.judge, dataset, progress=lambda done, total: shown.update(task, completed=done, total=total)
        )
    write_bytes(options.out / f"{options.judge}.safetensors", content)
    write_json(options.out / f"{options.judge}.json", {**asdict(facts), "sha256": sha256_bytes(content)})
    print(f"{facts.test_accuracy:.2%} of the test digits; sha256 {sha256_bytes(content)}")


if __name__ == "__main__":
    main()

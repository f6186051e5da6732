"""Train a judge, on MNIST or on another labelled data set.

`python -m mnist_gan.evaluation.train_mnistnet --judge mnistnet --out FOLDER` made the shipped weights. Weights never
change under a judge's name, so that command is a record. `mnist-gan judge train DATA` trains a judge of other data.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

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
from mnist_gan.evaluation.judges import dataset_sha256, own_judge_name
from mnist_gan.evaluation.mnistnet import (
    ARCHITECTURES,
    TOTAL_VARIANCE,
    Judge,
    JudgeName,
    JudgeNetwork,
    accuracy,
    at_judge_size,
    init_weights,
)
from mnist_gan.storage import sha256_bytes, write_bytes, write_json
from mnist_gan.torch_defaults import default_torch_state


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
OWN_RECIPE: Final = Recipe(epochs=12, seed=0, augmentation=0.5, weight_decay=5e-4)
"""Recipe of judges of other data sets."""
BATCH_SIZE: Final = 256
MIN_STEPS: Final = 600
"""Steps of a training on a small data set, where the epochs of `OWN_RECIPE` would be fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Provenance of a judge's weights, stored in their metadata and in a JSON file beside them."""

    judge: str
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


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnFacts(Facts):
    """Provenance of a judge of another data set, and what is needed to build its network."""

    architecture: JudgeName
    channels: int
    num_classes: int
    data_set: str
    data_sha256: str


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
    steps = recipe.epochs * (len(dataset.images) // BATCH_SIZE)
    average = _train(network, dataset, recipe=recipe, steps=steps, stream=f"judge/init/{name}", progress=progress)
    command = f"python -m mnist_gan.evaluation.train_mnistnet --judge {name} --out FOLDER"
    facts = Facts(**_facts(average, dataset, recipe=recipe, judge=name, command=command))
    return _serialize(average, facts), facts


@default_torch_state()
def train_own_judge(
    architecture: JudgeName,
    dataset: Dataset,
    *,
    epochs: int = OWN_RECIPE.epochs,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[bytes, OwnFacts]:
    """Train a judge of a labelled data set; returns the content of its safetensors file, and its provenance.

    Images of other sizes are read at 28x28. Features are scaled as those of the shipped judges.

    Raises:
        DataError: the data set is MNIST, which has judges, or has fewer than two classes.
    """
    if dataset.is_mnist or dataset.name == "stacked-mnist":
        raise DataError(f"{dataset.name} has its judges, mnistnet and mnistnet-b; name another data set")
    if len(torch.unique(dataset.labels)) < 2:
        raise DataError(f"the labels of {dataset.name} are all alike; a judge needs at least two classes")
    recipe = replace(OWN_RECIPE, epochs=epochs)
    network = ARCHITECTURES[architecture](channels=dataset.img_channels, num_classes=dataset.num_classes)
    steps = max(MIN_STEPS, epochs * (len(dataset.images) // BATCH_SIZE))
    average = _train(
        network, dataset, recipe=recipe, steps=steps, stream=f"judge/init/{architecture}", progress=progress
    )
    name = own_judge_name(dataset, architecture)
    words = ["mnist-gan", "judge", "train", "DATA", "--architecture", architecture, "--epochs", str(epochs)]
    facts = OwnFacts(
        **_facts(average, dataset, recipe=recipe, judge=name, command=shlex.join(words)),
        architecture=architecture,
        channels=dataset.img_channels,
        num_classes=dataset.num_classes,
        data_set=dataset.name,
        data_sha256=dataset_sha256(dataset),
    )
    return _serialize(average, facts), facts


def _train(
    network: JudgeNetwork,
    dataset: Dataset,
    *,
    recipe: Recipe,
    steps: int,
    stream: str,
    progress: Callable[[int, int], None] | None,
) -> JudgeNetwork:
    init_weights(network, generator=rng.generator(recipe.seed, stream))
    average = train_classifier(
        network,
        at_judge_size(dataset.images),
        dataset.labels,
        steps=steps,
        seed=recipe.seed,
        batch_size=BATCH_SIZE,
        weight_decay=recipe.weight_decay,
        augmentation=recipe.augmentation,
        progress=progress,
    )
    scale_features_(average, dataset.images)
    return average


def _facts(network: JudgeNetwork, dataset: Dataset, *, recipe: Recipe, judge: str, command: str) -> dict[str, Any]:
    return {
        "judge": judge,
        "command": command,
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "train_accuracy": accuracy(network, dataset.images, dataset.labels),
        "test_accuracy": accuracy(network, dataset.held_out_images, dataset.held_out_labels),
        "parameters": sum(p.numel() for p in network.parameters()),
        "feature_dim": network.feature_dim,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
    }


def _serialize(network: JudgeNetwork, facts: Facts) -> bytes:
    tensors = {key: tensor.contiguous() for key, tensor in network.state_dict().items() if tensor.is_floating_point()}
    return safetensors.torch.save(tensors, metadata={"facts": json.dumps(asdict(facts))})


@torch.no_grad()
def scale_features_(network: JudgeNetwork, images: UInt8[Tensor, "n c h w"]) -> None:
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

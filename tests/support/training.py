"""Trainings of small networks on random images, with each objective; a program that takes part in them as a rank."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file

from mnist_gan.config import Config, DiscriminatorConfig, GeneratorConfig, ObjectiveConfig, TrainingConfig
from mnist_gan.launcher import read_launch
from mnist_gan.models import ImageShape
from mnist_gan.training import Leader, TrainState, create_state, follow, joined, train

BATCH_SIZE: Final = 20
NIMG: Final = 2 * BATCH_SIZE
SHAPE: Final = ImageShape(channels=1, resolution=8, num_classes=10)
OBJECTIVES: Final[dict[str, dict[str, Any]]] = {
    "non_saturating-r1": {"loss": "non_saturating", "r1_gamma": 1.0, "penalty_interval": 2},
    "minimax": {"loss": "minimax"},
    "least_squares": {"loss": "least_squares"},
    "hinge-r2": {"loss": "hinge", "r2_gamma": 1.0},
    "wasserstein-gp": {"loss": "wasserstein", "gp_lambda": 10.0},
    "wasserstein-clip": {"loss": "wasserstein", "weight_clip": 0.05},
    "relativistic-r1-r2": {"loss": "relativistic", "r1_gamma": 1.0, "r2_gamma": 1.0},
    "classifier": {"classifier_weight": 0.1},
}


def train_to_end(config: Config, state: TrainState, stream: Any, *, nimg: int) -> dict[str, float]:
    """Train up to `nimg` images; returns the statistics of the last tick."""
    ticks = list(train(config, state, stream, epoch_nimg=10**6, tick_nimg=10**6, total_nimg=nimg))
    return ticks[-1].stats


class RandomImages:
    """A stream of random images with the ten labels in turn."""

    def __init__(self, shape: ImageShape) -> None:
        self.shape = shape

    def batch(self, cur_nimg: int) -> tuple[torch.Tensor, torch.Tensor]:
        size = (BATCH_SIZE, self.shape.channels, self.shape.resolution, self.shape.resolution)
        images = torch.rand(size, generator=torch.Generator().manual_seed(cur_nimg)) * 2 - 1
        return images, (torch.arange(BATCH_SIZE) + cur_nimg) % 10


def small_config(objective: dict[str, Any], *, shards: int) -> Config:
    """A conditional pair with BatchNorm in G and spectral normalization in D."""
    return Config(
        generator=GeneratorConfig(family="dcgan", z_dim=4, channels=(8, 4), norm="batch"),
        discriminator=DiscriminatorConfig(family="dcgan", channels=(4, 8), norm="spectral"),
        objective=ObjectiveConfig(**objective),
        training=TrainingConfig(
            batch_size=BATCH_SIZE, conditional=True, precision="float32", device="cpu", shards=shards
        ),
    )


def train_small(config: Config, *, leader: Leader | None = None) -> TrainState:
    """Train for `NIMG` images, roll back to the start, and train for `NIMG` images again."""
    state = create_state(config, SHAPE, device=torch.device("cpu"))
    checkpoint = state.tensors(), {**state.counters(), "rollbacks": 1, "lr_scale": 0.5}
    checkpoint = {name: tensor.clone() for name, tensor in checkpoint[0].items()}, checkpoint[1]
    for _ in range(2):
        for _tick in train(
            config, state, RandomImages(SHAPE), epoch_nimg=10**6, tick_nimg=10**6, total_nimg=NIMG, leader=leader
        ):
            pass
        if state.rollbacks == 0:
            state.restore(*checkpoint)
    return state


def main(folder: Path) -> None:
    """Take part as the rank that the environment names; rank 0 writes the states. Prints the threads that stay."""
    with joined(read_launch()) as group:
        for name, objective in OBJECTIVES.items():
            config = small_config(objective, shards=4)
            if group.rank > 0:
                state = create_state(config, SHAPE, device=torch.device("cpu"))
                follow(config, state, RandomImages(SHAPE), group=group)
            else:
                with Leader(group) as leader:
                    save_file(train_small(config, leader=leader).tensors(), folder / f"{name}.safetensors")
    print(*(task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

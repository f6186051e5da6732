"""A small world to provoke faults in: made-up images, a training of ten steps, and what must be equal after it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from tests.campaign.victims import Ended, command, fork

from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    RunConfig,
    TrainingConfig,
    to_toml,
)
from mnist_gan.data.idx_set import write_idx_set
from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, TRAIN_IMAGES, TRAIN_LABELS

STEPS: Final = 10
BATCH: Final = 16


def make_data(folder: Path, *, side: int = 12) -> Path:
    """Four IDX files of small made-up images: a bright bar on black, whose height says its label."""
    random = np.random.default_rng(0)

    def make(n: int) -> tuple[Any, Any]:
        labels = np.arange(n, dtype=np.uint8) % 10
        images = np.zeros((n, side, side), np.uint8)
        for image, label in zip(images, labels, strict=True):
            top, left = label * (side - 3) // 10, int(random.integers(0, side // 2))
            image[top : top + 3, left : left + side // 2] = random.integers(180, 256)
        return images, labels

    train, held_out = make(160), make(40)
    names = (TRAIN_IMAGES, TRAIN_LABELS, HELD_OUT_IMAGES, HELD_OUT_LABELS)
    write_idx_set(folder, dict(zip(names, (*train, *held_out), strict=True)))
    return folder


def tiny(data: Path, *, steps: int = STEPS, averaging: bool = True, objective: ObjectiveConfig | None = None) -> Config:
    """A training of ten steps, with a row every second step and a checkpoint at every one."""
    return Config(
        data=DataConfig(name="idx", dir=str(data)),
        generator=GeneratorConfig(family="mlp", z_dim=4, channels=(12,), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(12,)),
        objective=objective or ObjectiveConfig(),
        training=TrainingConfig(
            total_nimg=steps * BATCH,
            batch_size=BATCH,
            conditional=True,
            device="cpu",
            precision="float32",
            threads=1,
            ema_halflife_nimg=500.0 if averaging else 0.0,
        ),
        run=RunConfig(
            tick_nimg=2 * BATCH, checkpoint_nimg=BATCH, evaluate=False, pictures=False, tensorboard=False, checkpoints=3
        ),
    )


def with_run(config: Config, **fields: Any) -> Config:
    """The config with other fields of its table `run`."""
    return dataclasses.replace(config, run=dataclasses.replace(config.run, **fields))


class Place:
    """A folder with data, a config and runs in it."""

    def __init__(self, folder: Path, config: Config | None = None) -> None:
        """Make the data and write the config."""
        self.folder = folder
        self.data = make_data(folder / "data")
        self.config = config or tiny(self.data)
        self.recipe = folder / "recipe.toml"
        self.recipe.write_text(to_toml(self.config))
        self.runs = folder / "runs"

    def root(self, name: str) -> Path:
        """Where a run lies."""
        return self.runs / name

    def train(self, name: str) -> Ended:
        """Train a run to its end."""
        return fork(self.training(name))

    def training(self, name: str) -> Any:
        """The action that does."""
        return command("train", "--config", self.recipe, "--name", name, "--runs-dir", self.runs)

    def resuming(self, name: str) -> Any:
        """The action that continues it."""
        return command("resume", self.root(name))

    def whole(self) -> str:
        """What a run that nobody disturbed gives.

        Raises:
            RuntimeError: it does not come to its end.
        """
        ended = self.train("whole")
        if ended.code != 0:
            raise RuntimeError(f"the undisturbed run failed: {ended.output}")
        return footprint(self.root("whole"))


def footprint(root: Path) -> str:
    """sha256 of all that must be equal between two runs: the state, the model's weights, the rows, the samples."""
    digest = hashlib.sha256()
    newest = list_checkpoints(root / "checkpoints")[0]
    files = [newest / "state.safetensors", newest / "state.json", *sorted((root / "model").glob("*.safetensors"))]
    for file in [*files, *sorted((root / "samples").glob("*.png"))]:
        digest.update(file.name.encode() + file.read_bytes())
    for line in (root / "metrics.jsonl").read_text().splitlines():
        row = {name: value for name, value in json.loads(line).items() if not name.startswith("Timing/")}
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def leftovers(root: Path) -> list[str]:
    """What half-written saves have left below a folder."""
    return sorted(str(path.relative_to(root)) for path in root.rglob(".tmp-*"))

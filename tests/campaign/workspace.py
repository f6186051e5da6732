"""A small training to inject faults into: made-up images, a config of ten steps, and a digest of its results."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from tests.campaign.victims import command, fork
from tests.support import tiny

from mnist_gan import experiment
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.config import Config, ObjectiveConfig, to_toml
from mnist_gan.data.idx_set import write_idx_set
from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.storage import TEMPORARY_PREFIX

STEPS: Final = 10
BATCH: Final = 16


def make_data(folder: Path, *, side: int = 12) -> Path:
    """Write four IDX files of small images: a bright bar on black, whose height encodes the label."""
    random = np.random.default_rng(0)

    def make(n: int) -> tuple[Any, Any]:
        labels = np.arange(n, dtype=np.uint8) % 10
        images = np.zeros((n, side, side), np.uint8)
        for image, label in zip(images, labels, strict=True):
            top, left = label * (side - 3) // 10, int(random.integers(0, side // 2))
            image[top : top + 3, left : left + side // 2] = random.integers(180, 256)
        return images, labels

    names = (TRAIN_IMAGES, TRAIN_LABELS, HELD_OUT_IMAGES, HELD_OUT_LABELS)
    write_idx_set(folder, dict(zip(names, (*make(160), *make(40)), strict=True)))
    return folder


def tiny_config(
    data: Path, *, steps: int = STEPS, averaging: bool = True, objective: ObjectiveConfig | None = None, **run: Any
) -> Config:
    """Config with a row every second step and a checkpoint at every step; `run` changes fields of its table `run`."""
    halflife = 500.0 if averaging else 0.0
    config = tiny.tiny_config(
        data,
        data={"name": "idx", "limit": None},
        training={"total_nimg": steps * BATCH, "batch_size": BATCH, "ema_halflife_nimg": halflife},
        run={"tick_nimg": 2 * BATCH, "checkpoint_nimg": BATCH, "checkpoints": 3, "snapshots": 12, **run},
    )
    return dataclasses.replace(config, objective=objective or config.objective)


class Workspace:
    """A folder with data, a config and runs."""

    def __init__(self, folder: Path, **config: Any) -> None:
        """Write the data and the config; `config` as in `tiny_config`."""
        self.folder = folder
        self.data = make_data(folder / "data")
        self.config = tiny_config(self.data, **config)
        self.recipe = folder / "recipe.toml"
        self.recipe.write_text(to_toml(self.config))
        self.runs = folder / "runs"

    def root(self, name: str) -> Path:
        """Directory of a run."""
        return self.runs / name

    def train(self, name: str) -> Callable[[], int]:
        """Action that trains a new run to its end."""
        return command("train", "--config", self.recipe, "--name", name, "--runs-dir", self.runs)

    def resume(self, name: str) -> Callable[[], int]:
        """Action that resumes a run."""
        return command("resume", self.root(name))

    def reference(self) -> str:
        """Train the run "whole" without a fault, and return its digest.

        Raises:
            RuntimeError: the training fails.
        """
        result = fork(self.train("whole"))
        if result.code != 0:
            raise RuntimeError(f"the uninterrupted run failed: {result.output}")
        return run_digest(self.root("whole"))

    def train_and_stop(self, name: str, *, steps: int) -> None:
        """Train a run and stop it after some steps."""

        def train() -> None:
            experiment.run(self.config, name=name, runs_dir=self.runs, stop=stop_after(steps))

        fork(train)

    @contextlib.contextmanager
    def copy(self, source: str, name: str = "victim") -> Iterator[Path]:
        """Copy the run `source` under another name for the block."""
        shutil.copytree(self.root(source), self.root(name))
        yield self.root(name)
        shutil.rmtree(self.root(name))


def stop_after(steps: int) -> Callable[[], bool]:
    """Stop callable of a training, which is polled once per step."""
    polls = iter(range(10**9))
    return lambda: next(polls) >= steps


def run_digest(root: Path) -> str:
    """sha256 of everything that must be equal between two runs: state, weights, rows (without times), samples."""
    digest = hashlib.sha256()
    newest = list_checkpoints(root / "checkpoints")[0]
    files = [newest / "state.safetensors", newest / "state.json", *sorted((root / "model").glob("*.safetensors"))]
    for file in [*files, *sorted((root / "samples").glob("*.png"))]:
        digest.update(file.name.encode() + file.read_bytes())
    for line in (root / "metrics.jsonl").read_text().splitlines():
        row = {name: value for name, value in json.loads(line).items() if not name.startswith("Timing/")}
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def temporary_files(root: Path) -> list[str]:
    """Temporary files of unfinished saves, relative to `root`."""
    return sorted(str(path.relative_to(root)) for path in root.rglob(f"{TEMPORARY_PREFIX}*"))

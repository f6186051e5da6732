"""Runs to stop and resume: small networks of each family, and all of a run that must not differ."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.tiny import tiny_config

from mnist_gan import experiment
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.config import Config, ObjectiveConfig
from mnist_gan.runs.metrics import read_rows
from mnist_gan.storage import read_committed_directory

Networks = Mapping[str, Mapping[str, Any]]
DCGAN: Final[Networks] = {
    "generator": {"family": "dcgan", "z_dim": 8, "channels": (8, 4), "norm": "batch"},
    "discriminator": {"family": "dcgan", "channels": (4, 8), "norm": "none"},
}
MLP: Final[Networks] = {
    "generator": {"family": "mlp", "z_dim": 8, "channels": (16,), "norm": "batch"},
    "discriminator": {"family": "mlp", "channels": (16,), "norm": "none"},
}
RESNET: Final[Networks] = {
    "generator": {"family": "resnet", "z_dim": 8, "channels": (8, 4), "norm": "none"},
    "discriminator": {"family": "resnet", "channels": (4, 8), "norm": "none"},
}


def resumable_config(
    data_dir: Path,
    *,
    networks: Networks = DCGAN,
    objective: ObjectiveConfig | None = None,
    run: Mapping[str, Any] | None = None,
    **training: Any,
) -> Config:
    """Ten steps of 16 images, two and a half epochs, a row every second step, a checkpoint every third."""
    config = tiny_config(
        data_dir,
        data={"limit": 64},
        optimizer={"decay": "cosine", "warmup_nimg": 32},
        training={"total_nimg": 160, "batch_size": 16, "threads": None} | training,
        run={"tick_nimg": 32, "checkpoint_nimg": 48, "snapshots": 12} | dict(run or {}),
        **networks,
    )
    return config if objective is None else dataclasses.replace(config, objective=objective)


def stop_after(polls: int) -> Callable[[], bool]:
    """A stop callable that returns True once it was polled `polls` times."""
    count = itertools.count()
    return lambda: next(count) >= polls


def stop_and_resume(config: Config, runs_dir: Path, *, polls: list[int]) -> Path:
    """Train a run that is stopped after each of `polls` and resumed until it is finished."""
    outcome = experiment.run(config, name="stopped", runs_dir=runs_dir, stop=stop_after(polls[0]))
    for n in polls[1:]:
        assert not outcome.finished
        outcome = experiment.resume(outcome.directory.root, stop=stop_after(n))
    if not outcome.finished:
        outcome = experiment.resume(outcome.directory.root)
    assert outcome.finished
    return outcome.directory.root


def read_footprint(root: Path) -> dict[str, object]:
    """Rows without times, samples, newest state and model: all that a resumed and an uninterrupted run share."""
    rows = [
        {name: value for name, value in row.items() if not name.startswith("Timing/")}
        for row in read_rows(root / "metrics.jsonl")
    ]
    samples = {path.name: path.read_bytes() for path in sorted((root / "samples").iterdir())}
    newest = list_checkpoints(root / "checkpoints")[0]
    model = {path.name: path.read_bytes() for path in (root / "model").glob("*.safetensors")}
    return {"rows": rows, "samples": samples, "state": read_committed_directory(newest), "model": model}

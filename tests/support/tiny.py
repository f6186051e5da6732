"""Synthetic digits in an IDX folder, a config that trains in seconds, and a trained run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mnist_gan import experiment
from mnist_gan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig, RunConfig, TrainingConfig
from mnist_gan.data.idx_set import write_idx_set
from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.runs import RunDirectory

# segments of a seven-segment display: (top, left, height, width) in a 14 x 8 box, and the digits' segments
SEGMENTS: Final = ((0, 0, 2, 8), (0, 0, 7, 2), (0, 6, 7, 2), (6, 0, 2, 8), (7, 0, 7, 2), (7, 6, 7, 2), (12, 0, 2, 8))
DIGIT_SEGMENTS: Final = ("012456", "25", "02346", "02356", "1235", "01356", "013456", "025", "0123456", "012356")
TRAIN_NIMG: Final = 400
HELD_OUT_NIMG: Final = 100
BATCH_SIZE: Final = 20
TOTAL_NIMG: Final = 200


def tiny_config(data_dir: Path, **changes: Mapping[str, Any]) -> Config:
    """Two epochs of 100 images, ten steps of 20, without evaluations, pictures or TensorBoard; a row per step.

    Args:
        data_dir: IDX folder.
        changes: fields to change, by group, such as `training={"seed": 1}, run={"evaluate": True}`.
    """
    config = Config(
        data=DataConfig(dir=str(data_dir), limit=100),
        generator=GeneratorConfig(family="mlp", z_dim=4, channels=(16,), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(16,)),
        training=TrainingConfig(
            total_nimg=TOTAL_NIMG, batch_size=BATCH_SIZE, conditional=True, device="cpu", threads=1, precision="float32"
        ),
        run=RunConfig(evaluate=False, tick_nimg=BATCH_SIZE, snapshots=0, pictures=False, tensorboard=False),
    )
    groups = {name: dataclasses.replace(getattr(config, name), **fields) for name, fields in changes.items()}
    return dataclasses.replace(config, **groups)


def trained_run(folder: Path, *, name: str = "tiny", **changes: Mapping[str, Any]) -> RunDirectory:
    """Train the tiny config on made-up digits; the run is `folder/runs/name`, its data `folder/data`."""
    if not (folder / "data").exists():
        write_idx_set(folder / "data", idx_arrays())
    config = tiny_config(folder / "data", **changes)
    return experiment.run(config, name=name, runs_dir=folder / "runs").directory


def idx_arrays() -> dict[str, NDArray[np.uint8]]:
    """Made-up digits as the four files of MNIST: 400 training and 100 held-out images, the ten classes in turn."""
    images, labels = synthetic_digits(TRAIN_NIMG + HELD_OUT_NIMG)
    return {
        TRAIN_IMAGES: images[:TRAIN_NIMG],
        TRAIN_LABELS: labels[:TRAIN_NIMG],
        HELD_OUT_IMAGES: images[TRAIN_NIMG:],
        HELD_OUT_LABELS: labels[TRAIN_NIMG:],
    }


def synthetic_digits(n: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw seven-segment digits at random places, of random brightness, with soft edges.

    Returns:
        Images (N, 28, 28), labels (N,).
    """
    random = np.random.default_rng(0)
    labels = np.arange(n, dtype=np.uint8) % 10
    images = np.zeros((n, 28, 28))
    for image, label in zip(images, labels, strict=True):
        top, left = random.integers(4, 10), random.integers(6, 14)
        for segment in DIGIT_SEGMENTS[label]:
            y, x, height, width = SEGMENTS[int(segment)]
            image[top + y : top + y + height, left + x : left + x + width] = random.uniform(0.7, 1.0)
    soft = sum(np.roll(images, (dy, dx), axis=(1, 2)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) / 9
    return np.round(255 * (0.5 * images + 0.5 * soft)).astype(np.uint8), labels


def small_arrays(n: int, held_out: int, *, level: int | None = None) -> dict[str, NDArray[np.uint8]]:
    """Fewer made-up digits as the four files of MNIST; `level` replaces them by blank images of one class."""
    arrays = idx_arrays()
    sizes = {TRAIN_IMAGES: n, TRAIN_LABELS: n, HELD_OUT_IMAGES: held_out, HELD_OUT_LABELS: held_out}
    small = {name: array[: sizes[name]] for name, array in arrays.items()}
    if level is None:
        return small
    return {name: np.full_like(array, level if array.ndim == 3 else 0) for name, array in small.items()}

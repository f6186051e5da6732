"""Runs and images over made-up digits that pass for MNIST, small enough to be judged in a second."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.support import gans

from mnist_gan import config as config_module
from mnist_gan.artifacts.gan import GAN
from mnist_gan.assessment import OutputPaths, assess, open_subject, write
from mnist_gan.config import DataConfig, ObjectiveConfig
from mnist_gan.data import Dataset
from mnist_gan.data.mnist import MNIST_FILES
from mnist_gan.evaluation import SampleProtocol
from mnist_gan.runs.directory import RunDirectory


@pytest.fixture(scope="session")
def small() -> SampleProtocol:
    """Few enough images for a test."""
    return SampleProtocol(num_images=200, draws=2)


@pytest.fixture(scope="session")
def like_mnist(idx_arrays: dict[str, NDArray[np.uint8]]) -> Dataset:
    """Made-up digits under MNIST's name and digests, so that digit figures are given."""
    images, labels, held_out, held_out_labels = (torch.from_numpy(array) for array in idx_arrays.values())
    return Dataset(
        name="mnist",
        images=images[:, None],
        labels=labels.long(),
        held_out_images=held_out[:, None],
        held_out_labels=held_out_labels.long(),
        digests={name: published.digest for name, published in MNIST_FILES.items()},
        source="made up for tests, from /a/folder/of/mine",
    )


@pytest.fixture(scope="session")
def other_data(like_mnist: Dataset) -> Dataset:
    """The same, as a data set of its own."""
    return dataclasses.replace(like_mnist, name="made-up", digests={})


@pytest.fixture(scope="session")
def tiny_gan() -> Callable[..., GAN]:
    """Makes untrained models."""
    return make_gan


@pytest.fixture(scope="session")
def make_run() -> Callable[..., RunDirectory]:
    """Makes run directories."""
    return write_run


def make_gan(
    *, num_classes: int = 10, channels: int = 1, loss: str = "non_saturating", limit: int | None = None
) -> GAN:
    return gans.tiny_gan(
        num_classes=num_classes,
        channels=channels,
        facts={"data": "mnist", "cur_nimg": 1200, "step": 12},
        preset="tiny",
        data=DataConfig(name="mnist", dir="/a/folder/of/mine", limit=limit),
        objective=ObjectiveConfig(loss=loss),
    )


def write_run(root: Path, gan: GAN, *, rows: int = 12) -> RunDirectory:
    """A run directory as a training leaves it, as far as an evaluation reads it."""
    run = RunDirectory(root)
    gan.save(run.model)
    run.config.write_text(config_module.to_toml(gan.config))
    lines = [
        {
            "cur_nimg": 100 * k,
            "step": k,
            "epoch": k / 4,
            "Loss/G/loss": 1 / k,
            "Loss/D/loss": 1.0,
            "Score/real_accuracy": 0.8,
            "Score/fake_accuracy": 0.7,
            "Timing/img_per_sec": 1000.0 + k,
            "Timing/train_sec": 0.1,
            **({"Metric/fd2k_mnistnet": 50.0 / k, "Metric/agreement": k / 20} if k % 3 == 0 else {}),
        }
        for k in range(1, rows + 1)
    ]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


@pytest.fixture(scope="module")
def run(tiny_gan, make_run, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / 'a "run" <b>&', tiny_gan())


@pytest.fixture(scope="module")
def found(run, like_mnist, small, tmp_path_factory):
    return assess(
        open_subject(run.root),
        dataset=like_mnist,
        protocol=small,
        judges=("mnistnet", "mnistnet-b"),
        cache=tmp_path_factory.mktemp("cache"),
    )


@pytest.fixture(scope="module")
def page(found, run):
    files = write(found, OutputPaths.of(found.subject), command="mnist-gan evaluate it")
    assert files == [run.report, run.root / "metrics-fd200.jsonl"]
    return run.report.read_text()

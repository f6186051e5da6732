"""A run of a small training, made once, and empty working folders for the tests of commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.program import SMALL_TRAINING

from mnist_gan import experiment
from mnist_gan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig, RunConfig, TrainingConfig
from mnist_gan.data.idx_set import write_idx_set


@pytest.fixture(scope="session")
def trained_run(idx_arrays: dict[str, NDArray[np.uint8]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conditional run of two epochs of 100 images; read-only: `place` has a copy."""
    folder = tmp_path_factory.mktemp("trained")
    write_idx_set(folder / "data", idx_arrays)
    config = Config(
        data=DataConfig(dir=str(folder / "data"), limit=100),
        generator=GeneratorConfig(family="mlp", z_dim=4, channels=(16,), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(16,)),
        training=TrainingConfig(epochs=2, batch_size=20, conditional=True, device="cpu", threads=1),
        run=RunConfig(evaluate=False, tick_nimg=20),
    )
    return experiment.run(config, name="tiny", runs_dir=folder / "runs").directory.root


@pytest.fixture
def place(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a copy of that run as runs/tiny."""
    shutil.copytree(trained_run, tmp_path / "runs" / "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def train_small(idx_dir: Path) -> list[str]:
    """Arguments that train a small network on made-up digits: 400 images an epoch."""
    return ["train", *SMALL_TRAINING, "--data.dir", str(idx_dir)]


@pytest.fixture
def machine_without_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, an empty cache, and no MNIST_GAN_DATA."""
    monkeypatch.delenv("MNIST_GAN_DATA", raising=False)
    monkeypatch.setattr("mnist_gan.data.sources.cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr("mnist_gan.data.download.cache_dir", lambda: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path

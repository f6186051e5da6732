"""A run of a small training, made once, and empty working folders for the tests of commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.support import tiny
from tests.support.program import SMALL_TRAINING


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conditional run of two epochs of 100 images; read-only: `place` has a copy."""
    files = {"pictures": True, "tensorboard": True, "snapshots": 12}
    return tiny.trained_run(tmp_path_factory.mktemp("trained"), run=files).root


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

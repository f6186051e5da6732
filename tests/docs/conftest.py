"""Working directory for the documentation's examples: tiny presets, and synthetic digits in place of MNIST."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mnist_gan import experiment, presets
from mnist_gan.config import Config
from mnist_gan.data.idx_set import read_idx_set, write_idx_set
from mnist_gan.evaluation import PROTOCOLS, SampleProtocol, train_mnistnet

MAX_WIDTH = 8
NIMG = 512
RUNS = {"my-run": 0, "other-run": 1}
FOLDERS = ("fashion", "synthetic")


def shrink(config: Config) -> Config:
    """Return the config with narrow networks, few images and no evaluations."""

    def narrow(network: Any) -> Any:
        return dataclasses.replace(network, channels=tuple(min(width, MAX_WIDTH) for width in network.channels))

    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, limit=256),
        generator=dataclasses.replace(narrow(config.generator), z_dim=8),
        discriminator=narrow(config.discriminator),
        training=dataclasses.replace(config.training, total_nimg=NIMG, batch_size=32),
        run=dataclasses.replace(config.run, evaluate=False, checkpoints=1),
    )


def shrunk(make: Callable[[], Config]) -> Config:
    return shrink(make())


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """Make every preset and every evaluation small for the duration of a module."""
    with pytest.MonkeyPatch.context() as patch:
        for name, recipe in dict(presets.PRESETS).items():
            make = functools.partial(shrunk, recipe.make)
            patch.setitem(presets.PRESETS, name, dataclasses.replace(recipe, make=make))
            patch.setattr(presets, recipe.make.__name__, make)
        patch.setattr(train_mnistnet, "MIN_STEPS", 2)
        for name in PROTOCOLS:
            patch.setitem(PROTOCOLS, name, SampleProtocol(num_images=120, draws=2))
        yield


@pytest.fixture(scope="module")
def synthetic_mnist(idx_arrays: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of synthetic digits, found in place of MNIST."""
    folder = tmp_path_factory.mktemp("data") / "mnist"
    write_idx_set(folder, idx_arrays)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mnist_gan.data.dataset.find_mnist", lambda **_: read_idx_set(folder))
        patch.setenv("MNIST_GAN_DATA", "")
        patch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
        yield folder


@pytest.fixture(scope="module")
def prepared(small: None, synthetic_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the runs, data sets and images that the examples name."""
    world = tmp_path_factory.mktemp("world")
    for name, seed in RUNS.items():
        config = presets.quick()
        config = dataclasses.replace(config, training=dataclasses.replace(config.training, seed=seed))
        experiment.run(config, name=name, runs_dir=world / "runs")
    for name in FOLDERS:
        shutil.copytree(synthetic_mnist, world / name)
    digit = np.asarray(read_idx_set(synthetic_mnist).files["train-images-idx3-ubyte"].array[4])
    Image.fromarray(255 - digit).resize((112, 112)).save(world / "four.png")
    return world


@pytest.fixture
def world(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fresh copy of the prepared folder as working directory; no window opens."""
    here = tmp_path / "world"
    shutil.copytree(prepared, here)
    monkeypatch.chdir(here)
    monkeypatch.setattr("mnist_gan.cli.window.show", lambda _: False)
    return here

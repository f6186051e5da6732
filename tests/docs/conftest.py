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
from numpy.typing import NDArray
from PIL import Image
from scripts.docpages import ROOT

from mnist_gan import experiment, presets
from mnist_gan.cli import main
from mnist_gan.config import Config
from mnist_gan.data import dataset
from mnist_gan.data.idx_set import read_idx_set, write_idx_set
from mnist_gan.evaluation import PROTOCOLS, SampleProtocol, train_mnistnet
from mnist_gan.experiment import latent_scale, model

MAX_WIDTH = 8
NIMG = 128
RUNS = {"my-run": 0, "other-run": 1}
FOLDERS = ("fashion", "synthetic")


def shrink(config: Config) -> Config:
    """Return the config with narrow networks, few images, no evaluations and no pictures at the end."""

    def narrow(network: Any) -> Any:
        return dataclasses.replace(network, channels=tuple(min(width, MAX_WIDTH) for width in network.channels))

    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, limit=NIMG),
        generator=dataclasses.replace(narrow(config.generator), z_dim=8),
        discriminator=narrow(config.discriminator),
        training=dataclasses.replace(config.training, total_nimg=NIMG, batch_size=32),
        run=dataclasses.replace(config.run, evaluate=False, checkpoints=1, pictures=False),
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
        patch.setattr(model, "REESTIMATION_NIMG", 200)
        patch.setattr(latent_scale, "NIMG", 200)
        patch.setattr(train_mnistnet, "MIN_STEPS", 2)
        patch.setattr(dataset, "STACKED_IMAGES", 400)
        patch.setattr(dataset, "STACKED_HELD_OUT_IMAGES", 200)
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
    for name in FOLDERS:
        shutil.copytree(synthetic_mnist, world / name)
    files = read_idx_set(synthetic_mnist).files
    images, labels = (np.asarray(files[f"train-{part}"].array) for part in ("images-idx3-ubyte", "labels-idx1-ubyte"))
    Image.fromarray(255 - images[4]).resize((112, 112)).save(world / "four.png")
    write_kaggle_csv(world / "train.csv", images, labels)
    for folder, classes in (("animals", ("cat", "dog")), ("letters-images", ("Aa", "Bb"))):
        write_class_folders(world / folder, images, labels, classes=classes)
    assert main(["data", "import", str(world / "letters-images"), "--out", str(world / "letters-set")]) == 0
    letters = presets.quick()
    letters = dataclasses.replace(letters, data=dataclasses.replace(letters.data, dir=str(world / "letters-set")))
    experiment.run(letters, name="letters", runs_dir=world / "runs")
    for name, seed in RUNS.items():
        config = presets.quick()
        config = dataclasses.replace(config, training=dataclasses.replace(config.training, seed=seed))
        experiment.run(config, name=name, runs_dir=world / "runs")
    shutil.copytree(ROOT / "examples", world / "examples")
    return world


def write_kaggle_csv(path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """Write images as Kaggle's train.csv: a label and the pixels per line, under a header."""
    table = np.column_stack([labels, images.reshape(len(images), -1)])
    header = ",".join(["label", *(f"pixel{i}" for i in range(table.shape[1] - 1))])
    np.savetxt(path, table, fmt="%d", delimiter=",", header=header, comments="")


def write_class_folders(
    root: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8], *, classes: tuple[str, ...]
) -> None:
    """Write the images of the first labels as PNGs, one folder per class."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i, image in enumerate(images[labels == label]):
            Image.fromarray(image).save(root / name / f"{i}.png")


@pytest.fixture
def world(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fresh copy of the prepared folder as working directory; no window opens."""
    here = tmp_path / "world"
    shutil.copytree(prepared, here)
    monkeypatch.chdir(here)
    monkeypatch.setattr("mnist_gan.cli.window.show", lambda _: False)
    return here

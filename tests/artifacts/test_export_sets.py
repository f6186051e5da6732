"""Synthetic sets in MNIST's layout: read back by the strict reader, with where they are from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist_gan.artifacts.export_sets import provenance_of, save_idx_set
from mnist_gan.artifacts.gan import GAN, snapshot_of
from mnist_gan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig
from mnist_gan.data import load_dataset, read_idx
from mnist_gan.errors import ConfigError
from mnist_gan.models import ImageShape, build_discriminator, build_generator
from mnist_gan.objectives import Calibration
from mnist_gan.storage import sha256_bytes

PROVENANCE = {"model": "a model", "seed": 5}


def some_images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 1, 28, 28), dtype=np.uint8)


def test_the_four_files_hold_the_images_in_order_the_last_seventh_held_out(tmp_path: Path) -> None:
    images, labels = some_images(30), np.arange(30) % 10
    save_idx_set(tmp_path / "set", images, labels, provenance=PROVENANCE)
    read = {file.name: read_idx(file).array for file in (tmp_path / "set").glob("*.gz")}
    np.testing.assert_array_equal(read["train-images-idx3-ubyte.gz"], images[:26, 0])
    np.testing.assert_array_equal(read["train-labels-idx1-ubyte.gz"], labels[:26])
    np.testing.assert_array_equal(read["t10k-images-idx3-ubyte.gz"], images[26:, 0])
    np.testing.assert_array_equal(read["t10k-labels-idx1-ubyte.gz"], labels[26:])


def test_the_folder_can_be_trained_on(tmp_path: Path) -> None:
    save_idx_set(tmp_path / "set", torch.from_numpy(some_images(20)), torch.arange(20) % 10, provenance=PROVENANCE)
    dataset = load_dataset(DataConfig(name="idx", dir=str(tmp_path / "set")))
    assert len(dataset.images) == 18
    assert len(dataset.held_out_images) == 2


def test_provenance_says_where_it_is_from_and_what_is_in_it(tmp_path: Path) -> None:
    written = save_idx_set(tmp_path / "set", some_images(14), np.arange(14) % 3, provenance=PROVENANCE)
    content = json.loads((tmp_path / "set" / "provenance.json").read_text())
    assert content == written
    assert content["model"] == "a model"
    assert content["seed"] == 5
    assert content["images"] == {"n": 14, "training": 12, "held_out": 2, "height": 28, "width": 28}
    assert content["labels"] == {"0": 5, "1": 5, "2": 4}
    assert set(content["sha256"]) == {
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    }


def test_the_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_idx_set(tmp_path / name, some_images(8), np.arange(8), provenance=PROVENANCE)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


@pytest.mark.parametrize(
    ("images", "words"),
    [(some_images(1), "at least 2"), (np.zeros((4, 3, 28, 28), np.uint8), "3 channels")],
)
def test_what_the_layout_cannot_hold_is_refused(tmp_path: Path, images: np.ndarray, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        save_idx_set(tmp_path / "set", images, np.zeros(len(images), np.int64), provenance=PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def test_a_label_that_is_no_byte_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one byte"):
        save_idx_set(tmp_path / "set", some_images(2), np.array([0, 300]), provenance=PROVENANCE)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="not an empty folder"):
        save_idx_set(tmp_path, some_images(2), np.zeros(2, np.int64), provenance=PROVENANCE)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_provenance_names_the_generator_by_its_digest(tmp_path: Path) -> None:
    gan = make_gan()
    gan.save(tmp_path / "model")
    provenance = provenance_of(gan, source="runs/a", seed=3, settings={"truncation_psi": 0.7})
    assert provenance["model"]["generator_sha256"] == sha256_bytes(
        (tmp_path / "model" / "generator.safetensors").read_bytes()
    )
    assert provenance["model"]["source"] == "runs/a"
    assert provenance["model"]["cur_nimg"] == 7
    assert provenance["seed"] == 3
    assert provenance["truncation_psi"] == 0.7


def make_gan() -> GAN:
    config = Config(
        generator=GeneratorConfig(family="mlp", z_dim=4, channels=(8,), norm="none"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(8,)),
    )
    shape = ImageShape(channels=1, resolution=28)
    G = build_generator(config.generator, shape, seed=0)
    D = build_discriminator(config.discriminator, shape, seed=0)
    return snapshot_of(G_ema=G, D=D, config=config, calibration=Calibration(scale=1.0, bias=0.0), facts={"cur_nimg": 7})

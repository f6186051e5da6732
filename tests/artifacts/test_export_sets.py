"""Generated sets in MNIST's layout: content and provenance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.gans import tiny_gan

from mnist_gan.artifacts.export_sets import provenance_of, save_idx_set
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset, read_idx
from mnist_gan.errors import ConfigError
from mnist_gan.storage import sha256_bytes

PROVENANCE = {"model": "a model", "seed": 5}


def some_images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 1, 28, 28), dtype=np.uint8)


def test_save_idx_set_keeps_the_order_and_holds_out_the_last_seventh(tmp_path: Path) -> None:
    images, labels = some_images(30), np.arange(30) % 10
    save_idx_set(tmp_path / "set", images, labels, provenance=PROVENANCE)
    read = {file.name: read_idx(file).array for file in (tmp_path / "set").glob("*.gz")}
    np.testing.assert_array_equal(read["train-images-idx3-ubyte.gz"], images[:26, 0])
    np.testing.assert_array_equal(read["train-labels-idx1-ubyte.gz"], labels[:26])
    np.testing.assert_array_equal(read["t10k-images-idx3-ubyte.gz"], images[26:, 0])
    np.testing.assert_array_equal(read["t10k-labels-idx1-ubyte.gz"], labels[26:])


def test_save_idx_set_can_be_loaded_for_a_training(tmp_path: Path) -> None:
    save_idx_set(tmp_path / "set", torch.from_numpy(some_images(20)), torch.arange(20) % 10, provenance=PROVENANCE)
    dataset = load_dataset(DataConfig(name="idx", dir=str(tmp_path / "set")))
    assert len(dataset.images) == 18
    assert len(dataset.held_out_images) == 2


def test_save_idx_set_writes_provenance_with_source_and_content(tmp_path: Path) -> None:
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


def test_save_idx_set_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_idx_set(tmp_path / name, some_images(8), np.arange(8), provenance=PROVENANCE)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_save_idx_set_refuses_one_image(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        save_idx_set(tmp_path / "set", some_images(1), np.zeros(1, np.int64), provenance=PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def test_save_idx_set_holds_colour_and_a_thousand_classes(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (14, 3, 8, 8)).astype(np.uint8)
    labels = np.arange(14) * 76
    save_idx_set(tmp_path / "set", images, labels, provenance={"class_names": [f"class {k}" for k in range(1_000)]})
    assert {"train-images-idx4-ubyte.gz", "train-labels-idx1-short.gz"} < {f.name for f in (tmp_path / "set").iterdir()}
    dataset = load_dataset(DataConfig(dir=str(tmp_path / "set"), name="idx"))
    assert torch.equal(dataset.images, torch.from_numpy(images[:12]))
    assert dataset.held_out_labels.tolist() == labels[12:].tolist()
    assert (dataset.num_classes, dataset.class_names[999]) == (1_000, "class 999")


def test_save_idx_set_refuses_a_label_above_16_bits(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 to 32,767"):
        save_idx_set(tmp_path / "set", some_images(2), np.array([0, 40_000]), provenance=PROVENANCE)


def test_save_idx_set_refuses_a_folder_with_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="not an empty folder"):
        save_idx_set(tmp_path, some_images(2), np.zeros(2, np.int64), provenance=PROVENANCE)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_provenance_of_identifies_the_generator_by_its_digest(tmp_path: Path) -> None:
    gan = tiny_gan(num_classes=0, facts={"cur_nimg": 7})
    gan.save(tmp_path / "model")
    provenance = provenance_of(gan, source="runs/a", seed=3, settings={"truncation_psi": 0.7})
    assert provenance["model"]["generator_sha256"] == sha256_bytes(
        (tmp_path / "model" / "generator.safetensors").read_bytes()
    )
    assert provenance["model"]["source"] == "runs/a"
    assert provenance["model"]["cur_nimg"] == 7
    assert provenance["seed"] == 3
    assert provenance["truncation_psi"] == 0.7

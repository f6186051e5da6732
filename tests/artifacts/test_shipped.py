"""The model that ships with the package."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from mnist_gan import storage
from mnist_gan.artifacts.gan import CARD_NAME, GAN, shipped_directory
from mnist_gan.cli import main
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.evaluation import load_judge


def test_shipped_model_draws_the_requested_digits():
    labels = torch.arange(1000) % 10
    images = GAN.load("shipped").sample(1000, digit=labels.tolist(), seed=3)
    read = load_judge("mnistnet").predict(images).classes
    assert (read == labels).double().mean() > 0.98
    assert len(images.unique(dim=0)) == 1000


@pytest.mark.mnist
def test_shipped_discriminator_ranks_real_digits_above_generated_ones(mnist_dir):
    gan, dataset = GAN.load("shipped"), load_dataset(DataConfig(dir=str(mnist_dir)))
    real_images, labels = dataset.held_out_images[:1000], dataset.held_out_labels[:1000]
    real = gan.probability_real(real_images, labels=labels)
    drawn = gan.probability_real(gan.sample(1000, digit=labels.tolist(), seed=4), labels=labels)
    assert (real[:, None] > drawn[None, :]).double().mean() > 0.65


def test_shipped_model_is_small_and_its_card_has_metrics_and_no_paths():
    directory = shipped_directory()
    assert sum(path.stat().st_size for path in directory.iterdir()) < 2.1e6
    assert set(storage.read_committed_directory(directory)) >= {"generator.safetensors", "discriminator.safetensors"}
    card, facts = (directory / CARD_NAME).read_text(), GAN.load("shipped").facts
    for name in ("fd10k_mnistnet", "fd10k_mnistnet_b", "coverage10k_mnistnet", "agreement", "gan_train"):
        assert f"| {name} | {facts['metrics'][name]:.4g} |" in card
    assert GAN.load("shipped").config.data.dir is None


@pytest.mark.parametrize("words", [[], ["--run", "shipped"]])
def test_sample_without_a_run_draws_with_the_shipped_model(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", *words, "--digits", "7", "--n", "4", "--out", "sevens.png"]) == 0
    with Image.open("sevens.png") as picture:
        assert picture.size[0] >= 28
    said = capsys.readouterr()
    assert "drawn by shipped" in said.out
    assert ("there is no run in runs" in said.err) == (not words)


def test_train_refuses_the_name_of_the_shipped_model(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "quick", "--name", "shipped"]) == 2
    assert "is the name of the model that comes with the package" in capsys.readouterr().err


def test_shipped_model_is_the_same_by_name_and_by_path():
    by_name, by_path = GAN.load("shipped"), GAN.load(shipped_directory())
    assert np.array_equal(by_name.sample(3, digit=1, seed=1), by_path.sample(3, digit=1, seed=1))


def test_shipped_model_loads_without_the_compiler_of_torch():
    lines = [
        "import sys",
        "from mnist_gan.artifacts.gan import GAN",
        "GAN.load('shipped')",
        "print('torch._dynamo' in sys.modules)",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False", "its import takes a second"

"""`sample`: formats, truncation, and one image of a seed by its number."""

import json

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mnist_gan.artifacts.gan import GAN
from mnist_gan.cli import main
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset


def drawn(*words: str) -> NDArray[np.uint8]:
    assert main(["sample", *words, "--out", "some.npz"]) == 0
    with np.load("some.npz") as content:
        return np.asarray(content["images"])


def test_an_image_of_a_seed_is_drawn_alone_by_its_number(place, capsys):
    together, alone = drawn("--n", "20", "--digits", "7"), drawn("--first", "12", "--n", "1", "--digits", "7")
    assert "(images 12 to 12 of seed 0)" in capsys.readouterr().out
    np.testing.assert_allclose(alone[0].astype(int), together[12].astype(int), atol=1)


def test_truncation_changes_the_images_and_1_does_not(place, capsys):
    plain, same = drawn("--n", "3"), drawn("--n", "3", "--truncation-psi", "1")
    truncated = drawn("--n", "3", "--truncation-psi", "0.5")
    assert np.array_equal(plain, same)
    assert not np.array_equal(plain, truncated)
    expected = GAN.load("runs/tiny").sample(3, truncation_psi=0.5)
    assert torch.equal(torch.from_numpy(truncated), expected[:, 0])
    assert "(seed 0, truncation psi 0.5)" in capsys.readouterr().out


def test_a_set_in_mnist_layout_is_a_data_set_with_its_provenance(place):
    assert main(["sample", "--n", "70", "--seed", "9", "--format", "idx", "--out", "synthetic"]) == 0
    dataset = load_dataset(DataConfig(dir="synthetic"))
    assert (len(dataset.images), len(dataset.held_out_images)) == (60, 10)
    expected = GAN.load("runs/tiny").sample(70, seed=9)
    assert torch.equal(torch.cat([dataset.images, dataset.held_out_images]), expected)
    assert dataset.labels[:12].tolist() == [*range(10), 0, 1]
    provenance = json.loads((place / "synthetic" / "provenance.json").read_text())
    assert (provenance["seed"], provenance["model"]["source"]) == (9, "runs/tiny")


@pytest.mark.parametrize(("form", "name"), [("grid", "digits.png"), ("npz", "digits.npz"), ("folder", "digits")])
def test_each_format_has_a_name_of_its_own(place, form, name):
    assert main(["sample", "--n", "2", "--format", form]) == 0
    assert (place / name).exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--format", "grid", "--out", "x.npz"], "is no name for --format grid; give it a name that ends in .png"),
        (["--format", "idx", "--out", "x.png"], "is no name for --format idx; give it the name of a folder"),
        (["--format", "npz", "--out", "x"], "give it a name that ends in .npz"),
        (["--format", "idx", "--n", "1"], "--n is 1; ask for 2 images or more"),
        (["--format", "pdf"], "--format is 'pdf'"),
        (["--truncation-psi", "3"], "--truncation-psi is 3; it must be from 0 to 2"),
        (["--truncation-psi", "nan"], "--truncation-psi is nan"),
        (["--first", "-1"], "--first is -1"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(place, capsys, words, sentence):
    assert main(["sample", *words]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1

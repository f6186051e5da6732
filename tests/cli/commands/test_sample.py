import json
import os

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.support.gans import POINTS, tiny_gan

from mnist_gan.artifacts.gan import GAN
from mnist_gan.cli import main
from mnist_gan.cli.commands import sample
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A working folder with the runs `conditional` (the newest) and `plain`."""
    monkeypatch.chdir(tmp_path)
    for name, num_classes in (("plain", 0), ("conditional", 10)):
        run = tmp_path / "runs" / name
        tiny_gan(num_classes=num_classes).save(run / "model")
        (run / "config.toml").write_text("")
    os.utime(tmp_path / "runs" / "plain" / "config.toml", (1, 1))
    return tmp_path


def test_sample_grid_has_a_column_per_digit(runs, capsys):
    assert main(["sample", "--digits", "37", "--n", "6", "--out", "grid.png"]) == 0
    assert capsys.readouterr().out == "grid.png: 6 images drawn by runs/conditional (seed 0)\n"
    grid = np.asarray(Image.open("grid.png"))
    expected = GAN.load("runs/conditional").sample(6, digit=[3, 7], seed=0)
    assert grid.shape[1] > 2 * 28
    scale = 4
    cell = 28 * scale
    top, left, line = grid.shape[0] - 3 * (cell + 2), 2, 2  # the titles' band is above the images
    for index in range(6):
        row, column = divmod(index, 2)
        y, x = top + row * (cell + line), left + column * (cell + line)
        assert np.array_equal(grid[y : y + cell : scale, x : x + cell : scale], expected[index, 0].numpy())


def test_sample_npz_holds_images_and_labels(runs):
    assert main(["sample", "--digits", "210", "--n", "7", "--seed", "5", "--out", "some.npz"]) == 0
    content = np.load("some.npz", allow_pickle=False)
    assert content["images"].dtype == np.uint8
    assert content["images"].shape == (7, 28, 28)
    assert content["labels"].tolist() == [2, 1, 0, 2, 1, 0, 2]
    expected = GAN.load("runs/conditional").sample(7, digit=[2, 1, 0], seed=5)
    assert torch.equal(torch.from_numpy(content["images"]), expected[:, 0])


def test_sample_writes_a_folder_for_any_other_name(runs):
    assert main(["sample", "--digits", "4", "--n", "2", "--out", "drawn/fours"]) == 0
    assert sorted(path.name for path in (runs / "drawn" / "fours").iterdir()) == ["000000-4.png", "000001-4.png"]
    assert main(["sample", "--digits", "4", "--n", "2", "--out", "drawn/fours"]) == 2


def test_sample_draws_eight_rows_of_all_digits_by_default(runs, capsys):
    assert main(["sample"]) == 0
    assert capsys.readouterr().out.startswith("digits.png: 80 images")


@pytest.mark.parametrize("named", ["plain", "runs/plain", "runs/plain/model"])
def test_sample_takes_a_run_by_name_path_or_model(runs, capsys, named):
    assert main(["sample", "--run", named, "--n", "3", "--out", "x.npz"]) == 0
    assert "plain" in capsys.readouterr().out
    assert "labels" not in np.load("x.npz")


def test_sample_skips_a_run_without_a_model(runs, capsys):
    (runs / "runs" / "half").mkdir()
    (runs / "runs" / "half" / "config.toml").write_text("")
    assert main(["sample", "--n", "1", "--out", "x.npz"]) == 0
    assert "runs/conditional" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--run", "plain", "--digits", "7"], 2, "this model is unconditional"),
        (["--digits", "3x"], 2, "there is no class '3x'"),
        (["--digits", "3,10"], 2, "there is no class '10'"),
        (["--n", "0"], 2, "--n is 0; it must be at least 1"),
        (["--n", "-1", "--out", "x.npz"], 2, "--n is -1"),
        (["--seed", "-1"], 2, "--seed is -1"),
        (["--out", "x.jpg"], 2, ".jpg is not supported; use .png, .npz, or the name of a folder"),
        (["--run", "nowhere"], 4, "there is no run nowhere"),
        (["--runs-dir", "elsewhere"], 4, "elsewhere"),
        (["nowhere"], 4, "there is no run nowhere"),
        (["here", "there"], 2, "unexpected argument 'there'"),
    ],
)
def test_sample_reports_a_mistake_in_one_sentence(runs, capsys, words, code, sentence):
    assert main(["sample", *words]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_sample_refuses_a_damaged_model(runs, capsys):
    weights = runs / "runs" / "conditional" / "model" / "generator.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    assert main(["sample", "--run", "conditional"]) == 4
    assert f"{weights.relative_to(runs)} is damaged" in capsys.readouterr().err


def drawn(*words: str) -> NDArray[np.uint8]:
    assert main(["sample", *words, "--out", "some.npz"]) == 0
    with np.load("some.npz") as content:
        return np.asarray(content["images"])


def test_sample_first_draws_one_image_of_a_seed(place, capsys):
    together, alone = drawn("--n", "20", "--digits", "7"), drawn("--first", "12", "--n", "1", "--digits", "7")
    assert "(images 12 to 12 of seed 0)" in capsys.readouterr().out
    np.testing.assert_allclose(alone[0].astype(int), together[12].astype(int), atol=1)


def test_sample_truncation_psi_changes_the_images_unless_it_is_1(place, capsys):
    plain, same = drawn("--n", "3"), drawn("--n", "3", "--truncation-psi", "1")
    truncated = drawn("--n", "3", "--truncation-psi", "0.5")
    assert np.array_equal(plain, same)
    assert not np.array_equal(plain, truncated)
    expected = GAN.load("runs/tiny").sample(3, truncation_psi=0.5)
    assert torch.equal(torch.from_numpy(truncated), expected[:, 0])
    assert "(seed 0, truncation psi 0.5)" in capsys.readouterr().out


def test_sample_idx_is_a_data_set_with_its_provenance(place):
    assert main(["sample", "--n", "70", "--seed", "9", "--format", "idx", "--out", "synthetic"]) == 0
    dataset = load_dataset(DataConfig(dir="synthetic"))
    assert (len(dataset.images), len(dataset.held_out_images)) == (60, 10)
    expected = GAN.load("runs/tiny").sample(70, seed=9)
    assert torch.equal(torch.cat([dataset.images, dataset.held_out_images]), expected)
    assert dataset.labels[:12].tolist() == [*range(10), 0, 1]
    provenance = json.loads((place / "synthetic" / "provenance.json").read_text())
    assert (provenance["seed"], provenance["model"]["source"]) == (9, "runs/tiny")


@pytest.mark.parametrize(("form", "name"), [("grid", "digits.png"), ("npz", "digits.npz"), ("folder", "digits")])
def test_sample_formats_have_default_names(place, form, name):
    assert main(["sample", "--n", "2", "--format", form]) == 0
    assert (place / name).exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--format", "grid", "--out", "x.npz"], "does not fit --format grid; use a name that ends in .png"),
        (["--format", "idx", "--out", "x.png"], "does not fit --format idx; use the name of a folder"),
        (["--format", "npz", "--out", "x"], "use a name that ends in .npz"),
        (["--format", "idx", "--n", "1"], "--n is 1; it must be at least 2, since one image is held out"),
        (["--format", "pdf"], "--format is 'pdf'"),
        (["--truncation-psi", "3"], "--truncation-psi is 3; it must be from 0 to 2"),
        (["--truncation-psi", "nan"], "--truncation-psi is nan"),
        (["--first", "-1"], "--first is -1"),
    ],
)
def test_sample_reports_a_format_that_does_not_fit(place, capsys, words, sentence):
    assert main(["sample", *words]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--n", "1000000"], "--n is 1,000,000; it must be at most 10,000; use --format npz for more"),
        (["--n", "1000001", "--out", "x.npz"], "it must be at most 1,000,000; draw the rest with --first"),
    ],
)
def test_sample_bounds_the_number_of_images(capsys, words, sentence):
    assert main(["sample", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_sample_in_chunks_draws_the_same_images(place, monkeypatch):
    assert main(["sample", "--n", "23", "--first", "5", "--out", "whole.npz"]) == 0
    monkeypatch.setattr(sample, "CHUNK", 4)
    assert main(["sample", "--n", "23", "--first", "5", "--out", "parts.npz"]) == 0
    whole, parts = (np.load(place / name) for name in ("whole.npz", "parts.npz"))
    assert all(np.array_equal(whole[name], parts[name]) for name in ("images", "labels"))


@pytest.fixture
def points(runs):
    gan = tiny_gan(num_classes=0, shape=POINTS)
    gan.save("plane")
    return gan


def test_sample_of_points_writes_rows_an_array_and_a_picture(points, capsys):
    for name in ("p.csv", "p.npz", "p.png"):
        assert main(["sample", "--run", "plane", "--n", "5", "--out", name]) == 0
    assert "p.csv: 5 points drawn by plane" in capsys.readouterr().out
    expected = points.sample(5).flatten(1).numpy()
    assert np.allclose(np.loadtxt("p.csv", delimiter=",", skiprows=1), expected)
    assert np.array_equal(np.load("p.npz")["points"], expected)
    with Image.open("p.png") as picture:
        assert picture.mode == "RGB"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--run", "plane", "--out", "folder"], "this model draws points, which have no format folder"),
        (["--run", "runs/plain", "--out", "p.csv"], "this model draws images, which have no format csv"),
        (["--run", "plane", "--digits", "3"], "unconditional"),
    ],
)
def test_sample_refuses_a_format_of_another_kind(points, capsys, words, said):
    assert main(["sample", *words]) == 2
    assert said in capsys.readouterr().err

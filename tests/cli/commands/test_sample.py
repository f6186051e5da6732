import os

import numpy as np
import pytest
import torch
from PIL import Image

from mnist_gan.artifacts.gan import GAN
from mnist_gan.cli import main
from mnist_gan.cli.values import parse_digits
from mnist_gan.config import Config, DiscriminatorConfig, GeneratorConfig, TrainingConfig
from mnist_gan.errors import ConfigError
from mnist_gan.models import ImageShape, build_discriminator, build_generator
from mnist_gan.objectives import Calibration


def tiny_gan(*, num_classes: int = 10, channels: int = 1) -> GAN:
    config = Config(
        generator=GeneratorConfig(family="mlp", z_dim=4, channels=(8,), norm="none"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(8,)),
        training=TrainingConfig(conditional=num_classes > 0),
    )
    shape = ImageShape(channels=channels, resolution=28, num_classes=num_classes)
    return GAN(
        G=build_generator(config.generator, shape, seed=0).eval(),
        D=build_discriminator(config.discriminator, shape, seed=0).eval(),
        config=config,
        calibration=Calibration(scale=1.0, bias=0.0),
    )


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A folder to work in, with the runs `conditional` (the newest) and `plain` in runs/."""
    monkeypatch.chdir(tmp_path)
    for name, num_classes in (("plain", 0), ("conditional", 10)):
        run = tmp_path / "runs" / name
        tiny_gan(num_classes=num_classes).save(run / "model")
        (run / "config.toml").write_text("")
    os.utime(tmp_path / "runs" / "plain" / "config.toml", (1, 1))
    return tmp_path


def test_a_grid_has_a_column_for_each_digit(runs, capsys):
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


def test_an_npz_holds_images_and_labels(runs):
    assert main(["sample", "--digits", "210", "--n", "7", "--seed", "5", "--out", "some.npz"]) == 0
    content = np.load("some.npz", allow_pickle=False)
    assert content["images"].dtype == np.uint8
    assert content["images"].shape == (7, 28, 28)
    assert content["labels"].tolist() == [2, 1, 0, 2, 1, 0, 2]
    expected = GAN.load("runs/conditional").sample(7, digit=[2, 1, 0], seed=5)
    assert torch.equal(torch.from_numpy(content["images"]), expected[:, 0])


def test_any_other_name_is_a_folder_of_images(runs):
    assert main(["sample", "--digits", "4", "--n", "2", "--out", "drawn/fours"]) == 0
    assert sorted(path.name for path in (runs / "drawn" / "fours").iterdir()) == ["000000-4.png", "000001-4.png"]
    assert main(["sample", "--digits", "4", "--n", "2", "--out", "drawn/fours"]) == 2


def test_all_digits_and_eight_rows_are_the_default(runs, capsys):
    assert main(["sample"]) == 0
    assert capsys.readouterr().out.startswith("digits.png: 80 images")


@pytest.mark.parametrize("named", ["plain", "runs/plain", "runs/plain/model"])
def test_a_run_is_named_by_name_path_or_model(runs, capsys, named):
    assert main(["sample", "--run", named, "--n", "3", "--out", "x.npz"]) == 0
    assert "plain" in capsys.readouterr().out
    assert "labels" not in np.load("x.npz")


def test_the_newest_run_without_a_model_is_passed_over(runs, capsys):
    (runs / "runs" / "half").mkdir()
    (runs / "runs" / "half" / "config.toml").write_text("")
    assert main(["sample", "--n", "1", "--out", "x.npz"]) == 0
    assert "runs/conditional" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--run", "plain", "--digits", "7"], 2, "this model is unconditional"),
        (["--digits", "3x"], 2, "--digits is '3x'; write digits one after the other"),
        (["--digits", "3,10"], 2, "classes 0 to 9, not 10"),
        (["--n", "0"], 2, "--n is 0; ask for at least one image"),
        (["--n", "-1", "--out", "x.npz"], 2, "--n is -1"),
        (["--seed", "-1"], 2, "--seed is -1"),
        (["--out", "x.jpg"], 2, ".jpg is not written; take .png, .npz, or the name of a folder"),
        (["--run", "nowhere"], 4, "there is no run nowhere"),
        (["--runs-dir", "elsewhere"], 4, "elsewhere"),
        (["somewhere"], 2, "'somewhere' is one word too many"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(runs, capsys, words, code, sentence):
    assert main(["sample", *words]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_damaged_model_is_refused(runs, capsys):
    weights = runs / "runs" / "conditional" / "model" / "generator.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    assert main(["sample", "--run", "conditional"]) == 4
    assert f"{weights.relative_to(runs)} is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "digits"),
    [("0123", [0, 1, 2, 3]), ("7", [7]), ("12,345", [12, 345]), ("999,", None), ("", None), ("²", None)],
)
def test_digits_are_read_one_by_one_or_with_commas(text, digits):
    if digits is None:
        with pytest.raises(ConfigError):
            parse_digits(text)
    else:
        assert parse_digits(text) == digits

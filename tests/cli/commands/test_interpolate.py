import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.gans import tiny_gan

from mnist_gan.artifacts.gan import GAN
from mnist_gan.cli import main
from mnist_gan.errors import ConfigError


@pytest.fixture
def gan(place) -> GAN:
    return GAN.load("runs/tiny")


def test_the_stations_between_seeds_are_image_0_of_each(gan):
    path = gan.between_seeds([5, 6, 7], digit=3, steps=4)
    assert path.shape == (9, 1, 28, 28)
    for index, seed in ((0, 5), (4, 6), (8, 7)):
        torch.testing.assert_close(path[index], gan.sample(1, digit=3, seed=seed)[0], atol=1, rtol=0)
    assert len(gan.between_seeds([5, 6, 7], digit=3, steps=4, closed=True)) == 12


def test_the_stations_between_digits_are_the_digits_in_one_hand(gan):
    path = gan.between_digits([3, 8], seed=2, steps=6)
    assert path.shape == (7, 1, 28, 28)
    for index, digit in ((0, 3), (6, 8)):
        torch.testing.assert_close(path[index], gan.sample(1, digit=digit, seed=2)[0], atol=1, rtol=0)
    changes = path.diff(dim=0).abs().float().mean(dim=(1, 2, 3))
    assert bool((changes > 0).all())


@pytest.mark.parametrize(
    ("words", "said", "rows", "columns"),
    [
        ([], "from seed 0 to 1", 10, 9),
        (["--seeds", "4", "5", "6", "--digits", "7", "--steps", "3"], "from seed 4 to 5 to 6", 1, 7),
        (["--digits", "38"], "from digit 3 to 8", 5, 9),
        (["--digits", "381", "--seeds", "1", "2", "--steps", "2"], "from digit 3 to 8 to 1", 2, 5),
    ],
)
def test_interpolate_strip_has_a_row_per_path_and_a_column_per_step(place, capsys, words, said, rows, columns):
    assert main(["interpolate", *words, "--out", "way.png"]) == 0
    assert capsys.readouterr().out == f"way.png: {said}, drawn by runs/tiny\n"
    with Image.open("way.png") as picture:
        width, height = picture.size
    assert width // columns == pytest.approx(28 * round(width / columns / 28), abs=4)
    assert rows * 28 * 2 <= height <= rows * 29 * 4 + 40


@pytest.mark.parametrize("name", ["way.gif", "way.webp"])
def test_interpolate_animation_returns_to_its_start(place, name):
    assert main(["interpolate", "--digits", "01", "--seeds", "0", "--steps", "3", "--out", name]) == 0
    with Image.open(name) as animation:
        assert getattr(animation, "n_frames", 1) == 6
        frames = []
        for index in (1, 5):  # the same way out and back
            animation.seek(index)
            frames.append(np.asarray(animation.convert("L"), dtype=int))
    assert np.abs(frames[0] - frames[1]).mean() < 8


def test_an_unconditional_model_goes_between_seeds_only():
    gan = tiny_gan(num_classes=0)
    assert len(gan.between_seeds([0, 1], steps=2)) == 3
    with pytest.raises(ConfigError, match="unconditional"):
        gan.between_digits([0, 1])


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--digits", "3x"], 2, "--digits is '3x'"),
        (["--digits", "3,12"], 2, "classes 0 to 9, not 12"),
        (["--seeds", "4"], 2, "--seeds 4 is one image; give two or more seeds"),
        (["--seeds", "-1", "2"], 2, "--seeds is -1"),
        (["--steps", "0"], 2, "--steps is 0; it must be at least 1"),
        (["--out", "way.mp4"], 2, "must end in .png (a strip), .gif or .webp"),
        (["--run", "nowhere"], 4, "there is no run nowhere"),
        (["--runs-dir", "elsewhere"], 4, "there is no trained run in elsewhere"),
    ],
)
def test_interpolate_reports_a_mistake_in_one_sentence(place, capsys, words, code, sentence):
    assert main(["interpolate", *words]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""

import numpy as np
import pytest
from PIL import Image

from mnist_gan.cli import main


@pytest.mark.parametrize(
    ("words", "stations", "rows", "columns"),
    [
        ([], "from seed 0 to 1", 10, 9),
        (["--seeds", "4", "5", "6", "--digits", "7", "--steps", "3"], "from seed 4 to 5 to 6", 1, 7),
        (["--digits", "38"], "from class 3 to 8", 5, 9),
        (["--digits", "381", "--seeds", "1", "2", "--steps", "2"], "from class 3 to 8 to 1", 2, 5),
    ],
)
def test_interpolate_strip_has_a_row_per_path_and_a_column_per_step(place, capsys, words, stations, rows, columns):
    assert main(["interpolate", *words, "--out", "path.png"]) == 0
    assert capsys.readouterr().out == f"path.png: {stations}, drawn by runs/tiny\n"
    with Image.open("path.png") as picture:
        width, height = picture.size
    assert width // columns == pytest.approx(28 * round(width / columns / 28), abs=4)
    assert rows * 28 * 2 <= height <= rows * 29 * 4 + 40


@pytest.mark.parametrize("name", ["path.gif", "path.webp"])
def test_interpolate_animation_returns_to_its_start(place, name):
    assert main(["interpolate", "--digits", "01", "--seeds", "0", "--steps", "3", "--out", name]) == 0
    with Image.open(name) as animation:
        assert getattr(animation, "n_frames", 1) == 6
        frames = []
        for index in (1, 5):  # the same path, there and back
            animation.seek(index)
            frames.append(np.asarray(animation.convert("L"), dtype=int))
    assert np.abs(frames[0] - frames[1]).mean() < 8


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--digits", "3x"], 2, "there is no class '3x'"),
        (["--digits", "3,12"], 2, "there is no class '12'"),
        (["--seeds", "4"], 2, "--seeds 4 is one image; give two or more seeds"),
        (["--seeds", "-1", "2"], 2, "--seeds is -1"),
        (["--steps", "0"], 2, "--steps is 0; it must be from 1 to 1,000"),
        (["--out", "path.mp4"], 2, "must end in .png (a strip), .gif or .webp"),
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


def test_interpolate_bounds_the_steps(capsys):
    assert main(["interpolate", "--steps", "100000"]) == 2
    assert "--steps is 100000; it must be from 1 to 1,000" in capsys.readouterr().err

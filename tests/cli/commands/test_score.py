import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.gans import POINTS, tiny_gan

from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.pictures import save_images
from mnist_gan.cli import main
from mnist_gan.data.mnist import HELD_OUT_IMAGES


@pytest.fixture
def gan(place) -> GAN:
    return GAN.load("runs/tiny")


@pytest.fixture
def drawing(place) -> str:
    """A dark 7 on white paper, 300 x 200 pixels."""
    pixels = np.full((200, 300), 250, dtype=np.uint8)
    pixels[40:55, 100:180] = 20
    pixels[55:170, 150:165] = 20
    Image.fromarray(pixels).save("drawing.png")
    return "drawing.png"


def scored(capsys, *words: str) -> list[dict[str, Any]]:
    assert main(["score", "--json", *words]) == 0
    captured = capsys.readouterr()
    assert "scored by the discriminator of runs/tiny" in captured.err
    return list(json.loads(captured.out)["images"])


def test_score_takes_the_requested_digit_for_generated_images(gan, capsys):
    images = scored(capsys, "--generate", "12", "--seed", "3")
    expected = gan.probability_real(gan.sample(12, seed=3), labels=gan.labels(12))
    assert [one["label"] for one in images] == [*range(10), 0, 1]
    assert {one["label_source"] for one in images} == {"requested"}
    torch.testing.assert_close(torch.tensor([one["probability_real"] for one in images]), expected)
    assert [one["verdict"] for one in images] == ["REAL" if p >= 0.5 else "FAKE" for p in expected]


def test_score_takes_files_in_mnist_form_as_they_are_with_a_given_label(gan, idx_arrays, capsys):
    pixels = torch.from_numpy(idx_arrays[HELD_OUT_IMAGES][:2, None])
    save_images(Path("fours"), pixels)
    images = scored(capsys, "fours", "--label", "4")
    expected = gan.probability_real(pixels, labels=torch.tensor([4, 4]))
    torch.testing.assert_close(torch.tensor([one["probability_real"] for one in images]), expected)
    assert [one["image"] for one in images] == ["fours/000000.png", "fours/000001.png"]
    assert images[0]["steps"] == ["as it is"]
    assert images[0]["label_source"] == "given"


def test_score_converts_other_files_and_lists_the_steps(drawing, capsys):
    assert main(["score", drawing]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.startswith("image        verdict  P(real)")
    assert row.startswith("drawing.png  ")
    assert row.split()[1] in {"REAL", "FAKE"}
    assert "inverted" in row
    assert "resized" in row
    assert row.endswith("centred by mass")


def test_score_takes_the_highest_label_without_one_and_reports_that(gan, drawing, capsys):
    assert main(["score", drawing, "--json"]) == 0
    captured = capsys.readouterr()
    (image,) = json.loads(captured.out)["images"]
    assert "highest: the label with the highest score" in captured.err
    assert image["label_source"] == "highest"
    logits = [scored(capsys, drawing, "--label", str(label))[0]["logit"] for label in range(10)]
    assert image["label"] == int(np.argmax(logits))
    assert image["logit"] == pytest.approx(max(logits))
    calibration = gan.best_label_calibration
    assert calibration is not None
    assert image["probability_real"] == pytest.approx(float(calibration.probability(torch.tensor([max(logits)]))))


def test_score_label_read_needs_a_model_of_digits(drawing, capsys):
    assert main(["score", drawing, "--label", "read"]) == 2  # the run learned a made-up data set
    assert "--label read needs a model conditioned on MNIST's ten digits" in capsys.readouterr().err


def test_score_out_is_a_picture_with_verdicts(drawing, capsys):
    assert main(["score", drawing, "--generate", "3", "--out", "verdicts.png"]) == 0
    with Image.open("verdicts.png") as picture:
        assert picture.width >= 4 * 112
        assert picture.height > 112 + 20


@pytest.mark.parametrize("width", [40, 80])
def test_score_fits_the_terminal(drawing, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["score", drawing, "--generate", "2"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ([], 2, "there is nothing to score; name image files"),
        (["--generate", "0"], 2, "--generate is 0; it must be at least 1"),
        (["--generate", "x"], 2, "--generate is 'x'"),
        (["notes.txt"], 3, "notes.txt is damaged or not a supported image"),
        (["missing.png"], 3, "missing.png cannot be read"),
        (["folder"], 3, "the folder folder has no image files"),
        (["blank.png"], 3, "blank.png is blank"),
        (["--generate", "1", "--label", "10"], 2, "there is no class '10'"),
        (["--generate", "1", "--label", "seven"], 2, "there is no class 'seven'; the model draws 0, 1, 2"),
        (["--generate", "1", "--seed", "-1"], 2, "--seed is -1"),
        (["--generate", "1", "--out", "x.txt"], 2, "--out x.txt must end in .png"),
        (["--generate", "1", "--run", "nowhere"], 4, "there is no run nowhere"),
        (["--generate", "1", "--runs-dir", "folder"], 4, "there is no trained run in folder"),
    ],
)
def test_score_reports_a_mistake_in_one_sentence(place, capsys, words, code, sentence):
    (place / "notes.txt").write_text("no image")
    (place / "folder").mkdir()
    Image.new("L", (28, 28)).save("blank.png")
    assert main(["score", *words]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_score_goes_on_without_files_that_cannot_be_scored(gan, idx_arrays, capsys):
    save_images(Path("digits"), torch.from_numpy(idx_arrays[HELD_OUT_IMAGES][:2, None]))
    Image.new("L", (28, 28)).save("digits/000000a-blank.png")
    assert main(["score", "digits", "missing.png", "--json"]) == 3
    captured = capsys.readouterr()
    content = json.loads(captured.out)
    assert [one["image"] for one in content["images"]] == ["digits/000000.png", "digits/000001.png"]
    assert [one["image"] for one in content["skipped"]] == ["digits/000000a-blank.png", "missing.png"]
    assert "skipped: digits/000000a-blank.png is blank" in captured.err
    assert "skipped: missing.png cannot be read" in captured.err


def test_score_brings_files_to_the_form_of_the_training_images(gan, drawing, capsys):
    gan.facts["image_form"] = {"box_share": 1.0, "inverted": True}
    gan.save("runs/tiny/model")
    (image,) = scored(capsys, drawing)
    assert "inverted" not in image["steps"]
    assert "resized 80x130 to 17x28" in image["steps"]


def test_score_of_points_has_a_row_for_each_point_of_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    gan = tiny_gan(num_classes=0, shape=POINTS)
    gan.save("plane")
    Path("p.csv").write_text("x,y\n10,20\n11.5,19\n")
    assert main(["score", "p.csv", "--run", "plane", "--json", "--out", "p.png"]) == 0
    images = json.loads(capsys.readouterr().out)["images"]
    expected = gan.logits(torch.tensor([[10, 20], [11.5, 19]])[:, :, None, None])
    assert [one["image"] for one in images] == ["p.csv, point 1", "p.csv, point 2"]
    assert [one["logit"] for one in images] == pytest.approx(expected.tolist())
    assert Path("p.png").exists()
    Path("bad.csv").write_text("1;two\n")
    assert main(["score", "bad.csv", "--run", "plane"]) == 3
    assert "row 1 is '1 two'" in capsys.readouterr().err

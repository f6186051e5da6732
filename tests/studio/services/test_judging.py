"""Scores of drawings: the same as those of `mnist_gan.artifacts.scoring`."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tests.support.gans import tiny_gan

from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.scoring import score_images
from mnist_gan.config import DataConfig
from mnist_gan.errors import ConfigError
from mnist_gan.objectives import Calibration
from mnist_gan.studio.errors import ConflictError
from mnist_gan.studio.services.judging import recognize, score_drawing


def make_gan(*, num_classes: int) -> GAN:
    """An untrained model with two different calibrations."""
    gan = tiny_gan(num_classes=num_classes, calibration=Calibration(scale=1.0, bias=2.0), data=DataConfig(name="mnist"))
    best_label = Calibration(scale=0.5, bias=-1.0) if num_classes else None
    return dataclasses.replace(gan, best_label_calibration=best_label)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randint(256, (1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_score_drawing_agrees_with_scoring_for_a_model_of_three_classes(image: torch.Tensor):
    gan = make_gan(num_classes=3)
    score = score_drawing(gan, image, label=None, digit=7)
    (expected,) = score_images(gan, image[None])
    assert score == expected
    assert score.label_source == "highest"
    assert gan.best_label_calibration is not None
    assert score.probability_real == pytest.approx(torch.sigmoid(torch.tensor(0.5 * score.logit - 1.0)).item())
    assert score_drawing(gan, image, label=2, digit=7) == score_images(gan, image[None], labels=torch.tensor([2]))[0]


def test_score_drawing_takes_the_recognized_digit_for_ten_classes(image: torch.Tensor):
    gan = make_gan(num_classes=10)
    score = score_drawing(gan, image, label=None, digit=7)
    assert (score.label, score.label_source) == (7, "recognized")
    (expected,) = score_images(gan, image[None], labels=torch.tensor([7]), label_source="recognized")
    assert score == expected


def test_score_drawing_takes_no_label_for_an_unconditional_model(image: torch.Tensor):
    gan = make_gan(num_classes=0)
    assert score_drawing(gan, image, label=None, digit=7) == score_images(gan, image[None])[0]


@pytest.mark.parametrize(
    ("classes", "label", "error"), [(3, 3, ConfigError), (10, 10, ConfigError), (0, 0, ConflictError)]
)
def test_score_drawing_refuses_an_unknown_label(image: torch.Tensor, classes: int, label: int, error: type[Exception]):
    with pytest.raises(error):
        score_drawing(make_gan(num_classes=classes), image, label=label, digit=7)


def test_recognize_averages_channels(image: torch.Tensor):
    assert recognize(image.expand(3, -1, -1)) == recognize(image)

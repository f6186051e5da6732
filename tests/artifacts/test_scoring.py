"""Scores of images: which calibration and which label they use."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tests.support.gans import tiny_gan

from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.scoring import Score, recognize_digits, score_images
from mnist_gan.errors import ConfigError
from mnist_gan.objectives import Calibration

GIVEN_LABEL, HIGHEST_LABEL = Calibration(scale=1.0, bias=0.25), Calibration(scale=2.0, bias=-0.5)


def make_gan(*, num_classes: int) -> GAN:
    gan = tiny_gan(num_classes=num_classes, calibration=GIVEN_LABEL)
    return dataclasses.replace(gan, best_label_calibration=HIGHEST_LABEL if num_classes else None)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (6, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def test_score_images_with_labels_uses_the_calibration_of_given_labels(images: torch.Tensor) -> None:
    gan, labels = make_gan(num_classes=3), torch.tensor([0, 1, 2, 0, 1, 2])
    scores = score_images(gan, images, labels=labels)
    logits = gan.logits(images, labels=labels)
    assert [score.logit for score in scores] == logits.tolist()
    assert [score.probability_real for score in scores] == pytest.approx((logits + 0.25).sigmoid().tolist())
    assert [(score.label, score.label_source) for score in scores] == [(label, "given") for label in labels.tolist()]


def test_score_images_without_labels_uses_the_calibration_of_the_highest_logit(images: torch.Tensor) -> None:
    gan = make_gan(num_classes=3)
    scores = score_images(gan, images)
    logits = torch.stack([gan.logits(images, labels=torch.full((6,), label)) for label in range(3)])
    best = logits.max(dim=0)
    assert [score.label for score in scores] == best.indices.tolist()
    assert {score.label_source for score in scores} == {"highest"}
    assert [score.probability_real for score in scores] == pytest.approx((2 * best.values - 0.5).sigmoid().tolist())


def test_score_images_keeps_the_origin_of_the_labels(images: torch.Tensor) -> None:
    labels = torch.zeros(6, dtype=torch.int64)
    scores = score_images(make_gan(num_classes=3), images, labels=labels, label_source="requested")
    assert {score.label_source for score in scores} == {"requested"}


def test_score_images_of_an_unconditional_model_have_no_label(images: torch.Tensor) -> None:
    scores = score_images(make_gan(num_classes=0), images)
    assert {(score.label, score.label_source) for score in scores} == {(None, None)}


@pytest.mark.parametrize(("probability", "caption"), [(0.93, "REAL 93%"), (0.5, "REAL 50%"), (0.07, "FAKE 93%")])
def test_score_caption_states_the_confidence_of_its_verdict(probability: float, caption: str) -> None:
    verdict = "REAL" if probability >= 0.5 else "FAKE"
    score = Score(verdict=verdict, probability_real=probability, logit=0.0, label=None, label_source=None)  # type: ignore[arg-type]
    assert score.caption() == caption


@pytest.mark.parametrize("num_classes", [0, 3])
def test_recognize_digits_refuses_a_model_of_other_classes(num_classes: int, images: torch.Tensor) -> None:
    with pytest.raises(ConfigError, match="ten digits"):
        recognize_digits(make_gan(num_classes=num_classes), images)

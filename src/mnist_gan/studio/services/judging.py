"""Judgement of an image by both networks: recognized digit, score, and attribution of the score to pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import UInt8
from torch import Tensor

from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.scoring import Score, score_images
from mnist_gan.data import to_float
from mnist_gan.errors import ConfigError
from mnist_gan.evaluation import load_judge
from mnist_gan.sampling import Attribution, integrated_gradients
from mnist_gan.studio.errors import ConflictError

ATTRIBUTION_STEPS: Final = 128
"""Steps of integrated gradients, for an error of a few thousandths of a logit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recognition:
    """Output of the judge mnistnet for one image."""

    digit: int
    probabilities: list[float]
    """Probability of each digit."""


def to_gray(image: UInt8[Tensor, "c h w"]) -> UInt8[Tensor, "1 h w"]:
    """Average the channels of an image."""
    return image.float().mean(dim=0, keepdim=True).round().to(torch.uint8)


def recognize(image: UInt8[Tensor, "c h w"]) -> Recognition:
    """Recognize the digit of an image with mnistnet."""
    probabilities = load_judge().predict(to_gray(image)[None]).logits[0, 0].softmax(dim=0)
    return Recognition(digit=int(probabilities.argmax()), probabilities=probabilities.tolist())


def score_drawing(gan: GAN, image: UInt8[Tensor, "c h w"], *, label: int | None, digit: int) -> Score:
    """Score a drawing with `label`.

    Without `label`, a model of digits scores it with the recognized `digit`; a model of other classes with the label of
    the highest logit.

    Raises:
        ConfigError: the model does not have this label.
        ConflictError: it is unconditional.
    """
    classes = gan.shape.num_classes
    if label is not None and not classes:
        raise ConflictError("This model is unconditional; leave the label out.")
    if label is not None and label >= classes:
        raise ConfigError(f"This model has the labels 0 to {classes - 1}.")
    if label is None and not (gan.trained_on_digits and classes):
        return score_images(gan, image[None])[0]
    labels = torch.tensor([digit if label is None else label])
    return score_images(gan, image[None], labels=labels, label_source="recognized" if label is None else "given")[0]


def attribute(gan: GAN, image: UInt8[Tensor, "c h w"], *, label: int | None) -> Attribution:
    """Attribute the logit of an image to its pixels: integrated gradients from an empty image."""
    real_range = gan.config.data.real_range
    empty = to_float(torch.full_like(image, 255 if gan.form.inverted else 0), real_range=real_range)
    return integrated_gradients(
        gan.D, to_float(image, real_range=real_range), label=label, baseline=empty, steps=ATTRIBUTION_STEPS
    )

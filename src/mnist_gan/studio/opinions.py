"""What the two networks, and the training images, have to say of one image. To be used in a lane's thread."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from mnist_gan.artifacts.gan import GAN
from mnist_gan.data import to_float
from mnist_gan.evaluation import load_judge
from mnist_gan.evaluation.neighbours import k_nearest
from mnist_gan.sampling import integrated_gradients
from mnist_gan.studio.problems import Problem

LabelSource: TypeAlias = Literal["asked", "reading", "digit", "highest", "none"]

MAX_LABELS: Final = 100
"""Of a model that knows more, the probabilities by label are left out."""
NEAREST: Final = 8
STEPS: Final = 128
"""Pieces of the line that integrated gradients follow: an error of a few thousandths of a logit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The label that a discriminator judges an image together with, and who said so."""

    label: int | None
    source: LabelSource


def pixels(image: UInt8[Tensor, "c h w"]) -> dict[str, Any]:
    """An image as a page paints it: grey levels row by row; of several channels, their mean."""
    grey = image.float().mean(dim=0).round().to(torch.uint8)
    return {"side": grey.shape[-1], "pixels": base64.b64encode(grey.numpy().tobytes()).decode()}


def read(image: UInt8[Tensor, "c h w"]) -> dict[str, Any]:
    """What mnistnet reads; of several channels, in their mean."""
    grey = image.float().mean(dim=0, keepdim=True).round().to(torch.uint8)
    chances = load_judge().predict(grey[None]).logits[0, 0].softmax(dim=0)
    return {"digit": int(chances.argmax()), "probabilities": [float(chance) for chance in chances], "by": "mnistnet"}


def label_for(gan: GAN, image: UInt8[Tensor, "c h w"], *, asked: int | None, read_digit: int) -> Asked:
    """The label to judge a drawing with: the one asked for, else what was read.

    A model of other things than ten digits is asked which of its labels it likes best.

    Raises:
        Problem: the model does not know the label that was asked for.
    """
    classes = gan.shape.num_classes
    if asked is not None and not asked < classes:
        known = f"knows the labels 0 to {classes - 1}" if classes else "is unconditional: give it no label"
        raise Problem(400 if classes else 409, f"this model {known}")
    if not classes:
        return Asked(label=None, source="none")
    if asked is not None:
        return Asked(label=asked, source="asked")
    if classes == 10:
        return Asked(label=read_digit, source="reading")
    return Asked(label=int(gan.best_labels(image[None])[0]), source="highest")


def opinion(gan: GAN, image: UInt8[Tensor, "c h w"], asked: Asked) -> dict[str, Any]:
    """What the discriminator says, as a logit and as a probability."""
    labels = None if asked.label is None else torch.tensor([asked.label])
    logit = gan.logits(image[None], labels=labels)
    chance = float(gan.calibration.probability(logit))
    return {
        "label": asked.label,
        "label_from": asked.source,
        "logit": float(logit),
        "probability_real": chance,
        "by_label": _by_label(gan, image),
        "words": _words(asked, chance),
    }


def _by_label(gan: GAN, image: UInt8[Tensor, "c h w"]) -> list[float] | None:
    """The probability with each label."""
    classes = gan.shape.num_classes
    if not 0 < classes <= MAX_LABELS:
        return None
    labels = torch.arange(classes)
    return [float(p) for p in gan.probability_real(image.expand(classes, -1, -1, -1), labels=labels)]


def _words(asked: Asked, chance: float) -> str:
    taken = {
        "asked": f", taken for a {asked.label},",
        "reading": f", read as a {asked.label},",
        "digit": f", asked for as a {asked.label},",
        "highest": f", with the label it likes best, {asked.label},",
        "none": "",
    }[asked.source]
    return f"The discriminator gives this image{taken} a probability of {percent(chance)} of being a real one."


def percent(chance: float) -> str:
    """A probability for people; never 0 % or 100 %, which no network can know."""
    if chance < 0.01:
        return "less than 1 %"
    return "more than 99 %" if chance > 0.99 else f"{100 * chance:.0f} %"


def attribution(gan: GAN, image: UInt8[Tensor, "c h w"], asked: Asked) -> dict[str, Any]:
    """Which pixels made the discriminator think so: integrated gradients against a black image."""
    given = to_float(image, real_range=gan.config.data.real_range)
    black = to_float(torch.zeros_like(image), real_range=gan.config.data.real_range)
    found = integrated_gradients(gan.D, given, label=asked.label, baseline=black, steps=STEPS)
    values = found.contributions.sum(dim=0)  # over the channels
    return {
        "method": "integrated gradients",
        "baseline": "a black image",
        "values": [float(value) for value in values.flatten()],
        "max_abs": float(values.abs().max()),
        "logit": found.logit,
        "baseline_logit": found.baseline_logit,
        "completeness_error": found.remainder,
        "words": (
            f"The pixels' shares add up to {found.logit - found.baseline_logit:+.2f}: from {found.baseline_logit:.2f}, "
            f"which the discriminator gives a black image, to {found.logit:.2f}, which it gives this one. "
            "Above 0 they speak for a real image, below 0 for a generated one."
        ),
    }


def nearest(
    image: UInt8[Tensor, "c h w"], images: UInt8[Tensor, "n c h w"], labels: Int64[Tensor, "n"]
) -> dict[str, Any]:
    """The training images that differ least, pixel by pixel."""
    distances, indices = k_nearest(image.flatten(), images.flatten(1), k=NEAREST)
    share = 255 * image.numel() ** 0.5  # what all pixels turned from black to white would be
    return {
        "images": [
            {"index": int(i), "digit": int(labels[i]), "distance": float(distance) / share, **pixels(images[i])}
            for distance, i in zip(distances, indices.tolist(), strict=True)
        ],
        "words": f"Of {len(images):,} training images, those that differ least; the distance is the root of the mean "
        "squared difference of the pixels, from 0 (the same) to 1 (black against white).",
    }

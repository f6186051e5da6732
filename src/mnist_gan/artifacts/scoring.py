"""Scores of images by a model's discriminator: logit, calibrated probability, and the label used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from jaxtyping import Int64, UInt8
from torch import Tensor

from mnist_gan.errors import ConfigError
from mnist_gan.evaluation import load_judge
from mnist_gan.scaling import AtRest
from mnist_gan.torch_defaults import default_torch_state

if TYPE_CHECKING:
    from mnist_gan.artifacts.gan import GAN

LabelSource: TypeAlias = Literal["given", "requested", "recognized", "highest"]
"""Origin of the label that an image is scored with. given: by the caller; requested: from the generator that drew the
image; recognized: by a judge, `recognize_digits`; highest: the label with the highest logit, which does not recognize
the digit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """The discriminator's output for one image."""

    verdict: Literal["REAL", "FAKE"]
    """REAL from a probability of 0.5 on."""
    probability_real: float
    """Calibrated probability in [0, 1] that the image is real, with equal priors for real and generated images."""
    logit: float
    """Logit on the scale of the objective."""
    label: int | None
    """Label that the image was scored with; None for an unconditional discriminator."""
    label_source: LabelSource | None
    """Origin of that label."""
    label_name: str | None = None
    """Name of the label's class."""

    def caption(self) -> str:
        """The verdict and its probability, such as `FAKE 93%`."""
        confidence = self.probability_real if self.verdict == "REAL" else 1 - self.probability_real
        return f"{self.verdict} {confidence:.0%}"


@default_torch_state()
def score_images(
    gan: GAN,
    images: AtRest,
    *,
    labels: Int64[Tensor, "n"] | None = None,
    label_source: LabelSource = "given",
) -> list[Score]:
    """Score each image. A conditional discriminator without `labels` takes the label with the highest logit."""
    if gan.conditional and labels is None:
        labels, logits = gan.best_labels(images)
        label_source, calibration = "highest", gan.best_label_calibration or gan.calibration
    else:
        logits, calibration = gan.logits(images, labels=labels), gan.calibration
    probabilities = calibration.probability(logits).tolist()
    classes = labels.tolist() if gan.conditional and labels is not None else [None] * len(images)
    return [
        Score(
            verdict="REAL" if probability >= 0.5 else "FAKE",
            probability_real=probability,
            logit=logit,
            label=label,
            label_name=None if label is None else gan.class_names[label],
            label_source=None if label is None else label_source,
        )
        for probability, logit, label in zip(probabilities, logits.tolist(), classes, strict=True)
    ]


@default_torch_state()
def recognize_digits(gan: GAN, images: UInt8[Tensor, "n c h w"]) -> Int64[Tensor, "n"]:
    """The digit that the judge mnistnet recognizes in each image.

    Raises:
        ConfigError: the model's classes are not MNIST's digits.
    """
    if not (gan.trained_on_digits and gan.conditional):
        raise ConfigError(
            "--label read needs a model conditioned on MNIST's ten digits, and this one is not; leave out --label read"
        )
    return load_judge().predict(images).classes.long()

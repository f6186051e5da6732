"""The discriminator's verdict on images, in words: REAL or FAKE, how sure it is, and with which label it judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from jaxtyping import Int64, UInt8
from torch import Tensor

from mnist_gan.errors import ConfigError
from mnist_gan.evaluation import load_judge

if TYPE_CHECKING:
    from mnist_gan.artifacts.gan import GAN

LabelSource: TypeAlias = Literal["given", "asked for", "liked best", "read"]
"""given: by whoever asks; asked for: of the generator; liked best: it makes the image look most real to the
discriminator, which is no reading of the digit; read: by the network that judges generators."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a discriminator says of one image."""

    verdict: Literal["REAL", "FAKE"]
    probability_real: float
    """Calibrated, in [0, 1]: how likely the image is real, were half of all images real."""
    logit: float
    """The same on the objective's own scale."""
    label: int | None
    """The label that the image was judged together with; None for an unconditional discriminator."""
    label_source: LabelSource | None
    """Where that label is from."""

    def caption(self) -> str:
        """A line to stand under the image."""
        sure = self.probability_real if self.verdict == "REAL" else 1 - self.probability_real
        return f"{self.verdict} {sure:.0%}"


def judge(
    gan: GAN,
    images: UInt8[Tensor, "n c h w"],
    *,
    labels: Int64[Tensor, "n"] | None = None,
    label_source: LabelSource = "given",
) -> list[Verdict]:
    """One verdict for each image; without labels, a conditional discriminator takes the label that it likes best."""
    liked = gan.conditional and labels is None
    if liked:
        labels, logits = gan.best_labels(images)
        calibration = gan.best_label_calibration or gan.calibration
    else:
        logits, calibration = gan.logits(images, labels=labels), gan.calibration
    probabilities = calibration.probability(logits).tolist()
    names = [None] * len(images) if labels is None else labels.tolist()
    return [
        Verdict(
            verdict="REAL" if probability >= 0.5 else "FAKE",
            probability_real=probability,
            logit=logit,
            label=label,
            label_source=None if label is None else "liked best" if liked else label_source,
        )
        for probability, logit, label in zip(probabilities, logits.tolist(), names, strict=True)
    ]


def read_digits(gan: GAN, images: UInt8[Tensor, "n c h w"]) -> Int64[Tensor, "n"]:
    """The digit that the network which judges generators reads in each image.

    Raises:
        ConfigError: the model knows other classes than MNIST's digits, or none.
    """
    if gan.config.data.name not in {"mnist", "digits"} or gan.shape.num_classes != 10:
        raise ConfigError(
            "only digits can be read, and this model has learned no labels of digits; leave out --label read"
        )
    return load_judge().look(images).classes.long()

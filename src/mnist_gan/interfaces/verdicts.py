"""The discriminator's verdict on images, in words: REAL or FAKE, how sure it is, and with which label it judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxtyping import Int64, UInt8
from torch import Tensor

if TYPE_CHECKING:
    from mnist_gan.artifacts.gan import GAN


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
    label_chosen: bool
    """Whether the discriminator chose that label itself: the one that makes the image look most real to it."""

    def caption(self) -> str:
        """A line to stand under the image."""
        sure = self.probability_real if self.verdict == "REAL" else 1 - self.probability_real
        return f"{self.verdict} {sure:.0%}"


def judge(gan: GAN, images: UInt8[Tensor, "n c h w"], *, labels: Int64[Tensor, "n"] | None = None) -> list[Verdict]:
    """One verdict for each image; without labels, a conditional discriminator takes the label that it likes best.

    Raises:
        ConfigError: labels for an unconditional discriminator.
    """
    chosen = gan.conditional and labels is None
    if chosen:
        labels = gan.favourite_labels(images)
    logits = gan.logits(images, labels=labels)
    probabilities = gan.calibration.probability(logits).tolist()
    names = [None] * len(images) if labels is None else labels.tolist()
    return [
        Verdict(
            verdict="REAL" if probability >= 0.5 else "FAKE",
            probability_real=probability,
            logit=logit,
            label=label,
            label_chosen=chosen,
        )
        for probability, logit, label in zip(probabilities, logits.tolist(), names, strict=True)
    ]

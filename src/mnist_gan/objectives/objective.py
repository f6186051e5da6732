"""From a config to what both networks minimize, and how the discriminator's logits are read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from torch import Tensor

from mnist_gan.config import ObjectiveConfig
from mnist_gan.objectives import adversarial
from mnist_gan.objectives.opinion import Opinion

Logits = Float[Tensor, "n"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """A pair of losses, each with one value per sample, and how to read the logits."""

    discriminator_loss: Callable[[Logits, Logits], Logits]
    """discriminator_loss(real_logits, fake_logits): what the discriminator minimizes, for each pair of images."""
    generator_loss: Callable[[Logits, Logits | None], Logits]
    """generator_loss(fake_logits, real_logits): what the generator minimizes, for each generated image. Where
    `generator_needs_real` is False the real logits are not looked at and may be None."""
    generator_needs_real: bool = False
    """Whether the generator's loss compares generated with real images."""
    opinion: Opinion
    """What a logit means."""


def build_objective(config: ObjectiveConfig) -> Objective:
    """The objective that `config` names."""
    smoothing = config.label_smoothing
    match config.loss:
        case "minimax":
            return Objective(
                discriminator_loss=partial(adversarial.cross_entropy_discriminator_loss, label_smoothing=smoothing),
                generator_loss=_of_fake(adversarial.minimax_generator_loss),
                opinion=Opinion(decision_boundary=_even_log_odds(smoothing)),
            )
        case "non_saturating":
            return Objective(
                discriminator_loss=partial(adversarial.cross_entropy_discriminator_loss, label_smoothing=smoothing),
                generator_loss=_of_fake(adversarial.non_saturating_generator_loss),
                opinion=Opinion(decision_boundary=_even_log_odds(smoothing)),
            )
        case "least_squares":
            return Objective(
                discriminator_loss=partial(adversarial.least_squares_discriminator_loss, label_smoothing=smoothing),
                generator_loss=_of_fake(adversarial.least_squares_generator_loss),
                opinion=Opinion(decision_boundary=0.5 * (1.0 - smoothing)),
            )
        case "hinge":
            return Objective(
                discriminator_loss=adversarial.hinge_discriminator_loss,
                generator_loss=_of_fake(adversarial.hinge_generator_loss),
                opinion=Opinion(decision_boundary=0.0),
            )
        case "wasserstein":
            return Objective(
                discriminator_loss=adversarial.wasserstein_discriminator_loss,
                generator_loss=_of_fake(adversarial.wasserstein_generator_loss),
                opinion=Opinion(decision_boundary=None),
            )
        case "relativistic":
            return Objective(
                discriminator_loss=adversarial.relativistic_discriminator_loss,
                generator_loss=_relativistic_generator_loss,
                generator_needs_real=True,
                opinion=Opinion(decision_boundary=None),
            )


def _of_fake(loss: Callable[[Logits], Logits]) -> Callable[[Logits, Logits | None], Logits]:
    """A loss of generated images alone, in the form that every generator's loss has here."""

    def generator_loss(fake_logits: Logits, real_logits: Logits | None = None) -> Logits:
        return loss(fake_logits)

    return generator_loss


def _relativistic_generator_loss(fake_logits: Logits, real_logits: Logits | None = None) -> Logits:
    if real_logits is None:
        raise ValueError("the relativistic loss compares generated with real images: give the logits of both")
    return adversarial.relativistic_generator_loss(fake_logits, real_logits)


def _even_log_odds(label_smoothing: float) -> float:
    """The best discriminator's logit where real and generated images are equally dense.

    It answers t p / (p + q) for densities p and q and a target t for real images, hence t/2 where they are equal: with
    t = 1 a logit of 0, and less under label smoothing.
    """
    half = 0.5 * (1.0 - label_smoothing)
    return math.log(half / (1.0 - half))

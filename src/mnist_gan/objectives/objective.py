"""Objectives: a pair of losses and the decision rule that belongs to them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from torch import Tensor

from mnist_gan.config import ObjectiveConfig
from mnist_gan.objectives import adversarial
from mnist_gan.objectives.decision import DecisionRule

Logits = Float[Tensor, "n"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """Losses of both networks, one value per sample, and the decision rule for the logits."""

    discriminator_loss: Callable[[Logits, Logits], Logits]
    """discriminator_loss(real_logits, fake_logits): loss of the discriminator for each pair of images."""
    generator_loss: Callable[[Logits, Logits | None], Logits]
    """generator_loss(fake_logits, real_logits): loss of the generator for each generated image. The real logits may be
    None unless `generator_needs_real`."""
    generator_needs_real: bool = False
    """True for relativistic losses, which compare generated with real images."""
    decision_rule: DecisionRule
    """Classifies images by the logits of this objective."""


def build_objective(config: ObjectiveConfig) -> Objective:
    """Build the losses and the decision rule that `config` selects."""
    smoothing = config.label_smoothing
    match config.loss:
        case "minimax":
            return Objective(
                discriminator_loss=partial(adversarial.cross_entropy_discriminator_loss, label_smoothing=smoothing),
                generator_loss=_ignoring_real(adversarial.minimax_generator_loss),
                decision_rule=DecisionRule(boundary=_even_log_odds(smoothing)),
            )
        case "non_saturating":
            return Objective(
                discriminator_loss=partial(adversarial.cross_entropy_discriminator_loss, label_smoothing=smoothing),
                generator_loss=_ignoring_real(adversarial.non_saturating_generator_loss),
                decision_rule=DecisionRule(boundary=_even_log_odds(smoothing)),
            )
        case "least_squares":
            return Objective(
                discriminator_loss=partial(adversarial.least_squares_discriminator_loss, label_smoothing=smoothing),
                generator_loss=_ignoring_real(adversarial.least_squares_generator_loss),
                decision_rule=DecisionRule(boundary=0.5 * (1.0 - smoothing)),
            )
        case "hinge":
            return Objective(
                discriminator_loss=adversarial.hinge_discriminator_loss,
                generator_loss=_ignoring_real(adversarial.hinge_generator_loss),
                decision_rule=DecisionRule(boundary=0.0),
            )
        case "wasserstein":
            return Objective(
                discriminator_loss=adversarial.wasserstein_discriminator_loss,
                generator_loss=_ignoring_real(adversarial.wasserstein_generator_loss),
                decision_rule=DecisionRule(boundary=None),
            )
        case "relativistic":
            return Objective(
                discriminator_loss=adversarial.relativistic_discriminator_loss,
                generator_loss=_relativistic_generator_loss,
                generator_needs_real=True,
                decision_rule=DecisionRule(boundary=None),
            )


def _ignoring_real(loss: Callable[[Logits], Logits]) -> Callable[[Logits, Logits | None], Logits]:
    """Give a loss of generated images alone the signature of `Objective.generator_loss`."""

    def generator_loss(fake_logits: Logits, real_logits: Logits | None = None) -> Logits:
        return loss(fake_logits)

    return generator_loss


def _relativistic_generator_loss(fake_logits: Logits, real_logits: Logits | None = None) -> Logits:
    if real_logits is None:
        raise ValueError("the relativistic loss compares generated with real images; pass the logits of both")
    return adversarial.relativistic_generator_loss(fake_logits, real_logits)


def _even_log_odds(label_smoothing: float) -> float:
    """Logit of the optimal discriminator where the densities p of real and q of generated images are equal.

    Its probability is t p / (p + q) for a target t = 1 - label_smoothing, which is t/2 where p = q.
    """
    half = 0.5 * (1.0 - label_smoothing)
    return math.log(half / (1.0 - half))

"""Objectives: a pair of losses and the decision rule that belongs to them."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from jaxtyping import Float
from torch import Tensor, nn

from mnist_gan.config import ObjectiveConfig
from mnist_gan.errors import PluginError
from mnist_gan.objectives import adversarial
from mnist_gan.objectives.decision import DecisionRule
from mnist_gan.objectives.regularizers import Regularizer
from mnist_gan.registry import look_up, place_of

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
    decision_rule: DecisionRule = DecisionRule(boundary=None)  # noqa: RUF009 - it is frozen
    """Classifies images by the logits of this objective."""
    regularizer: Regularizer | None = None
    """Penalty of the discriminator besides R1, R2 and the gradient penalty, one value per sample."""


Losses: TypeAlias = Mapping[str, Callable[[ObjectiveConfig], Objective]]
"""Losses of plug-ins by full name; each makes an `Objective`."""
Regularizers: TypeAlias = Mapping[str, Regularizer]
"""Regularizers of plug-ins by full name."""
NONE: Final[Mapping[str, Any]] = MappingProxyType({})


def build_objective(config: ObjectiveConfig, *, losses: Losses = NONE, regularizers: Regularizers = NONE) -> Objective:
    """Build the losses, the decision rule and the regularizer that `config` selects.

    Args:
        config: names and numbers.
        losses: losses of plug-ins by full name.
        regularizers: regularizers of plug-ins by full name.

    Raises:
        PluginError: the config names a part that is not among them.
    """
    objective = _build_losses(config, losses)
    if config.regularizer is None:
        return objective
    regularizer = look_up(regularizers, config.regularizer, field="objective.regularizer")
    return dataclasses.replace(
        objective, regularizer=_weighted(regularizer, config.regularizer, weight=config.regularizer_weight)
    )


def _build_losses(config: ObjectiveConfig, losses: Losses) -> Objective:
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
        case name:
            return _checked(look_up(losses, name, field="objective.loss")(config), name)


def _checked(objective: Objective, name: str) -> Objective:
    """Check that the losses of a plug-in return one value per sample."""
    if not isinstance(objective, Objective):
        raise PluginError(f"the loss {name} made {type(objective).__name__}; it must return an Objective")

    @functools.wraps(objective.discriminator_loss)
    def discriminator_loss(real_logits: Logits, fake_logits: Logits) -> Logits:
        loss = objective.discriminator_loss(real_logits, fake_logits)
        return _per_sample(loss, fake_logits, name, objective.discriminator_loss)

    @functools.wraps(objective.generator_loss)
    def generator_loss(fake_logits: Logits, real_logits: Logits | None = None) -> Logits:
        loss = objective.generator_loss(fake_logits, real_logits)
        return _per_sample(loss, fake_logits, name, objective.generator_loss)

    return dataclasses.replace(objective, discriminator_loss=discriminator_loss, generator_loss=generator_loss)


def _weighted(regularizer: Regularizer, name: str, *, weight: float) -> Regularizer:
    """Multiply a regularizer of a plug-in by its weight, and check that it returns one value per sample."""

    @functools.wraps(regularizer)
    def weighted(D: nn.Module, real_images: Tensor, fake_images: Tensor, labels: Any, *, mix: Tensor) -> Tensor:
        penalty = regularizer(D, real_images, fake_images, labels, mix=mix)
        return weight * _per_sample(penalty, mix, name, regularizer)

    return weighted


def _per_sample(values: Any, like: Tensor, name: str, function: Callable[..., Any]) -> Tensor:
    if isinstance(values, Tensor) and values.shape == like.shape:
        return values
    found = f"the shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"the type {type(values).__name__}"
    raise PluginError(
        f"{place_of(function)}: {name} returned {found} for a batch of {len(like)}; it must return one value per "
        f"sample, a tensor of the shape ({len(like)},)"
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

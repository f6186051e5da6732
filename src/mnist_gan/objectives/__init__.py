"""Objectives: adversarial losses, gradient penalties, decision rules and the calibration of logits."""

from mnist_gan.objectives.adversarial import (
    cross_entropy_discriminator_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    wasserstein_discriminator_loss,
    wasserstein_generator_loss,
)
from mnist_gan.objectives.calibration import Calibration, fit_calibration
from mnist_gan.objectives.decision import DecisionRule, chance_real_above_fake
from mnist_gan.objectives.objective import Objective, build_objective
from mnist_gan.objectives.optimum import least_discriminator_loss, optimal_logit
from mnist_gan.objectives.regularizers import (
    Regularizer,
    clip_weights_,
    gradient_penalty,
    input_gradient,
    r1_penalty,
    r2_penalty,
    squared_gradient_norm,
)

__all__ = [
    "Calibration",
    "DecisionRule",
    "Objective",
    "Regularizer",
    "build_objective",
    "chance_real_above_fake",
    "clip_weights_",
    "cross_entropy_discriminator_loss",
    "fit_calibration",
    "gradient_penalty",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "input_gradient",
    "least_discriminator_loss",
    "least_squares_discriminator_loss",
    "least_squares_generator_loss",
    "minimax_generator_loss",
    "non_saturating_generator_loss",
    "optimal_logit",
    "r1_penalty",
    "r2_penalty",
    "relativistic_discriminator_loss",
    "relativistic_generator_loss",
    "squared_gradient_norm",
    "wasserstein_discriminator_loss",
    "wasserstein_generator_loss",
]

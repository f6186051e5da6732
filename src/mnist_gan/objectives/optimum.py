"""The best possible discriminator of each loss, where the densities p of real and q of generated images are known.

Penalties are not part of it: they hold a discriminator back from this answer on purpose.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mnist_gan.config import ObjectiveConfig

Ratios = Float[Tensor, "*shape"]


def optimal_logit(config: ObjectiveConfig, log_ratio: Ratios) -> Ratios | None:
    """Logit that minimizes the discriminator's loss at places with this log p/q; None where the loss has no minimum.

    Relativistic losses fix the logit up to a constant, which is 0 here. The Wasserstein loss falls without end unless a
    penalty bounds the slope. A loss of a plug-in has no known optimum.
    """
    target = 1.0 - config.label_smoothing
    match config.loss:
        case "minimax" | "non_saturating":
            return cross_entropy_optimal_logit(log_ratio, target=target)
        case "least_squares":
            return target * torch.sigmoid(log_ratio)
        case "hinge":
            return log_ratio.sign()
        case "relativistic":
            return log_ratio
    return None


def cross_entropy_optimal_logit(log_ratio: Ratios, *, target: float = 1.0) -> Ratios:
    """log(t p / ((1 - t) p + q)), which is log p/q for a target t of 1: Goodfellow et al. 2014, proposition 1."""
    if target == 1.0:
        return log_ratio
    # t p / ((1 - t) p + q), divided by p on both sides: no infinite number meets another
    return math.log(target) - torch.logaddexp(torch.full_like(log_ratio, math.log(1.0 - target)), -log_ratio)


def least_discriminator_loss(jensen_shannon: float) -> float:
    """2 (log 2 - JS), the discriminator's least possible loss in the minimax game: Goodfellow et al. 2014, eq. 6."""
    return 2.0 * max(0.0, math.log(2.0) - jensen_shannon)  # rounding may pass its limit

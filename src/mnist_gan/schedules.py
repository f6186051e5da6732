"""Schedules in images seen, so that the batch size never changes one."""

from __future__ import annotations

import math

from mnist_gan.config import Decay, OptimizerConfig


def cosine_decay(progress: float) -> float:
    """Half a cosine from 1 at `progress` 0 to 0 at 1: Loshchilov & Hutter 2017, equation 5, without restarts."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def decay_factor(decay: Decay, progress: float) -> float:
    """Factor from 1 at `progress` 0 to 0 at 1; always 1 if constant."""
    match decay:
        case "constant":
            return 1.0
        case "linear":
            return 1.0 - progress
        case "cosine":
            return cosine_decay(progress)


def learning_rate_factor(config: OptimizerConfig, *, cur_nimg: int, total_nimg: int) -> float:
    """Factor in [0, 1] for both learning rates after `cur_nimg` of `total_nimg` images.

    Rises linearly over the first `config.warmup_nimg` images, then stays at 1. The decay begins at `config.decay_start`
    (a share of the training) and reaches 0 at `total_nimg`.
    """
    warmup = min(1.0, (cur_nimg + 1) / config.warmup_nimg) if config.warmup_nimg else 1.0
    start = config.decay_start * total_nimg
    progress = min(1.0, max(0.0, (cur_nimg - start) / max(1.0, total_nimg - start)))
    return warmup * decay_factor(config.decay, progress)


def weight_factor(decay: Decay, *, cur_nimg: int, total_nimg: int) -> float:
    """Factor in [0, 1] for the weight of a term of the losses after `cur_nimg` of `total_nimg` images.

    It is 0 at the end of a decay: a penalty keeps D from the optimum that it would need at the end, and a classifier
    prefers digits that are easy to read. R3GAN also lets R1 fall (Huang et al. 2024).
    """
    return decay_factor(decay, min(1.0, cur_nimg / max(1, total_nimg)))


def ema_beta(*, batch_nimg: int, cur_nimg: int, halflife_nimg: float, rampup: float) -> float:
    """Weight of the old average after `batch_nimg` more images: 0.5 ** (batch_nimg / half-life).

    The half-life is `halflife_nimg`, or `rampup * cur_nimg` where that is smaller, so that the average forgets the
    first weights quickly (Karras et al. 2020, StyleGAN2-ADA). Returns 0, which turns averaging off, for a half-life
    of 0.
    """
    halflife = min(halflife_nimg, rampup * cur_nimg)
    return 0.5 ** (batch_nimg / halflife) if halflife > 0 else 0.0

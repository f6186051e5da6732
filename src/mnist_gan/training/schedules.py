"""Schedules in images seen, so that a batch size never changes one."""

from __future__ import annotations

import math

from mnist_gan.config import OptimizerConfig


def learning_rate_factor(config: OptimizerConfig, *, cur_nimg: int, total_nimg: int) -> float:
    """What both learning rates are multiplied by after `cur_nimg` of `total_nimg` images, from 0 to 1.

    A linear warm-up over `config.warmup_nimg` images, then 1, then from `config.decay_start` of the whole on a decay
    that reaches 0 at `total_nimg`: linear, or half a cosine (Loshchilov & Hutter 2017, equation 5, without restarts).
    """
    warmup = min(1.0, (cur_nimg + 1) / config.warmup_nimg) if config.warmup_nimg else 1.0
    start = config.decay_start * total_nimg
    done = min(1.0, max(0.0, (cur_nimg - start) / max(1.0, total_nimg - start)))
    match config.decay:
        case "constant":
            return warmup
        case "linear":
            return warmup * (1.0 - done)
        case "cosine":
            return warmup * 0.5 * (1.0 + math.cos(math.pi * done))


def ema_beta(*, batch_nimg: int, cur_nimg: int, halflife_nimg: float, rampup: float) -> float:
    """The weight of the old average when `batch_nimg` more images were seen: 0.5 ** (images / half-life).

    The half-life is `halflife_nimg` images, or `rampup * cur_nimg` while that is less, so that the first, poor weights
    are forgotten as fast as they were left (Karras et al. 2020, StyleGAN2-ADA). 0 means no averaging.
    """
    halflife = min(halflife_nimg, rampup * cur_nimg)
    return 0.5 ** (batch_nimg / halflife) if halflife > 0 else 0.0

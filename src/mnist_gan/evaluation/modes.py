"""Modes of stacked MNIST: the 1,000 numbers that the digits of three channels form.

The protocol of the literature: 26,000 samples, each channel read by a digit classifier. A mode counts if one sample
shows it, and the divergence of the modes' shares is taken from the uniform distribution.

Source: Metz et al. 2017, section 3.3.1; Srivastava et al. 2017 (VEEGAN), for 26,000 samples; Lin et al. 2018 (PacGAN),
for 128,000 training images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnist_gan.evaluation.digits import kl_divergence
from mnist_gan.evaluation.statistics import Estimate, estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class ModeFigures:
    """Modes covered by a set of images, and the divergence of their shares."""

    modes: int
    """Modes with at least one image."""
    kl_uniform: Estimate
    """KL divergence from equal shares, in nats; `expected_uniform_kl` for a perfect uniform sampler."""
    kl_product: Estimate
    """KL divergence from the products of MNIST's digit frequencies, in nats: the shares of real triples."""


def mode_figures(classes: Int[Tensor, "n"], digit_shares: Float[Tensor, "digits"]) -> ModeFigures:
    """Compare the modes read in images with equal shares and with those of independent digits.

    Args:
        classes: mode of each image, from 0 to 999.
        digit_shares: share of each digit among MNIST's training labels.
    """
    product = torch.einsum("a,b,c->abc", digit_shares, digit_shares, digit_shares).flatten()
    counts = torch.bincount(classes, minlength=len(product))
    return ModeFigures(
        modes=int((counts > 0).sum()),
        kl_uniform=_divergence(counts, torch.ones_like(product)),
        kl_product=_divergence(counts, product),
    )


def expected_uniform_kl(*, modes: int, n: int) -> float:
    """KL divergence that n samples of a perfect uniform sampler have on average: (modes - 1) / (2 n).

    Source: Wilks 1938: 2 n KL is asymptotically chi-squared with modes - 1 degrees of freedom.
    """
    return (modes - 1) / (2 * n)


def _divergence(counts: Int[Tensor, "modes"], shares: Float[Tensor, "modes"]) -> Estimate:
    """KL divergence in nats, with the standard error of the delta method: the spread of log(p / q) over the images."""
    p, q = counts.double() / counts.sum(), shares.double() / shares.sum()
    ratio = torch.where(counts > 0, p / q, 1.0).log()
    value, n = kl_divergence(counts, shares), int(counts.sum())
    variance = float((p * (ratio - value) ** 2).sum())
    return estimate(value, standard_error=(variance / n) ** 0.5, degrees=n - 1)

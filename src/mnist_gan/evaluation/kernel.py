"""Kernel distance (KID): squared maximum mean discrepancy under a cubic polynomial kernel, unbiased at every n.

It assumes no Gaussian and needs no bias correction, so small sets compare fairly. It is noisier than the Frechet
distance; a value slightly below 0 means 0.
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from mnist_gan import rng
from mnist_gan.evaluation.statistics import Estimate, estimate

SUBSETS: Final = 100
SUBSET_SIZE: Final = 1000


def polynomial_kernel(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """`(x.y / d + 1)^3` for every pair of rows. Source: Binkowski et al. 2018, eq. 5."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def squared_mmd(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy under the cubic kernel.

    Source: Gretton et al. 2012, eq. 3 (lemma 6); Binkowski et al. 2018, eq. 4.
    """
    x, y = x.double(), y.double()
    n, m = len(x), len(y)
    within_x = polynomial_kernel(x, x)
    within_y = polynomial_kernel(y, y)
    mean_x = (within_x.sum() - within_x.diagonal().sum()) / (n * (n - 1))
    mean_y = (within_y.sum() - within_y.diagonal().sum()) / (m * (m - 1))
    return float(mean_x + mean_y - 2 * polynomial_kernel(x, y).mean())


def kernel_distance(
    features: Float[Tensor, "n d"],
    reference: Float[Tensor, "m d"],
    *,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = 0,
) -> Estimate:
    """Mean of `squared_mmd` over random subsets of both sides, with its standard error.

    The standard error is the standard deviation over the subsets, divided by the root of the number of disjoint subsets
    in the smaller side: the subsets drawn overlap, and their number would make it too small.

    Raises:
        ValueError: fewer than two samples on a side.
    """
    size = min(subset_size, len(features), len(reference))
    if size < 2:
        raise ValueError("a kernel distance needs at least 2 samples on each side")
    values = torch.empty(subsets, dtype=torch.float64)
    for position in range(subsets):
        generator = rng.generator(seed, "evaluation/kernel", position)
        chosen = torch.randperm(len(features), generator=generator)[:size]
        real = torch.randperm(len(reference), generator=generator)[:size]
        values[position] = squared_mmd(features[chosen], reference[real])
    disjoint = max(1, min(subsets, min(len(features), len(reference)) // size))
    error = float(values.std()) / disjoint**0.5
    return estimate(float(values.mean()), standard_error=error, degrees=max(1, subsets - 1))

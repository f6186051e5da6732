"""Frechet distance between two sets of features, each modelled as a Gaussian; float64.

It depends on the mean and the covariance of the features: it responds to missing digits, wrong shares and blur, and
ignores third moments and copies of the training set. The plug-in value of n samples is biased upwards by about c/n, so
a figure has n in its name (`fd10k`) and is read beside a floor of the same n.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from mnist_gan import rng
from mnist_gan.evaluation.statistics import Estimate, estimate, jackknife, mean_of_draws

JACKKNIFE_GROUPS: Final = 100
EXTRAPOLATION_POINTS: Final = 15
EXTRAPOLATION_REPEATS: Final = 4


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Mean and covariance of a set of features, float64."""

    mean: Float[Tensor, "d"]
    covariance: Float[Tensor, "d d"]
    """Unbiased (divided by n - 1)."""
    n: int
    """Number of samples."""


def fit_gaussian(features: Float[Tensor, "n d"]) -> Gaussian:
    """Mean and unbiased covariance of the rows.

    Raises:
        ValueError: fewer than two rows.
    """
    return Sums.of(features).gaussian()


@dataclass(frozen=True)
class Sums:
    """First and second moments about a common origin, as sums: a part of the set can be subtracted (jackknife)."""

    n: int
    first: Float[Tensor, "d"]
    second: Float[Tensor, "d d"]
    origin: Float[Tensor, "d"]

    @classmethod
    def of(cls, features: Float[Tensor, "n d"], *, origin: Float[Tensor, "d"] | None = None) -> Sums:
        """Sum the rows about `origin`, by default their mean, so that a large mean costs no precision."""
        origin = features.double().mean(0) if origin is None else origin
        second = torch.zeros(len(origin), len(origin), dtype=torch.float64)
        first = torch.zeros_like(origin)
        for chunk in torch.split(features, 8192):  # bounds the memory of float64 copies
            centred = chunk.double() - origin
            first += centred.sum(0)
            second += centred.T @ centred
        return cls(len(features), first, second, origin)

    def without(self, part: Sums) -> Sums:
        """Subtract the sums of a part of the set, taken about the same origin."""
        return Sums(self.n - part.n, self.first - part.first, self.second - part.second, self.origin)

    def plus(self, part: Sums) -> Sums:
        """Add the sums of another set, taken about the same origin."""
        return Sums(self.n + part.n, self.first + part.first, self.second + part.second, self.origin)

    def gaussian(self) -> Gaussian:
        """Mean and unbiased covariance."""
        if self.n < 2:
            raise ValueError(f"a covariance needs at least 2 samples, not {self.n}")
        mean = self.first / self.n
        covariance = (self.second - self.n * torch.outer(mean, mean)) / (self.n - 1)
        return Gaussian(mean=self.origin + mean, covariance=covariance, n=self.n)


def symmetric_root(matrix: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """Square root of a symmetric positive semi-definite matrix; negative eigenvalues (rounding) count as 0."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """`|m_a - m_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_b^1/2 S_a S_b^1/2)^1/2)`; at least 0 up to rounding.

    The matrix under the last root is symmetric: its eigenvalues are real and non-negative.

    Source: Dowson & Landau 1982, eq. 4; Heusel et al. 2017 (FID), eq. 6.
    """
    return float(frechet_distances(a.mean[None], a.covariance[None], b)[0])


def frechet_distances(
    means: Float[Tensor, "k d"], covariances: Float[Tensor, "k d d"], b: Gaussian
) -> Float[Tensor, "k"]:
    """`frechet_distance` of k Gaussians to `b`, whose root is computed once."""
    root = symmetric_root(b.covariance)
    products = root @ covariances @ root
    overlaps = torch.linalg.eigvalsh((products + products.mT) / 2).clamp(min=0).sqrt().sum(1)
    traces = covariances.diagonal(dim1=1, dim2=2).sum(1) + b.covariance.trace()
    distances: Tensor = (means - b.mean).square().sum(1) + traces - 2 * overlaps
    return distances


def distance_of_fixed_set(
    features: Float[Tensor, "n d"], reference: Gaussian, *, groups: int = JACKKNIFE_GROUPS, seed: int = 0
) -> Estimate:
    """Plug-in distance of `features` to `reference`, with a delete-a-group jackknife over `groups` random groups.

    The interval is for the mean distance of sets of this size; the reference counts as exact. Random groups make the
    result independent of the order of the samples.

    Raises:
        ValueError: fewer than 4 samples.
    """
    n = len(features)
    if n < 2 * groups:
        groups = max(2, n // 2)
    whole = Sums.of(features)
    order = torch.randperm(n, generator=rng.generator(seed, "evaluation/jackknife"))
    rests = [whole.without(Sums.of(features[group], origin=whole.origin)) for group in order.tensor_split(groups)]
    gaussians = [sums.gaussian() for sums in (whole, *rests)]
    value, *left_out = _distances(gaussians, reference)
    return jackknife(value, left_out)


def _distances(gaussians: Sequence[Gaussian], reference: Gaussian) -> list[float]:
    means = torch.stack([gaussian.mean for gaussian in gaussians])
    covariances = torch.stack([gaussian.covariance for gaussian in gaussians])
    values: list[float] = frechet_distances(means, covariances, reference).tolist()
    return values


def distance_over_sets(sets: Sequence[Float[Tensor, "_ d"]], reference: Gaussian) -> Estimate:
    """Distance at infinitely many samples, from k independent sets of n: `(k F(kn) - mean F(n)) / (k - 1)`.

    This removes a bias of c/n exactly (Richardson extrapolation), for any c; sets of other sizes count by 1/n. Each set
    may have exact shares of the labels, which lowers c; subsets of a set would not have them. The standard error is
    that of the mean over the sets, since the noise of all sets together is nearly the mean of theirs.

    Raises:
        ValueError: fewer than two sets.
    """
    parts = [Sums.of(features, origin=reference.mean) for features in sets]
    each = mean_of_draws(_distances([part.gaussian() for part in parts], reference))
    together = frechet_distance(functools.reduce(Sums.plus, parts).gaussian(), reference)
    few, many = sum(1 / len(features) for features in sets) / len(sets), 1 / sum(map(len, sets))
    value = (few * together - many * each.value) / (few - many)
    return estimate(value, standard_error=each.standard_error, degrees=len(sets) - 1)


def extrapolated_distance(
    features: Float[Tensor, "n d"],
    reference: Gaussian,
    *,
    points: int = EXTRAPOLATION_POINTS,
    repeats: int = EXTRAPOLATION_REPEATS,
    seed: int = 0,
) -> Estimate:
    """Distance at infinitely many samples: the intercept of a least-squares line through distance against 1/n.

    `points` sizes are evenly spaced from a tenth of the samples to all of them. At each size the samples are split at
    random into disjoint subsets, `repeats` times, and the distances averaged, because the smallest sizes have the most
    weight in the line and the most noise. The standard error is that of the line; it excludes the error of the samples,
    which all sizes share.

    Source: Chong & Forsyth 2020, "Effectively unbiased FID and Inception Score", section 4 (FID_infinity).

    Raises:
        ValueError: fewer than four samples per feature.
    """
    n, d = features.shape
    smallest = max(n // 10, 2 * d)
    if n < 2 * smallest:
        raise ValueError(f"an extrapolation needs at least {4 * d} samples of {d} features, not {n}")
    sizes = torch.linspace(smallest, n, points).round().long().tolist()
    values = []
    for position, size in enumerate(sizes):
        subsets: list[Tensor] = []
        for repeat in range(repeats):
            generator = rng.generator(seed, "evaluation/extrapolation", position * repeats + repeat)
            order = torch.randperm(n, generator=generator)
            subsets += torch.split(order[: n // size * size], size)
        distances = _distances([fit_gaussian(features[subset]) for subset in subsets], reference)
        values.append(sum(distances) / len(distances))
    return intercept([1 / size for size in sizes], values)


def intercept(x: Sequence[float], y: Sequence[float]) -> Estimate:
    """Intercept at x = 0 of the least-squares line through the points (x, y), with its standard error."""
    xs, ys = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    design = torch.stack([torch.ones_like(xs), xs], dim=1)
    inverse = torch.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ ys
    degrees = len(x) - 2
    noise = (ys - design @ coefficients).square().sum() / degrees
    return estimate(float(coefficients[0]), standard_error=float((noise * inverse[0, 0]).sqrt()), degrees=degrees)

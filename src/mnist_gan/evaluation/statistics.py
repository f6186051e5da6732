"""Means, confidence intervals and rank tests, in float64; scipy is no dependency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

Z_975: Final = 1.959963984540054
_T_975: Final = (12.706204736, 4.302652730, 3.182446305, 2.776445105, 2.570581836, 2.446911851)
"""97.5 % quantiles of Student's t for 1 to 6 degrees of freedom; from 7 on the expansion is accurate to 1e-4."""


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A value with its uncertainty."""

    value: float
    standard_error: float
    """Standard deviation of `value` over repetitions."""
    interval: Interval
    """95 %: `value` plus or minus a quantile of Student's t times `standard_error`."""


def t_quantile_975(degrees: int) -> float:
    """97.5 % quantile of Student's t.

    Source: Abramowitz & Stegun 1964, eq. 26.7.5 (the expansion about the normal quantile).
    """
    if degrees < 1:
        raise ValueError(f"Student's t needs at least 1 degree of freedom, not {degrees}")
    if degrees <= len(_T_975):
        return _T_975[degrees - 1]
    x = Z_975
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    correction: float = sum(term / degrees**power for power, term in enumerate(terms, start=1))
    return x + correction


def estimate(value: float, *, standard_error: float, degrees: int) -> Estimate:
    """`value` with its 95 % interval under Student's t with `degrees` degrees of freedom."""
    margin = t_quantile_975(degrees) * standard_error
    return Estimate(value=value, standard_error=standard_error, interval=Interval(value - margin, value + margin))


def mean_of_draws(values: Sequence[float]) -> Estimate:
    """Mean of independent repetitions, with its standard error.

    Raises:
        ValueError: fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("a spread needs at least two independent draws")
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return estimate(mean, standard_error=math.sqrt(variance / len(values)), degrees=len(values) - 1)


def jackknife(whole: float, left_out: Sequence[float]) -> Estimate:
    """Standard error of a statistic from its values with one group of the sample left out at a time.

    A bootstrap repeats samples, which biases a distance near zero; leaving out does not. For a statistic that is
    quadratic about its minimum (a distance near its floor) the error is overestimated.

    Source: Efron & Stein 1981, "The jackknife estimate of variance", eq. 1.3, over groups of equal size.
    """
    groups = len(left_out)
    mean = math.fsum(left_out) / groups
    variance = (groups - 1) / groups * math.fsum((value - mean) ** 2 for value in left_out)
    return estimate(whole, standard_error=math.sqrt(variance), degrees=groups - 1)


class RankTest(NamedTuple):
    """A Mann-Whitney test of "x tends to be smaller than y"."""

    u: float
    """Number of pairs (x_i, y_j) with x_i > y_j; ties count half."""
    share: float
    """u over the number of pairs: the probability that x is larger; 0.5 if neither tends to be."""
    p_value: float
    """One-sided: the probability of so small a u if x and y had one distribution."""


def mann_whitney(x: Num[Tensor, "n"], y: Num[Tensor, "m"]) -> RankTest:
    """Test if x tends to be smaller than y; normal approximation with tie and continuity correction.

    Source: Mann & Whitney 1947; the variance under ties is Lehmann 1975, "Nonparametrics", eq. 1.35.
    """
    n, m = len(x), len(y)
    if n == 0 or m == 0:
        raise ValueError("a rank test needs at least one value on each side")
    ranks, ties = average_ranks(torch.cat([x.double(), y.double()]))
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    total = n + m
    tie_term = float((ties.double() ** 3 - ties.double()).sum()) / (total * (total - 1)) if total > 1 else 0.0
    variance = n * m / 12 * (total + 1 - tie_term)
    if variance <= 0:
        return RankTest(u, u / (n * m), 1.0)
    z = (u - n * m / 2 + 0.5) / math.sqrt(variance)
    return RankTest(u, u / (n * m), normal_cdf(z))


def average_ranks(values: Num[Tensor, "n"]) -> tuple[Float[Tensor, "n"], Int[Tensor, "groups"]]:
    """Ranks from 1, with the mean rank for ties, and the size of each group of equal values."""
    _, group, sizes = torch.unique(values, sorted=True, return_inverse=True, return_counts=True)
    last = sizes.cumsum(0).double()
    return (last - (sizes.double() - 1) / 2)[group], sizes


def normal_cdf(z: float) -> float:
    """Standard normal distribution function."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def area_under_curve(positive: Num[Tensor, "n"], negative: Num[Tensor, "m"]) -> float:
    """Probability that a positive scores above a negative, ties counting half: the area under the ROC curve."""
    return mann_whitney(positive, negative).share

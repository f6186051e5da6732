"""Statistics of a study: values of one figure per arm and seed, smaller is better, `inf` for a failed trial.

Ranks and quantiles are defined with `inf`, so a failure counts as worse than every finished trial. Methods of scipy are
used where it has them; scipy comes with the extra `studies`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnist_gan.errors import ConfigError
from mnist_gan.evaluation.statistics import Interval

Values: TypeAlias = NDArray[np.float64]
Verdict: TypeAlias = Literal["better", "worse", "not shown", "suggested"]
"""Of an arm beside the baseline: shown to be better or worse; no difference shown; or suggested by an interval without
0, with a p-value above 5 % for lack of seeds or after the correction."""

RESAMPLES: Final = 10_000
"""Default number of bootstrap resamples."""
LEVEL: Final = 0.95
ALPHA: Final = 0.05
POWER: Final = 0.8
RANK_EFFICIENCY: Final = 3 / math.pi
"""Asymptotic relative efficiency of the signed-rank test to Student's t for normal data (Hodges and Lehmann 1956)."""
MIN_LEVEL: Final = 0.9
"""Confidence level below which an interval shows nothing: five pairs reach 93.8 %, four 87.5 %."""
FEW_SEEDS: Final = 5
"""With fewer seeds, every result carries a warning."""
MIN_PAIRS: Final = 6
"""Fewest pairs with which the signed-rank test can reach p < 0.05: 2 / 2**6 is 0.03."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Values of one arm."""

    n: int
    """Trials, failed ones included."""
    failed: int
    median: float
    iqm: float
    """Interquartile mean."""
    interval: Interval
    """95 % bootstrap interval of the interquartile mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """An arm beside the baseline, paired by seed; negative differences are in favour of the arm."""

    pairs: int
    median: float
    """Hodges-Lehmann estimate: the median of the Walsh averages of the paired differences."""
    interval: Interval
    level: float
    """Exact confidence level of `interval`: 95 % or a little more from six pairs on, less with fewer."""
    p_value: float
    """Two-sided Wilcoxon signed-rank test."""
    p_holm: float
    """`p_value` after Holm's correction over all arms that are compared with the baseline."""
    improvement: float
    """Probability that a trial of the arm is better than one of the baseline; ties count half."""
    improvement_interval: Interval
    """95 % stratified bootstrap interval: seeds of each arm are resampled by themselves."""
    detectable: float
    """Difference that so many pairs show with a probability of 80 %; `inf` with fewer than six."""

    @property
    def verdict(self) -> Verdict:
        """Result in one word."""
        if self.interval.low <= 0 <= self.interval.high or self.level < MIN_LEVEL:
            return "not shown"
        if self.p_holm >= ALPHA:
            return "suggested"
        return "better" if self.median < 0 else "worse"


class Band(NamedTuple):
    """A curve with its 95 % bootstrap interval at each point."""

    center: Values
    low: Values
    high: Values


def import_scipy() -> Any:
    """Return scipy.stats.

    Raises:
        ConfigError: scipy is not installed.
    """
    try:
        import scipy.stats
    except ImportError as error:
        raise ConfigError(
            "the statistics of a study need scipy; install it with `pip install 'mnist-gan[studies]'`"
        ) from error
    return scipy.stats


def interquartile_mean(values: Values, axis: int = -1) -> Any:
    """Mean of the middle half of the values.

    Source: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice", section 4.3.
    """
    return import_scipy().trim_mean(values, 0.25, axis=axis)


def summarize(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> Summary:
    """Summarize the values of one arm."""
    array = np.asarray(values, dtype=np.float64)
    interval = bootstrap_interval(interquartile_mean, array, resamples=resamples, seed=seed)
    return Summary(
        n=len(array),
        failed=int(np.isinf(array).sum()),
        median=float(quantile(array, 0.5)),
        iqm=float(interquartile_mean(array)),
        interval=interval,
    )


def bootstrap(statistic: Callable[..., Any], *samples: Values, resamples: int, seed: int) -> NDArray[Any]:
    """Bootstrap distribution of a statistic, on the last axis; each sample is resampled by itself (stratified).

    Args:
        statistic: vectorized function of the samples with the keyword `axis`.
        samples: values by seed on the last axis.
        resamples: number of resamples.
        seed: of the resampling.
    """
    if min(sample.shape[-1] for sample in samples) < 2:  # a single value resamples to itself
        value = np.asarray(statistic(*samples, axis=-1))
        return np.repeat(value[..., None], resamples, axis=-1)
    result = import_scipy().bootstrap(
        samples,
        statistic,
        n_resamples=resamples,
        batch=1_000,
        vectorized=True,
        axis=-1,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return np.asarray(result.bootstrap_distribution)


def bootstrap_interval(statistic: Callable[..., Any], *samples: Values, resamples: int, seed: int) -> Interval:
    """95 % percentile bootstrap interval. Its ends are values of the distribution, so that they may be infinite."""
    with np.errstate(invalid="ignore"):  # infinities in quantiles that are not used
        distribution = bootstrap(statistic, *samples, resamples=resamples, seed=seed)
    low, high = quantile(distribution, (1 - LEVEL) / 2), quantile(distribution, (1 + LEVEL) / 2)
    return Interval(float(low), float(high))


def compare(
    arm: Sequence[float], baseline: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """Compare an arm with the baseline; entry i of both is of the same seed. `p_holm` is uncorrected."""
    a, b = np.asarray(arm, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    differences = paired_differences(a, b)
    median, interval, level = hodges_lehmann(differences)
    p_value = signed_rank_p(differences)
    return Difference(
        pairs=len(differences),
        median=median,
        interval=interval,
        level=level,
        p_value=p_value,
        p_holm=p_value,
        improvement=float(improvement(a, b)),
        improvement_interval=bootstrap_interval(improvement, a, b, resamples=resamples, seed=seed),
        detectable=detectable_difference(differences),
    )


def paired_differences(arm: Values, baseline: Values) -> Values:
    """Differences by seed: `inf` where only the arm failed, `-inf` where only the baseline did, 0 where both did."""
    both = np.isinf(arm) & np.isinf(baseline)
    return np.where(both, 0.0, arm - np.where(both, 0.0, baseline))


def hodges_lehmann(differences: Values) -> tuple[float, Interval, float]:
    """Median of the Walsh averages, its exact interval, and the interval's confidence level.

    The interval holds the shifts that the signed-rank test does not reject. It is distribution-free for differences
    that are symmetric about the shift. The level is the lowest one of at least 95 %, or the highest there is.

    Source: Hollander, Wolfe and Chicken 2014, "Nonparametric Statistical Methods", sections 3.2 and 3.3.
    """
    n = len(differences)
    if n < 2:  # one difference has no spread
        return float(differences[0]), Interval(-math.inf, math.inf), LEVEL
    row, column = np.triu_indices(n)
    with np.errstate(invalid="ignore"):
        walsh = (differences[row] + differences[column]) / 2
    walsh = np.sort(np.where(np.isnan(walsh), 0.0, walsh))  # inf and -inf: a failure each
    counts = signed_rank_distribution(n)
    tails = 2 * np.cumsum(counts) / counts.sum()  # two-sided p of W <= w
    cut = max(1, int(np.searchsorted(tails, 1 - LEVEL, side="right")))  # Walsh averages cut off at each end, plus 1
    level = max(0.0, 1 - float(tails[cut - 1]))
    return float(quantile(walsh, 0.5)), Interval(float(walsh[cut - 1]), float(walsh[-cut])), level


@functools.lru_cache(maxsize=8)
def signed_rank_distribution(n: int) -> Values:
    """Number of the 2**n sign patterns with each signed-rank sum 0 .. n(n+1)/2.

    Source: Hollander, Wolfe and Chicken 2014, section 3.1: the product of the polynomials 1 + x**rank.
    """
    counts = np.ones(1)
    for rank in range(1, n + 1):
        counts = np.concatenate([counts, np.zeros(rank)]) + np.concatenate([np.zeros(rank), counts])
    return counts


def signed_rank_p(differences: Values) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test; 1 if all differences are 0.

    Zeros take part in the ranking (Pratt 1959). Infinite differences rank last. With ties, the distribution is that of
    random signs: all of them for up to 13 pairs, 10,000 drawn ones for more.
    """
    stats = import_scipy()
    if not np.any(differences):
        return 1.0
    finite = np.abs(differences[np.isfinite(differences)])
    beyond = 2 * float(finite.max(initial=0.0)) + 1.0  # the test needs finite numbers, and uses their ranks alone
    ranked = np.where(np.isinf(differences), np.sign(differences) * beyond, differences)
    tied = len(np.unique(np.abs(ranked))) < len(ranked) or not np.all(ranked)
    method = stats.PermutationMethod(n_resamples=RESAMPLES, rng=np.random.default_rng(0)) if tied else "auto"
    return float(stats.wilcoxon(ranked, zero_method="pratt", method=method).pvalue)


def improvement(arm: Values, baseline: Values, axis: int = -1) -> Any:
    """Probability that a value of the arm is smaller than one of the baseline; ties count half.

    It is the Mann-Whitney statistic over the number of pairs, vectorized over leading axes.

    Source: Agarwal et al. 2021, section 4.3, eq. 1.
    """
    a, b = np.moveaxis(arm, axis, -1)[..., :, None], np.moveaxis(baseline, axis, -1)[..., None, :]
    return ((a < b) + 0.5 * (a == b)).mean(axis=(-2, -1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, running = [1.0] * len(p_values), 0.0
    for position, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - position) * p_values[index]))
        adjusted[index] = running
    return adjusted


def detectable_difference(differences: Values) -> float:
    """Mean difference that a two-sided test at 5 % finds with a probability of 80 %.

    The power is that of Student's paired t-test, with as many pairs as the signed-rank test's efficiency leaves of
    them. The spread is that of the pairs in which both trials finished.

    Source: Cohen 1988, "Statistical Power Analysis", section 2.5 (noncentral t).
    """
    from scipy.optimize import brentq

    finite = differences[np.isfinite(differences)]
    if len(finite) < MIN_PAIRS:
        return math.inf
    stats, n = import_scipy(), RANK_EFFICIENCY * len(finite)
    critical = stats.t.ppf(1 - ALPHA / 2, n - 1)
    effect = brentq(lambda d: stats.nct.sf(critical, n - 1, d * math.sqrt(n)) - POWER, 0.0, 20.0)
    return float(effect * finite.std(ddof=1))


def performance_profile(values: Values, thresholds: Values, *, resamples: int, seed: int) -> Band:
    """Share of trials with a value of at most each threshold.

    Source: Dolan and Moré 2002; Agarwal et al. 2021, section 4.2 (run-score distributions).
    """
    indices = _resampled_indices(len(values), resamples=resamples, seed=seed)
    shares = (values[indices] <= thresholds[:, None, None]).mean(axis=-1)  # [thresholds, resamples]
    center = (values <= thresholds[:, None]).mean(axis=-1)
    return Band(center, quantile(shares, (1 - LEVEL) / 2), quantile(shares, (1 + LEVEL) / 2))


def band(curves: Values, *, resamples: int, seed: int) -> Band:
    """Interquartile mean of curves (seeds, points) at each point; whole curves are resampled."""
    indices = _resampled_indices(len(curves), resamples=resamples, seed=seed)
    means = interquartile_mean(curves[indices], axis=1).T  # [points, resamples]
    center = interquartile_mean(curves, axis=0)
    return Band(center, quantile(means, (1 - LEVEL) / 2), quantile(means, (1 + LEVEL) / 2))


def quantile(values: Values, share: float) -> Any:
    """Quantile over the last axis as one of the values, or the mean of two equally good ones; works with `inf`."""
    ordered = np.sort(values, axis=-1)
    position = share * ordered.shape[-1]
    nearest = round(position)
    if abs(position - nearest) < 1e-9 and 0 < nearest < ordered.shape[-1]:
        low, high = ordered[..., nearest - 1], ordered[..., nearest]
        return np.where(low == high, low, (low + np.where(low == high, 0.0, high)) / 2)
    return ordered[..., min(ordered.shape[-1] - 1, max(0, math.ceil(position) - 1))]


def caution(seeds: int) -> str:
    """Warning about a small number of seeds, as a sentence; empty from six on."""
    if seeds >= MIN_PAIRS:
        return ""
    if seeds < 2:
        return "One seed per arm supports no comparison: a second training of the same arm may differ as much."
    chance = f"{2 / 2**seeds:.2g}"
    few = "Fewer than 5 seeds support little. " if seeds < FEW_SEEDS else ""
    return (
        f"{few}With {seeds} seeds, arms that do not differ agree in every pair with probability {chance}, "
        f"so no p-value can fall below it; {MIN_PAIRS} seeds are the fewest that can show a difference at 5 %."
    )


def _resampled_indices(n: int, *, resamples: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(n, size=(resamples, n))

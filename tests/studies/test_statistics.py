"""Against scipy, against definitions written out, and on synthetic data of known coverage and power."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from mnist_gan.errors import ConfigError
from mnist_gan.evaluation.statistics import Interval
from mnist_gan.studies import statistics
from mnist_gan.studies.statistics import (
    Difference,
    band,
    caution,
    compare,
    detectable_difference,
    hodges_lehmann,
    holm,
    improvement,
    interquartile_mean,
    paired_differences,
    performance_profile,
    quantile,
    signed_rank_distribution,
    signed_rank_p,
    summarize,
)

RANDOM = np.random.default_rng(0)


def test_interquartile_mean_is_the_mean_of_the_middle_half():
    assert interquartile_mean(np.array([100.0, 1.0, 2.0, 3.0, 4.0, -50.0, 2.5, 3.5])) == pytest.approx(2.75)


def test_summarize_is_the_percentile_bootstrap_of_scipy():
    values = RANDOM.lognormal(size=12)
    found = summarize(values.tolist(), resamples=2_000, seed=3)
    expected = scipy.stats.bootstrap(
        (values,), interquartile_mean, n_resamples=2_000, method="percentile", rng=np.random.default_rng(3), batch=1_000
    ).confidence_interval
    assert found.interval == pytest.approx(tuple(expected), rel=0.02)
    assert found.median == pytest.approx(np.median(values))
    assert (found.n, found.failed) == (12, 0)


def test_summarize_counts_a_failure_as_the_worst_value():
    found = summarize([1.0, 2.0, 3.0, math.inf, 2.0, 2.0, 1.0, 3.0], resamples=500)
    assert (found.failed, found.median, found.iqm) == (1, 2.0, 2.25)
    assert found.interval == Interval(1.5, math.inf)  # three failures of eight are likely enough
    assert summarize([math.inf, math.inf, 1.0], resamples=500).iqm == math.inf


def test_summarize_covers_the_median_of_a_symmetric_law_as_documented():
    misses = [
        not low <= 0 <= high
        for low, high in (summarize(RANDOM.normal(size=10).tolist(), resamples=400).interval for _ in range(400))
    ]
    assert 0.03 < np.mean(misses) < 0.10  # the report says 94 %


def test_signed_rank_distribution_counts_all_sign_patterns():
    sums = [
        sum(rank for rank, sign in zip(range(1, 6), signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=5)
    ]
    assert signed_rank_distribution(5).tolist() == np.bincount(sums).tolist()


def test_hodges_lehmann_interval_holds_the_shifts_that_wilcoxons_test_keeps():
    differences = RANDOM.normal(0.3, 1, size=10)
    median, interval, level = hodges_lehmann(differences)
    assert level == pytest.approx(1 - 2 * 25 / 1024)  # 25 sign patterns have a sum of at most 8
    walsh = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(differences, 2)]
    assert median == pytest.approx(np.median(walsh))
    for end, inwards in ((interval.low, 1e-6), (interval.high, -1e-6)):
        assert scipy.stats.wilcoxon(differences - end - inwards).pvalue > 0.05
        assert scipy.stats.wilcoxon(differences - end + inwards).pvalue <= 0.05


@pytest.mark.parametrize(("n", "level"), [(3, 0.75), (5, 0.9375), (6, 0.96875), (20, 0.9516)])
def test_hodges_lehmann_covers_at_its_exact_level(n: int, level: float):
    found = [hodges_lehmann(RANDOM.normal(2, 1, size=n)) for _ in range(2_000)]
    assert found[0][2] == pytest.approx(level, abs=1e-4)
    assert np.mean([low <= 2 <= high for _, (low, high), _ in found]) == pytest.approx(level, abs=0.02)


def test_hodges_lehmann_of_one_pair_has_no_bounds():
    assert hodges_lehmann(np.array([3.0]))[1] == Interval(-math.inf, math.inf)


def test_signed_rank_p_is_exact_with_failures_and_ties():
    clear = np.array([-1.0, -2.0, -3.0, -4.0, -5.0, -math.inf, -math.inf])
    assert signed_rank_p(clear) == pytest.approx(2 / 2**7)
    assert signed_rank_p(np.zeros(5)) == 1.0
    plain = RANDOM.normal(size=9)
    assert signed_rank_p(plain) == pytest.approx(scipy.stats.wilcoxon(plain).pvalue)


def test_paired_differences_of_two_failures_are_a_tie():
    pairs = paired_differences(np.array([1.0, math.inf, 2.0, math.inf]), np.array([3.0, 1.0, math.inf, math.inf]))
    assert pairs.tolist() == [-2.0, math.inf, -math.inf, 0.0]


def test_improvement_is_the_mann_whitney_statistic():
    a, b = RANDOM.integers(5, size=8).astype(float), RANDOM.integers(5, size=6).astype(float)
    assert improvement(a, b) == pytest.approx(1 - scipy.stats.mannwhitneyu(a, b).statistic / 48)


def test_holm_is_the_closed_test_of_bonferroni():
    p_values = [0.01, 0.04, 0.03, 0.5]
    closed = [
        max(
            min(1.0, len(subset) * min(p_values[k] for k in subset))
            for size in range(1, 5)
            for subset in itertools.combinations(range(4), size)
            if index in subset
        )
        for index in range(4)
    ]
    assert holm(p_values) == pytest.approx(closed)


def test_detectable_difference_is_found_in_four_studies_of_five():
    size = detectable_difference(scipy.stats.norm.ppf((np.arange(12) + 0.5) / 12))
    spread = float(np.std(scipy.stats.norm.ppf((np.arange(12) + 0.5) / 12), ddof=1))
    shown = [signed_rank_p(RANDOM.normal(size, spread, size=12)) < 0.05 for _ in range(1_000)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.04)
    assert detectable_difference(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == math.inf


def test_compare_pairs_by_seed():
    noise = RANDOM.normal(0, 10, size=10)
    found = compare((noise - 1 + RANDOM.normal(0, 0.1, size=10)).tolist(), noise.tolist(), resamples=500)
    assert found.verdict == "better"
    assert found.interval.high < -0.8
    assert found.improvement_interval.low <= found.improvement <= found.improvement_interval.high


@pytest.mark.parametrize(
    ("low", "high", "level", "p", "verdict"),
    [
        (-1.0, 0.2, 0.95, 0.2, "not shown"),
        (-1.0, 0.0, 0.95, 0.05, "not shown"),
        (-2.0, -1.0, 0.95, 0.02, "better"),
        (1.0, 2.0, 0.95, 0.02, "worse"),
        (1.0, 2.0, 0.95, 0.06, "suggested"),
        (1.0, 2.0, 0.875, 0.125, "not shown"),
    ],
)
def test_verdict_follows_the_interval_then_the_corrected_p_value(low, high, level, p, verdict):
    found = Difference(
        pairs=9,
        median=(low + high) / 2,
        interval=Interval(low, high),
        level=level,
        p_value=p,
        p_holm=p,
        improvement=0.5,
        improvement_interval=Interval(0, 1),
        detectable=1.0,
    )
    assert found.verdict == verdict


def test_performance_profile_is_the_share_at_or_below_each_threshold():
    found = performance_profile(np.array([1.0, 2.0, 3.0, math.inf]), np.array([0.5, 2.0, 9.0]), resamples=400, seed=0)
    assert found.center.tolist() == [0.0, 0.5, 0.75]
    assert found.low.tolist() <= found.center.tolist() <= found.high.tolist()


def test_band_resamples_whole_curves():
    curves = np.outer(np.arange(1.0, 9.0), [1.0, 2.0])
    found = band(curves, resamples=400, seed=0)
    assert found.center.tolist() == [4.5, 9.0]
    assert (2 * found.low[0], 2 * found.high[0]) == pytest.approx((found.low[1], found.high[1]))


@pytest.mark.parametrize("share", [0.025, 0.5, 0.975])
def test_quantile_is_that_of_numpy_without_interpolation(share: float):
    values = RANDOM.normal(size=101)
    assert quantile(values, share) == np.quantile(values, share, method="inverted_cdf")


def test_caution_says_how_little_few_seeds_support():
    assert "probability 0.25" in caution(3)
    assert "Fewer than 5 seeds support little" in caution(4)
    assert "Fewer than 5" not in caution(5)
    assert caution(1).startswith("One seed per arm supports no comparison")
    assert caution(6) == ""


def test_import_scipy_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scipy.stats", None)
    with pytest.raises(ConfigError, match=r"pip install 'mnist-gan\[studies\]'"):
        statistics.import_scipy()

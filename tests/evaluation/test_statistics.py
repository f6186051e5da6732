from __future__ import annotations

import pytest
import scipy.stats
import torch

from mnist_gan.evaluation.statistics import (
    area_under_curve,
    average_ranks,
    estimate,
    jackknife,
    mann_whitney,
    mean_of_draws,
    t_quantile_975,
)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 30, 99, 1000])
def test_t_quantile_975_matches_scipy(degrees):
    assert t_quantile_975(degrees) == pytest.approx(scipy.stats.t.ppf(0.975, degrees), rel=1e-4)


def test_t_quantile_975_refuses_zero_degrees():
    with pytest.raises(ValueError, match="at least 1"):
        t_quantile_975(0)


def test_mean_of_draws_interval_matches_scipy():
    values = [2.0, 3.0, 7.0]
    found = mean_of_draws(values)
    expected = scipy.stats.t.interval(0.95, 2, loc=4.0, scale=scipy.stats.sem(values))
    assert found.value == 4.0
    assert tuple(found.interval) == pytest.approx(expected, rel=1e-6)


def test_mean_of_draws_refuses_one_value():
    with pytest.raises(ValueError, match="two independent draws"):
        mean_of_draws([1.0])


def test_jackknife_of_a_mean_is_its_standard_error():
    values = torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    left_out = [float(torch.cat([values[:i], values[i + 1 :]]).mean()) for i in range(50)]
    found = jackknife(float(values.mean()), left_out)
    assert found.standard_error == pytest.approx(float(values.std() / 50**0.5), rel=1e-10)


def test_estimate_without_error_has_an_empty_interval():
    assert estimate(5.0, standard_error=0.0, degrees=3).interval == (5.0, 5.0)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.7])
def test_mann_whitney_matches_scipy(ties, shift):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(83, dtype=torch.float64, generator=generator) + shift
    y = torch.randn(117, dtype=torch.float64, generator=generator)
    if ties:
        x, y = x.mul(3).round(), y.mul(3).round()
    found = mann_whitney(x, y)
    oracle = scipy.stats.mannwhitneyu(x.numpy(), y.numpy(), alternative="less", method="asymptotic")
    assert found.u == oracle.statistic
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    assert found.share == pytest.approx(oracle.statistic / (83 * 117))


def test_mann_whitney_of_equal_values_is_undecided():
    assert mann_whitney(torch.ones(5), torch.ones(7)) == (17.5, 0.5, 1.0)


def test_mann_whitney_refuses_an_empty_side():
    with pytest.raises(ValueError, match="at least one"):
        mann_whitney(torch.empty(0), torch.ones(3))


def test_average_ranks_share_the_mean_of_ties():
    ranks, sizes = average_ranks(torch.tensor([5.0, 1.0, 5.0, 3.0]))
    assert ranks.tolist() == [3.5, 1.0, 3.5, 2.0]
    assert sizes.tolist() == [1, 1, 2]


def test_area_under_curve_by_hand():
    assert area_under_curve(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0])) == 1.0
    assert area_under_curve(torch.tensor([1.0]), torch.tensor([1.0, 0.0])) == 0.75

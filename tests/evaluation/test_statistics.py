from __future__ import annotations

import pytest
import scipy.stats
import torch

from mnist_gan.evaluation.statistics import (
    area_under_curve,
    average_ranks,
    estimate,
    jackknife,
    jackknife_unbiased,
    mann_whitney,
    mean_of_draws,
    t_quantile_975,
)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 30, 99, 1000])
def test_the_quantiles_of_student_t_are_scipys(degrees):
    assert t_quantile_975(degrees) == pytest.approx(scipy.stats.t.ppf(0.975, degrees), rel=1e-4)


def test_no_quantile_without_a_degree_of_freedom():
    with pytest.raises(ValueError, match="at least 1"):
        t_quantile_975(0)


def test_the_interval_of_a_mean_is_the_textbooks():
    values = [2.0, 3.0, 7.0]
    found = mean_of_draws(values)
    expected = scipy.stats.t.interval(0.95, 2, loc=4.0, scale=scipy.stats.sem(values))
    assert found.value == 4.0
    assert tuple(found.interval) == pytest.approx(expected, rel=1e-6)


def test_one_draw_has_no_spread():
    with pytest.raises(ValueError, match="two independent draws"):
        mean_of_draws([1.0])


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    left_out = [float(torch.cat([values[:i], values[i + 1 :]]).mean()) for i in range(50)]
    found = jackknife(float(values.mean()), left_out)
    assert found.standard_error == pytest.approx(float(values.std() / 50**0.5), rel=1e-10)


def test_the_jackknife_takes_the_bias_off_the_plug_in_variance():
    values = torch.randn(20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    left_out = [float(torch.cat([values[:i], values[i + 1 :]]).var(correction=0)) for i in range(20)]
    found = jackknife_unbiased(float(values.var(correction=0)), left_out)
    assert found.value == pytest.approx(float(values.var(correction=1)), rel=1e-10)


def test_an_interval_lies_about_its_value():
    assert estimate(5.0, standard_error=0.0, degrees=3).interval == (5.0, 5.0)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.7])
def test_the_rank_test_is_scipys(ties, shift):
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


def test_the_rank_test_of_equal_values_says_nothing():
    assert mann_whitney(torch.ones(5), torch.ones(7)) == (17.5, 0.5, 1.0)


def test_the_rank_test_needs_values():
    with pytest.raises(ValueError, match="at least one"):
        mann_whitney(torch.empty(0), torch.ones(3))


def test_ranks_of_ties_are_their_mean():
    ranks, sizes = average_ranks(torch.tensor([5.0, 1.0, 5.0, 3.0]))
    assert ranks.tolist() == [3.5, 1.0, 3.5, 2.0]
    assert sizes.tolist() == [1, 1, 2]


def test_the_area_under_the_curve():
    assert area_under_curve(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0])) == 1.0
    assert area_under_curve(torch.tensor([1.0]), torch.tensor([1.0, 0.0])) == 0.75

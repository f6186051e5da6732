import math

import pytest
import torch

from mnist_gan.errors import DivergenceError
from mnist_gan.objectives import Calibration, Opinion, chance_real_above_fake, fit_calibration


def normal(n: int, *, mean: float = 0.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + mean


def test_accuracy_is_on_the_boundary_and_a_logit_on_it_counts_half():
    opinion = Opinion(decision_boundary=0.5)
    logits = torch.tensor([0.6, 0.5, 0.4, 9.0])
    assert opinion.real_accuracy(logits).item() == pytest.approx(2.5 / 4)
    assert opinion.fake_accuracy(logits).item() == pytest.approx(1.5 / 4)
    assert opinion.statistic_names == ("Score/real_accuracy", "Score/fake_accuracy")
    real, fake = opinion.statistics(torch.ones(3), torch.ones(3))
    assert (real.item(), fake.item()) == (1.0, 0.0)


def test_the_chance_that_real_is_above_fake_by_hand():
    real, fake = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0, 3.0])
    # of six pairs, 1 > 0, 2 > 0 and 2 > 1 are won; 1 = 1 counts half
    assert chance_real_above_fake(real, fake).item() == pytest.approx(3.5 / 6)
    assert chance_real_above_fake(torch.zeros(4), torch.zeros(5)).item() == 0.5


def test_the_chance_equals_a_count_over_all_pairs():
    real, fake = normal(50, mean=0.5).round(decimals=1), normal(40, seed=1).round(decimals=1)
    wins = (real[:, None] > fake).double() + 0.5 * (real[:, None] == fake).double()
    assert chance_real_above_fake(real, fake).item() == pytest.approx(wins.mean().item())


def test_without_a_boundary_the_statistic_is_that_chance():
    opinion = Opinion(decision_boundary=None)
    assert opinion.statistic_names == ("Score/real_above_fake",)
    (chance,) = opinion.statistics(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 3.0]))
    assert chance.item() == 0.5
    with pytest.raises(ValueError, match="no decision boundary"):
        opinion.real_accuracy(torch.zeros(1))


def test_a_calibration_is_a_logistic_curve():
    probability = Calibration(scale=2.0, bias=-1.0).probability(torch.tensor([0.5, 0.5 + 0.5 * math.log(3), -1e6, 1e6]))
    torch.testing.assert_close(probability, torch.tensor([0.5, 0.75, 0.0, 1.0]))
    assert probability.dtype == torch.float32


def test_a_probability_is_computed_in_float64():
    steep = Calibration(scale=1e3, bias=1.0 - 1e8)  # in float32 the bias would be -1e8
    torch.testing.assert_close(steep.probability(torch.tensor([1e5])), torch.tensor([1.0]).sigmoid())


def test_a_calibration_recovers_the_curve_that_the_logits_came_from():
    # logits of two normals with variance 1 and means 1.5 and -0.5: the log odds at x are 2 x - 1
    calibration = fit_calibration(normal(200_000, mean=1.5), normal(200_000, mean=-0.5, seed=1))
    assert calibration.scale == pytest.approx(2.0, rel=0.02)
    assert calibration.bias == pytest.approx(-1.0, rel=0.03)


def test_the_kinds_count_the_same_however_many_there_are():
    few, many = normal(20_000, mean=0.5), normal(400_000, mean=-0.5, seed=1)
    calibration = fit_calibration(few, many)
    assert calibration.scale == pytest.approx(1.0, rel=0.05)
    assert calibration.bias == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("gap", [1e-3, 1.0, 1e6])
def test_perfectly_separable_logits_give_platts_targets_and_no_more(gap):
    n, m = 98, 48
    calibration = fit_calibration(torch.full((n,), gap), torch.full((m,), -gap))
    real, fake = calibration.probability(torch.tensor([gap, -gap], dtype=torch.float64)).tolist()
    assert real == pytest.approx(99 / 100, abs=1e-6)
    assert fake == pytest.approx(1 / 50, abs=1e-6)


def test_separable_and_spread_logits_stay_finite():
    calibration = fit_calibration(normal(500, mean=100.0), normal(500, mean=-100.0, seed=1))
    assert 0 < calibration.scale < 10
    assert math.isfinite(calibration.bias)
    assert 0.98 < calibration.probability(torch.tensor([100.0])).item() < 1


def test_one_logit_for_all_says_nothing():
    calibration = fit_calibration(torch.full((7,), 0.1), torch.full((3,), 0.1))
    assert calibration.scale == 0
    assert calibration.probability(torch.tensor([3.0, -50.0])).tolist() == pytest.approx([0.5, 0.5])


def test_logits_far_from_zero_and_close_together_are_told_apart():
    calibration = fit_calibration(normal(20_000, mean=1e5 + 0.5), normal(20_000, mean=1e5 - 0.5, seed=1))
    assert calibration.probability(torch.tensor([1e5])).item() == pytest.approx(0.5, abs=0.02)
    assert calibration.scale == pytest.approx(1.0, rel=0.05)


def test_an_inverted_discriminator_is_calibrated_as_it_is():
    assert fit_calibration(normal(1000, mean=-1.0), normal(1000, mean=1.0, seed=1)).scale < 0


def test_a_calibration_is_the_same_every_time_and_takes_float32():
    real, fake = normal(1000, mean=1.0), normal(900, seed=1)
    assert fit_calibration(real, fake) == fit_calibration(real, fake)
    low = fit_calibration(real.float(), fake.float())
    assert low.scale == pytest.approx(fit_calibration(real, fake).scale, rel=1e-4)


def test_what_cannot_be_calibrated_is_refused():
    with pytest.raises(ValueError, match="one of them is empty"):
        fit_calibration(torch.empty(0), torch.zeros(3))
    with pytest.raises(DivergenceError, match="not finite"):
        fit_calibration(torch.tensor([float("nan")]), torch.zeros(3))

import math

import pytest
import torch

from mnist_gan.errors import DivergenceError
from mnist_gan.objectives import Calibration, fit_calibration


def normal(n: int, *, mean: float = 0.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + mean


def test_calibration_is_a_logistic_curve():
    probability = Calibration(scale=2.0, bias=-1.0).probability(torch.tensor([0.5, 0.5 + 0.5 * math.log(3), -1e6, 1e6]))
    torch.testing.assert_close(probability, torch.tensor([0.5, 0.75, 0.0, 1.0]))
    assert probability.dtype == torch.float32


def test_calibration_computes_probabilities_in_float64():
    steep = Calibration(scale=1e3, bias=1.0 - 1e8)  # in float32 the bias would be -1e8
    torch.testing.assert_close(steep.probability(torch.tensor([1e5])), torch.tensor([1.0]).sigmoid())


def test_fit_calibration_recovers_the_curve_that_generated_the_logits():
    # logits of two normals with variance 1 and means 1.5 and -0.5: the log odds at x are 2 x - 1
    calibration = fit_calibration(normal(200_000, mean=1.5), normal(200_000, mean=-0.5, seed=1))
    assert calibration.scale == pytest.approx(2.0, rel=0.02)
    assert calibration.bias == pytest.approx(-1.0, rel=0.03)


def test_fit_calibration_gives_both_kinds_equal_weight_at_any_counts():
    few, many = normal(20_000, mean=0.5), normal(400_000, mean=-0.5, seed=1)
    calibration = fit_calibration(few, many)
    assert calibration.scale == pytest.approx(1.0, rel=0.05)
    assert calibration.bias == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("gap", [1e-3, 1.0, 1e6])
def test_fit_calibration_of_separable_logits_reaches_platts_targets_only(gap):
    n, m = 98, 48
    calibration = fit_calibration(torch.full((n,), gap), torch.full((m,), -gap))
    real, fake = calibration.probability(torch.tensor([gap, -gap], dtype=torch.float64)).tolist()
    assert real == pytest.approx(99 / 100, abs=1e-6)
    assert fake == pytest.approx(1 / 50, abs=1e-6)


def test_fit_calibration_of_separable_and_spread_logits_is_finite():
    calibration = fit_calibration(normal(500, mean=100.0), normal(500, mean=-100.0, seed=1))
    assert 0 < calibration.scale < 10
    assert math.isfinite(calibration.bias)
    assert 0.98 < calibration.probability(torch.tensor([100.0])).item() < 1


def test_fit_calibration_of_equal_logits_gives_one_half_everywhere():
    calibration = fit_calibration(torch.full((7,), 0.1), torch.full((3,), 0.1))
    assert calibration.scale == 0
    assert calibration.probability(torch.tensor([3.0, -50.0])).tolist() == pytest.approx([0.5, 0.5])


def test_fit_calibration_resolves_logits_far_from_zero_and_close_together():
    calibration = fit_calibration(normal(20_000, mean=1e5 + 0.5), normal(20_000, mean=1e5 - 0.5, seed=1))
    assert calibration.probability(torch.tensor([1e5])).item() == pytest.approx(0.5, abs=0.02)
    assert calibration.scale == pytest.approx(1.0, rel=0.05)


def test_fit_calibration_of_an_inverted_discriminator_has_a_negative_scale():
    assert fit_calibration(normal(1000, mean=-1.0), normal(1000, mean=1.0, seed=1)).scale < 0


def test_fit_calibration_is_deterministic_and_accepts_float32():
    real, fake = normal(1000, mean=1.0), normal(900, seed=1)
    assert fit_calibration(real, fake) == fit_calibration(real, fake)
    low = fit_calibration(real.float(), fake.float())
    assert low.scale == pytest.approx(fit_calibration(real, fake).scale, rel=1e-4)


def test_fit_calibration_refuses_empty_and_non_finite_logits():
    with pytest.raises(ValueError, match="one of the two is empty"):
        fit_calibration(torch.empty(0), torch.zeros(3))
    with pytest.raises(DivergenceError, match="not finite"):
        fit_calibration(torch.tensor([float("nan")]), torch.zeros(3))

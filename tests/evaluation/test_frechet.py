from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from mnist_gan.evaluation.frechet import (
    Gaussian,
    Sums,
    distance_of_fixed_set,
    distance_over_sets,
    extrapolated_distance,
    fit_gaussian,
    frechet_distance,
    intercept,
    symmetric_root,
)


def random_features(n: int, d: int, *, seed: int, scale: float = 1.0, shift: float = 0.0):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, dtype=torch.float64, generator=generator) / d**0.5
    return scale * torch.randn(n, d, dtype=torch.float64, generator=generator) @ mix + shift


def standard_gaussian(d: int, *, shift: float = 0.0, variance: float = 1.0) -> Gaussian:
    mean = torch.zeros(d, dtype=torch.float64)
    mean[0] = shift
    return Gaussian(mean=mean, covariance=variance * torch.eye(d, dtype=torch.float64), n=1_000_000)


class Passthrough(torch.nn.Module):
    """Feature network for torchmetrics: features are passed as images of d channels and returned."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.num_features = d

    def forward(self, images):
        return images.flatten(1)


def test_fit_gaussian_matches_numpy_at_a_large_offset():
    features = random_features(20_000, 5, seed=0, shift=1e4)
    found = fit_gaussian(features)
    assert found.mean.numpy() == pytest.approx(features.numpy().mean(0), rel=1e-12)
    assert found.covariance.numpy() == pytest.approx(np.cov(features.numpy(), rowvar=False), rel=1e-8, abs=1e-10)


def test_fit_gaussian_refuses_one_sample():
    with pytest.raises(ValueError, match="at least 2"):
        fit_gaussian(torch.ones(1, 3))


def test_sums_without_a_part_are_those_of_the_rest():
    features = random_features(100, 4, seed=1)
    whole = Sums.of(features)
    rest = whole.without(Sums.of(features[:30], origin=whole.origin)).gaussian()
    expected = fit_gaussian(features[30:])
    assert torch.allclose(rest.mean, expected.mean, rtol=1e-12)
    assert torch.allclose(rest.covariance, expected.covariance, rtol=1e-10)


def test_symmetric_root_squares_to_the_matrix():
    matrix = fit_gaussian(random_features(200, 8, seed=2)).covariance
    root = symmetric_root(matrix)
    assert torch.allclose(root @ root, matrix, rtol=1e-10, atol=1e-12)


def test_frechet_distance_of_one_dimensional_gaussians_by_hand():
    a = Gaussian(mean=torch.tensor([1.0]).double(), covariance=torch.tensor([[4.0]]).double(), n=9)
    b = Gaussian(mean=torch.tensor([4.0]).double(), covariance=torch.tensor([[25.0]]).double(), n=9)
    assert frechet_distance(a, b) == pytest.approx((1 - 4) ** 2 + (2 - 5) ** 2, rel=1e-12)


def test_frechet_distance_of_commuting_covariances_by_hand():
    a = Gaussian(mean=torch.zeros(3).double(), covariance=torch.diag(torch.tensor([1.0, 4.0, 9.0])).double(), n=9)
    b = Gaussian(mean=torch.ones(3).double(), covariance=torch.diag(torch.tensor([4.0, 1.0, 0.0])).double(), n=9)
    assert frechet_distance(a, b) == pytest.approx(3 + (1 - 2) ** 2 + (2 - 1) ** 2 + 3**2, rel=1e-12)


def test_frechet_distance_to_itself_is_zero():
    gaussian = fit_gaussian(random_features(500, 16, seed=3))
    assert frechet_distance(gaussian, gaussian) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_is_symmetric():
    a, b = (fit_gaussian(random_features(400, 12, seed=seed)) for seed in (4, 5))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-10)


def test_frechet_distance_matches_scipy():
    a, b = (fit_gaussian(random_features(400, 24, seed=seed, shift=seed)) for seed in (6, 7))
    cross = scipy.linalg.sqrtm(a.covariance.numpy() @ b.covariance.numpy())
    apart = (a.mean - b.mean).square().sum()
    expected = float(apart + a.covariance.trace() + b.covariance.trace()) - 2 * np.trace(cross).real
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_matches_torchmetrics():
    real, fake = random_features(900, 16, seed=8), random_features(700, 16, seed=9, shift=0.3)
    oracle = FrechetInceptionDistance(feature=Passthrough(16), normalize=True, input_img_size=(16, 1, 1))
    oracle.set_dtype(torch.float64)
    oracle.update(real[:, :, None, None], real=True)
    oracle.update(fake[:, :, None, None], real=False)
    expected = float(oracle.compute())
    # torchmetrics takes eigenvalues of the product, which is not symmetric: equal up to rounding
    assert frechet_distance(fit_gaussian(fake), fit_gaussian(real)) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_accepts_a_singular_covariance():
    features = torch.zeros(50, 6, dtype=torch.float64)
    features[:, 0] = torch.linspace(-1, 1, 50)
    found = frechet_distance(fit_gaussian(features), standard_gaussian(6))
    deviation = float(features[:, 0].std())
    assert found == pytest.approx((1 - deviation) ** 2 + 5, rel=1e-7)


def standard_samples(seed: int, *, shift: float) -> torch.Tensor:
    """600 standard Gaussian samples in 6 dimensions, shifted along the first."""
    features = torch.randn(600, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    features[:, 0] += shift
    return features


def coverage(reference: Gaussian, *, shift: float, repeats: int = 120) -> float:
    """Share of intervals of fixed sets that contain the mean distance of sets of their size."""
    values = [
        frechet_distance(fit_gaussian(standard_samples(seed, shift=shift)), reference) for seed in range(1000, 1400)
    ]
    mean, hits = sum(values) / len(values), 0
    for seed in range(repeats):
        features = standard_samples(seed, shift=shift)
        low, high = distance_of_fixed_set(features, reference, groups=50, seed=seed).interval
        hits += low <= mean <= high
    return hits / repeats


def test_distance_of_fixed_set_interval_has_its_coverage_far_from_the_floor():
    assert 0.89 <= coverage(standard_gaussian(6, variance=2.0), shift=1.0) <= 0.99


def test_distance_of_fixed_set_interval_is_wide_at_the_floor():
    assert coverage(standard_gaussian(6), shift=0.0) >= 0.93


def test_distance_of_fixed_set_error_matches_the_spread_of_repeated_draws():
    reference = standard_gaussian(6, variance=2.0)
    found = []
    for seed in range(200):
        features = torch.randn(600, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.5
        found.append(distance_of_fixed_set(features, reference, groups=30))
    observed = torch.tensor([one.value for one in found]).std()
    said = torch.tensor([one.standard_error for one in found]).mean()
    assert float(said / observed) == pytest.approx(1, abs=0.15)


def test_distance_of_fixed_set_ignores_the_order_of_samples():
    features = random_features(1000, 6, seed=11)
    in_order = features[features[:, 0].argsort()]
    reference = standard_gaussian(6)
    one, other = (distance_of_fixed_set(x, reference) for x in (features, in_order))
    assert one.value == pytest.approx(other.value, rel=1e-10)
    assert one.standard_error == pytest.approx(other.standard_error, rel=0.4)


def test_extrapolated_distance_removes_most_of_the_bias():
    reference, n, d = standard_gaussian(8), 4000, 8
    plug_in, extrapolated = [], []
    for seed in range(10):
        features = torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        plug_in.append(frechet_distance(fit_gaussian(features), reference))
        extrapolated.append(extrapolated_distance(features, reference, seed=seed).value)
    # the bias of the plug-in value is about d (d + 9) / (4 n)
    assert abs(sum(extrapolated)) < 0.25 * sum(plug_in)


def test_extrapolated_distance_refuses_few_samples():
    with pytest.raises(ValueError, match="at least 32 samples"):
        extrapolated_distance(torch.randn(20, 8), standard_gaussian(8))


def test_intercept_of_an_exact_line():
    found = intercept([1.0, 2.0, 3.0, 4.0], [3.0, 5.0, 7.0, 9.0])
    assert found.value == pytest.approx(1.0)
    assert found.standard_error == pytest.approx(0.0, abs=1e-9)


def test_distance_over_sets_removes_the_bias_of_few_samples():
    generator = torch.Generator().manual_seed(0)
    reference = Gaussian(mean=torch.zeros(8).double(), covariance=torch.eye(8).double(), n=10**6)
    shift = torch.zeros(8)
    shift[0] = 0.3  # the true distance is 0.09
    sets = [torch.randn(200, 8, generator=generator) + shift for _ in range(10)]
    found = distance_over_sets(sets, reference)
    each = [frechet_distance(fit_gaussian(features), reference) for features in sets]
    assert min(each) > 0.09, "every set is biased upwards"
    assert found.value == pytest.approx(0.09, abs=3 * found.standard_error)
    assert found.interval.low < found.value < found.interval.high


def test_distance_over_sets_is_the_intercept_through_both_numbers_of_samples():
    generator = torch.Generator().manual_seed(1)
    reference = fit_gaussian(torch.randn(5000, 4, generator=generator))
    sets = [torch.randn(50, 4, generator=generator) for _ in range(2)]
    one = sum(frechet_distance(fit_gaussian(features), reference) for features in sets) / 2
    both = frechet_distance(fit_gaussian(torch.cat(sets)), reference)
    assert distance_over_sets(sets, reference).value == pytest.approx(2 * both - one)

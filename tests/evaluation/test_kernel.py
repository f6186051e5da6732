from __future__ import annotations

import pytest
import torch
from torchmetrics.image.kid import KernelInceptionDistance

from mnist_gan.evaluation.kernel import kernel_distance, polynomial_kernel, squared_mmd


def normal(n: int, d: int, *, seed: int, shift: float = 0.0):
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + shift


class Passthrough(torch.nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.num_features = d

    def forward(self, images):
        return images.flatten(1)


def test_polynomial_kernel_by_hand():
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 0.5]])
    assert polynomial_kernel(x, y).item() == pytest.approx((4 / 2 + 1) ** 3)


def test_squared_mmd_by_hand():
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    # within x: k(0, 1) = 1; within y: k(1, 2) = 27; between: 1, 1, 8, 27
    assert squared_mmd(x, y) == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_squared_mmd_matches_torchmetrics():
    real, fake = normal(300, 12, seed=0), normal(300, 12, seed=1, shift=0.2)
    with pytest.warns(UserWarning, match="save all extracted features"):  # always warns
        oracle = KernelInceptionDistance(feature=Passthrough(12), subsets=1, subset_size=300, normalize=True)
    oracle.set_dtype(torch.float64)
    oracle.update(real[:, :, None, None], real=True)
    oracle.update(fake[:, :, None, None], real=False)
    expected, _ = oracle.compute()  # one subset of all samples: only their order is random
    assert squared_mmd(fake, real) == pytest.approx(float(expected), rel=1e-6)


def test_kernel_distance_of_equal_distributions_is_zero_within_its_error():
    found = [
        kernel_distance(normal(1000, 8, seed=s), normal(1000, 8, seed=s + 50), subsets=20, subset_size=200)
        for s in range(20)
    ]
    assert sum(one.value for one in found) / 20 == pytest.approx(0, abs=3 * found[0].standard_error)
    assert sum(one.interval.low <= 0 <= one.interval.high for one in found) >= 17


def test_kernel_distance_detects_a_shift():
    near, far = (
        kernel_distance(normal(500, 8, seed=1, shift=s), normal(500, 8, seed=2), subsets=20) for s in (0.1, 1.0)
    )
    assert far.value > 10 * max(near.value, far.standard_error)


def test_kernel_distance_accepts_small_sets():
    assert kernel_distance(normal(5, 3, seed=0), normal(7, 3, seed=1), subsets=4).standard_error > 0
    with pytest.raises(ValueError, match="at least 2"):
        kernel_distance(normal(1, 3, seed=0), normal(7, 3, seed=1))

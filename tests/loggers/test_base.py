import numpy as np
import torch

from mnist_gan.loggers.base import finite_values


def test_finite_values_are_flat_float64_without_nan_and_infinities() -> None:
    tensor = torch.tensor([[1.5, torch.nan], [-torch.inf, 2.0]], dtype=torch.bfloat16, requires_grad=True)
    values = finite_values(tensor)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, [1.5, 2.0])
    assert finite_values(torch.tensor([torch.nan])).size == 0

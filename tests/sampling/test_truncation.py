from __future__ import annotations

import math

import pytest
import torch

from mnist_gan.errors import ConfigError
from mnist_gan.sampling.truncation import truncate


def test_truncate_scales_z_by_psi() -> None:
    z = torch.tensor([[1.0, -2.0], [0.5, 4.0]])
    assert torch.equal(truncate(z, psi=0.5), torch.tensor([[0.5, -1.0], [0.25, 2.0]]))
    assert torch.equal(truncate(z, psi=1), z)
    assert torch.equal(truncate(z, psi=0), torch.zeros(2, 2))


@pytest.mark.parametrize("psi", [-0.1, 2.1, math.nan, math.inf])
def test_truncate_refuses_psi_out_of_range(psi: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 2"):
        truncate(torch.ones(1, 1), psi=psi)

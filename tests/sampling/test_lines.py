from __future__ import annotations

import pytest
import torch

from mnist_gan.sampling import latent_lines


def test_latent_lines_cross_at_right_angles_and_are_even_in_probability() -> None:
    z = latent_lines(2, lines=3, steps=5)
    assert z.shape == (2, 3, 5, 2)
    assert torch.special.ndtr(z[0, 0, :, 0]).tolist() == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9], abs=1e-5)
    assert torch.special.ndtr(z[0, :, 0, 1]).tolist() == pytest.approx([1 / 6, 0.5, 5 / 6], abs=1e-5)
    assert torch.equal(z[1], z[0].flip(-1))


def test_latent_lines_of_other_lengths_of_z() -> None:
    assert latent_lines(1, lines=3, steps=5).shape == (1, 3, 5, 1)
    assert not latent_lines(4, lines=3, steps=5)[..., 2:].any()
